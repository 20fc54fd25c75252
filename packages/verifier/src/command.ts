/** `countersign-verify`, also as `countersign verify`: arguments in, a judgement on stdout, talk on stderr, an exit code out. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { TlogError } from '@countersign/tlog/errors'
import { parseVkey } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'

import { servedAddenda } from './addenda.ts'
import type { AddendaSource } from './addenda.ts'
import { isBundle, verifyBundle } from './bundle-command.ts'
import { VerifierError } from './errors.ts'
import { readAskedRange } from './asked-range.ts'
import { tellCompleteness } from './completeness-text.ts'
import type { Finding } from './finding.ts'
import { directorySource, nodeCrypto, urlSource } from './node-io.ts'
import { inFlight, onThreads } from './pool.ts'
import type { LogSource } from './source.ts'
import { openProgress, summary } from './summary.ts'
import { verifyLog } from './verify.ts'
import type { Report, VerifyOptions } from './verify.ts'

export interface CommandIo {
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Whether stderr is a terminal: only then is progress shown. */
  readonly isTerminal: boolean
}

export interface CommandHooks {
  /** Name of the program in messages and help. */
  readonly program?: string
  /** Where the addenda of a data folder are. */
  readonly addenda?: (dataDir: string) => AddendaSource
  /** More checks, when the argument is a data folder: its write-ahead log, say. Findings count like ours. */
  readonly extra?: (log: {
    readonly dataDir: string
    readonly size: number
    readonly source: LogSource
  }) => AsyncIterable<Finding>
}

const THREADS_MAX = 16

function usage(program: string): string {
  return `Usage: ${program} <directory|url> [--vkey KEY|FILE]... [--policy FILE] [--from-checkpoint FILE]
       [--continues DIR|URL] [--addenda]
       [--complete [--range FIRST-LAST | --since TIME] [--until TIME]] [--json]
       ${program} <bundle.zip> [--vkey KEY|FILE]... [--policy FILE] [--json]

Re-hashes every byte of a log and holds it against its signed checkpoint. Says which file is wrong, and where.
The directory is a published log (it holds "checkpoint" and "tile/") or a data folder with such a log in "log/".
A bundle is what 'countersign export' and 'countersign disclose' write: a part of a log, and what proves it.

  --vkey KEY|FILE          believe this key; give the log's own, and those of witnesses. May be repeated.
                           Without one, signatures are NOT checked: the files are only compared with each other.
  --policy FILE            demand the cosignatures that this c2sp.org/tlog-policy file asks for; its keys, of logs and
                           of witnesses, are believed like those of --vkey. For a bundle: instead of the policy in it.
  --from-checkpoint FILE   an earlier checkpoint of the log: fail when the log shrank or forked since.
  --continues DIR|URL      the log that this one continues: fail when it is not what entry 0 of this one says. Give the
                           old log's key, too.
  --complete               prove also that no record is missing: each session's records follow one another from its
                           first, its heartbeats count what is there, and it ends. Lists known gaps and open intents.
  --range FIRST-LAST       judge these entries only, counted from 0, both included.
  --since, --until TIME    judge the records of this time only, such as 2026-07-30T12:00:00Z; one or both.
  --addenda                fetch every addendum that the records name, and tell what was erased lawfully from what is
                           missing. Without it, only those of a data folder are looked at, by 'countersign verify'.
  --json                   print the report as JSON.
  --help                   print this.

Exit code: 0 verified, 1 not verified or a hole was found, 2 wrong usage or the log cannot be read.

Example:
  ${program} ./data/log --vkey ./data/log.vkey --from-checkpoint ./yesterday.checkpoint
`
}

/** Runs the command. @returns the exit code: 0 verified, 1 not verified, 2 wrong usage or cannot read. */
export async function verifyCommand(
  args: readonly string[],
  io: CommandIo,
  hooks: CommandHooks = {},
): Promise<0 | 1 | 2> {
  const program = hooks.program ?? 'countersign-verify'
  try {
    const asked = readArguments(args)
    if (asked === 'help') {
      io.stdout(usage(program))
      return 0
    }
    if (isBundle(asked.target)) return await verifyBundle(asked, io, program)
    if (asked.keys.length === 0 && asked.policy === undefined)
      io.stderr(
        `${program}: warning: no --vkey was given: SIGNATURES ARE NOT CHECKED, anyone could have made this log\n`,
      )
    const progress = openProgress(io)
    const startMs = performance.now()
    const report = await verifyLog(optionsFor(asked, hooks, progress.show)).finally(progress.end)
    const elapsedMs = Math.round(performance.now() - startMs)
    io.stdout(
      asked.json
        ? `${JSON.stringify({ source: asked.target, ...report, elapsedMs }, null, 2)}\n`
        : summary(report, elapsedMs) +
            (asked.complete === undefined ? '' : tellCompleteness(report)),
    )
    return report.verified && report.completeness?.verdict !== 'holes' ? 0 : 1
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    io.stderr(`${program}: error: ${error.message}\n`)
    if (error.code === 'USAGE') io.stderr(`${program}: hint: ${program} --help\n`)
    return 2
  }
}

