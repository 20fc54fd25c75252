/** Reads `countersign.yaml`, checks it as a whole, and says everything that is wrong with it at once. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve as resolvePath } from 'node:path'
import { sha256Hex } from '../cryptography.ts'
import { crossCheck } from './cross-check.ts'
import type { Finding } from './cross-check.ts'
import { ConfigError, keyText, problemLine } from './errors.ts'
import type { ConfigProblem } from './errors.ts'
import { checkFiles } from './files.ts'
import { problemsOf } from './problems.ts'
import { configSchema } from './schema.ts'
import type { Config } from './schema.ts'
import { fileBytesMax, readSource } from './source.ts'
import type { Source } from './source.ts'
import { checkWitnesses } from './witnesses.ts'
import type { WitnessesFound } from './witnesses.ts'

/** A configuration that may be put in force. */
export interface LoadedConfig {
  readonly config: Config
  /** Absolute. */
  readonly path: string
  /** Folder of the file: paths in it are relative to here. */
  readonly baseDir: string
  /** SHA-256 (hex) of the bytes of the file. */
  readonly sha256: string
  /** What is allowed and probably not meant. */
  readonly warnings: readonly ConfigProblem[]
  /** Whose cosignatures are enough, in words; absent without witnesses, and when files are unchecked. */
  readonly quorum?: string
  resolve(relative: string): string
}

/**
 * Loads a configuration file.
 * @param options `files: 'unchecked'` for questions about the policy alone, where keys and certificates are elsewhere.
 * @throws {ConfigError} `CONFIG_UNREADABLE`; `CONFIG_SYNTAX` for what is not YAML; `CONFIG_INVALID`, with every problem.
 */
export async function loadConfig(
  path: string,
  { files = 'checked' }: { files?: 'checked' | 'unchecked' } = {},
): Promise<LoadedConfig> {
  const file = resolvePath(path)
  const baseDir = dirname(file)
  const resolve = (relative: string): string => resolvePath(baseDir, relative)
  const { text, sha256 } = await readBounded(file)

  const source = readSource(text)
  if ('problems' in source) throw refused('CONFIG_SYNTAX', path, source.problems)
  const parsed = configSchema.safeParse(source.value)
  if (!parsed.success)
    throw refused('CONFIG_INVALID', path, problemsOf(parsed.error.issues, source))

  const config = parsed.data
  const isChecked = files === 'checked'
  const witnesses: WitnessesFound = isChecked
    ? await checkWitnesses(config, resolve)
    : { findings: [] }
  const findings = [
    ...crossCheck(config),
    ...(isChecked ? await checkFiles(config, resolve) : []),
    ...witnesses.findings,
  ]
  const errors = placed(findings, 'error', source)
  if (errors.length > 0) throw refused('CONFIG_INVALID', path, errors)
  return {
    config,
    path: file,
    baseDir,
    sha256,
    warnings: placed(findings, 'warning', source),
    ...(witnesses.quorum === undefined ? {} : { quorum: witnesses.quorum }),
    resolve,
  }
}

async function readBounded(file: string): Promise<{ text: string; sha256: string }> {
  try {
    const { size } = await stat(file)
    if (size > fileBytesMax) throw new Error(`it has ${size} bytes; the limit is ${fileBytesMax}`)
    const bytes = await readFile(file)
    return {
      text: new TextDecoder('utf-8', { fatal: true }).decode(bytes),
      sha256: sha256Hex(bytes),
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new ConfigError('CONFIG_UNREADABLE', `could not read the configuration ${file}: ${why}`, {
      cause: error,
    })
  }
}

function placed(
  findings: readonly Finding[],
  level: Finding['level'],
  source: Source,
): ConfigProblem[] {
  return findings
    .filter((finding) => finding.level === level)
    .map(({ path, message }) => ({ ...source.locate(path), key: keyText(path), message }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
}

function refused(
  code: 'CONFIG_SYNTAX' | 'CONFIG_INVALID',
  path: string,
  problems: readonly ConfigProblem[],
): ConfigError {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const lines = problems.map((problem) => problemLine(path, problem))
  return new ConfigError(code, [`could not use the configuration: ${count}`, ...lines].join('\n'), {
    problems,
  })
}
