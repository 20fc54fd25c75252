/** Which log is meant, and whose key is trusted for it. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parseVkey } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { sha256 } from '../platform.ts'
import { codeOf, CommandError, messageOf } from './errors.ts'
import { isUrl, openLogSource } from '../follow.ts'
import type { LogSource, PublishedLog } from '../follow.ts'
import { publishedAddenda } from './record-reader.ts'
import type { AddendumStore } from './record-reader.ts'

/** Where the configuration is when nobody says. */
export const DEFAULT_CONFIG = 'countersign.yaml'

/** The public key of the log, for those who verify it: beside the configuration. */
export const VKEY_FILE = 'log.vkey'

/** A log, its trusted key, and what else is at hand. */
export interface LocatedLog extends PublishedLog {
  /** The data folder of the gateway, when it is on this machine. */
  readonly dataDir: string | undefined
  readonly addenda: AddendumStore
}

export interface LogQuestion {
  /** A data folder, the folder of a log, or a URL; the configuration's log when absent. */
  readonly place?: string | undefined
  readonly config?: string | undefined
  /** A vkey, or a file with one. */
  readonly vkey?: string | undefined
}

/** @throws {CommandError} `CANNOT_RUN`, `USAGE`; {FollowError} `FOLLOW_UNREADABLE`; and what `loadConfig` throws */
export async function locateLog(question: LogQuestion): Promise<LocatedLog> {
  const { dataDir, logPlace, vkeyFiles } = await findFolders(question)
  const source = await openLogSource(logPlace)
  const keys = [await trustedKey(source, { vkey: question.vkey, vkeyFiles })]
  return { source, keys, dataDir, addenda: await addendaAt(dataDir, source) }
}

/** The folder or URL of the log that is meant, before anything in it is read. */
export async function findFolders({ place, config }: LogQuestion): Promise<{
  dataDir: string | undefined
  logPlace: string
  vkeyFiles: readonly string[]
}> {
  if (place !== undefined && isUrl(place))
    return { dataDir: undefined, logPlace: place, vkeyFiles: [resolve(VKEY_FILE)] }
  if (place === undefined) {
    const { loadConfig } = await import('../config.ts')
    const loaded = await loadConfig(resolve(config ?? DEFAULT_CONFIG), { files: 'unchecked' })
    const dataDir = loaded.resolve(loaded.config.data)
    return { dataDir, logPlace: join(dataDir, 'log'), vkeyFiles: [join(loaded.baseDir, VKEY_FILE)] }
  }
  const folder = resolve(place)
  const vkeyFiles = [join(folder, VKEY_FILE), join(dirname(folder), VKEY_FILE)]
  if (await isFolder(join(folder, 'log'))) {
    // A mirror's folder has a log too, and none of what only a ledger writes.
    const isLedgers = await exists(join(folder, 'ledger.json'))
    return { dataDir: isLedgers ? folder : undefined, logPlace: join(folder, 'log'), vkeyFiles }
  }
  const above = dirname(folder)
  const dataDir =
    (await isFolder(join(above, 'addenda'))) && (await isFolder(join(above, 'wal')))
      ? above
      : undefined
  return { dataDir, logPlace: folder, vkeyFiles: [...vkeyFiles, join(dirname(above), VKEY_FILE)] }
}

/** The key of a log, given as itself or as a file. @throws {CommandError} `CANNOT_RUN` */
export async function readVkey(given: string): Promise<VerifierKey> {
  const text = await readVkeyText(given)
  try {
    return parseVkey(text.trim(), sha256)
  } catch (cause) {
    throw new CommandError(
      'CANNOT_RUN',
      `could not use ${text === given ? 'the vkey' : given}: ${messageOf(cause)}`,
      {
        hint: 'a vkey is one line: <name>+<8 hex digits>+<base64>',
        cause,
      },
    )
  }
}

/** The text of vkeys, given as themselves or as a file. @throws {CommandError} `CANNOT_RUN` */
export async function readVkeyText(given: string): Promise<string> {
  return given.includes('+') && !(await exists(given)) ? given : await readText(given)
}

/** A file of text that somebody named. @throws {CommandError} `CANNOT_RUN` */
export async function readText(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((cause: unknown) => unreadable(file, cause))
}

async function trustedKey(
  source: LogSource,
  { vkey, vkeyFiles }: { vkey: string | undefined; vkeyFiles: readonly string[] },
): Promise<VerifierKey> {
  if (vkey !== undefined) return await readVkey(vkey)
  for (const file of vkeyFiles) if (await exists(file)) return await readVkey(file)
  throw new CommandError('USAGE', `could not check ${source.name}: its key is not known`, {
    hint: 'give --vkey, which whoever runs the log publishes',
  })
}

async function addendaAt(dataDir: string | undefined, source: LogSource): Promise<AddendumStore> {
  const published = publishedAddenda(source)
  if (dataDir === undefined) return published
  const { openLocalAddenda } = await import('./local-addenda.ts')
  return openLocalAddenda(dataDir)
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

function unreadable(path: string, cause: unknown): never {
  const why = codeOf(cause) === 'ENOENT' ? 'there is no such file' : messageOf(cause)
  throw new CommandError('CANNOT_RUN', `could not read ${path}: ${why}`, { cause })
}