export type { Report }

interface Asked {
  readonly target: string
  readonly keys: readonly VerifierKey[]
  readonly policy: WitnessPolicy | undefined
  readonly from: Uint8Array | undefined
  readonly continues: LogSource | undefined
  readonly complete: VerifyOptions['complete']
  readonly addenda: boolean
  readonly json: boolean
}

function readArguments(args: readonly string[]): Asked | 'help' {
  const { values, positionals } = parse(args)
  if (values.help === true) return 'help'
  const [target, ...more] = positionals
  if (target === undefined || more.length > 0)
    throw new VerifierError('USAGE', 'could not verify: give one directory, URL or bundle')
  const fromFile = values['from-checkpoint']
  return {
    target,
    keys: (values.vkey ?? []).flatMap(readKeys),
    policy: values.policy === undefined ? undefined : readPolicy(values.policy),
    from: fromFile === undefined ? undefined : readFile(fromFile, 'the earlier checkpoint'),
    continues: values.continues === undefined ? undefined : placeOf(values.continues).source,
    complete: readAskedRange(values),
    addenda: values.addenda === true,
    json: values.json === true,
  }
}

interface Parsed {
  values: {
    vkey?: string[]
    policy?: string
    'from-checkpoint'?: string
    continues?: string
    complete?: boolean
    range?: string
    since?: string
    until?: string
    addenda?: boolean
    json?: boolean
    help?: boolean
  }
  positionals: string[]
}

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        vkey: { type: 'string', multiple: true },
        policy: { type: 'string' },
        'from-checkpoint': { type: 'string' },
        continues: { type: 'string' },
        complete: { type: 'boolean' },
        range: { type: 'string' },
        since: { type: 'string' },
        until: { type: 'string' },
        addenda: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (cause) {
    throw new VerifierError(
      'USAGE',
      `could not read the arguments: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

function readKeys(keyOrFile: string): VerifierKey[] {
  const text = existsSync(keyOrFile)
    ? Buffer.from(readFile(keyOrFile, 'the key file')).toString('utf8')
    : keyOrFile
  const lines = text.split('\n').map((line) => line.trim())
  try {
    return lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => parseVkey(line, nodeCrypto.sha256))
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    throw new VerifierError(
      'KEY_UNREADABLE',
      `could not use --vkey ${keyOrFile}: it is no file, and no vkey (${cause.message})`,
      { cause },
    )
  }
}

function readPolicy(path: string): WitnessPolicy {
  const bytes = readFile(path, 'the policy')
  try {
    return parsePolicy(bytes, nodeCrypto.sha256)
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    throw new VerifierError(
      'POLICY_UNREADABLE',
      `could not use --policy ${path}: ${cause.message}`,
      { cause },
    )
  }
}

function readFile(path: string, what: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new VerifierError(
      'SOURCE_UNREADABLE',
      `could not read ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

function optionsFor(
  { target, keys, policy, from, continues, complete, addenda: wanted }: Asked,
  hooks: CommandHooks,
  onProgress: (done: number, size: number) => void,
): VerifyOptions {
  const common = { crypto: nodeCrypto, keys, policy, from, continues, complete, onProgress }
  const { source, directory, dataDir } = placeOf(target)
  const beside = dataDir === undefined ? undefined : hooks.addenda?.(dataDir)
  const addenda = beside ?? (wanted ? servedAddenda(source) : undefined)
  if (directory === undefined)
    return { ...common, source, addenda, ranges: async (work) => inFlight({ ...work, source }) }
  const { extra } = hooks
  return {
    ...common,
    source,
    addenda,
    ranges: async (work) =>
      onThreads(directory, Math.min(THREADS_MAX, availableParallelism()), { ...work, source }),
    extra:
      extra === undefined || dataDir === undefined
        ? undefined
        : (log) => extra({ ...log, dataDir }),
  }
}

interface Place {
  readonly source: LogSource
  /** The folder of the log, when it is no URL; and the data folder around it. */
  readonly directory?: string
  readonly dataDir?: string
}

function placeOf(target: string): Place {
  if (/^https?:\/\//.test(target)) return { source: urlSource(target) }
  if (!isDirectory(target))
    throw new VerifierError(
      'SOURCE_UNREADABLE',
      `could not read ${target}: there is no such directory`,
    )
  // A data folder holds the log in "log/"; a published log is itself the folder with the checkpoint.
  if (!isDirectory(join(target, 'log')))
    return { source: directorySource(target), directory: target }
  const directory = join(target, 'log')
  return { source: directorySource(directory), directory, dataDir: target }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
