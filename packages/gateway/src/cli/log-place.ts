/** Which log is meant, and whose key is trusted for it. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parseVkey } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { sha256 } from '../cryptography.ts'
import type { LoadedConfig } from '../config.ts'
import type { Unsealing } from '../seal.ts'
import { DEFAULT_CONFIG, findConfig } from './config-place.ts'
import { codeOf, CommandError, messageOf } from './errors.ts'
import { isUrl, openLogSource } from '../follow.ts'
import type { LogSource, PublishedLog } from '../follow.ts'
import { publishedAddenda } from '../contents.ts'
import type { AddendumStore } from '../contents.ts'

export { DEFAULT_CONFIG } from './config-place.ts'

/** The public keys of the log, for those who verify it: beside the configuration. */
export const VKEY_FILE = 'log.vkey'

/** A log, its trusted keys, and what else is at hand. */
export interface LocatedLog extends PublishedLog {
  /** The data folder of the gateway, when it is on this machine. */
  readonly dataDir: string | undefined
  readonly addenda: AddendumStore
  /** The policy file that the configuration names, when the log is that of a configuration. */
  readonly policyFile: string | undefined
}

export interface LogQuestion {
  /** A data folder, the folder of a log, or a URL; the configuration's log when absent. */
  readonly place?: string | undefined
  readonly config?: string | undefined
  /** A vkey, or a file with the keys of the log, one a line. */
  readonly vkey?: string | undefined
}

/** @throws {CommandError} `CANNOT_RUN`, `USAGE`; {FollowError} `FOLLOW_UNREADABLE`; and what `loadConfig` throws */
export async function locateLog(question: LogQuestion): Promise<LocatedLog> {
  const { dataDir, logPlace, vkeyFiles, configFile, policyFile } = await findFolders(question)
  const source = await openLogSource(logPlace)
  const keys = await trustedKeys(source, { vkey: question.vkey, vkeyFiles })
  const log = { source, keys }
  return { ...log, dataDir, policyFile, addenda: await addendaAt(log, { dataDir, configFile }) }
}

/** The folder or URL of the log that is meant, before anything in it is read. */
export async function findFolders({ place, config }: LogQuestion): Promise<{
  dataDir: string | undefined
  logPlace: string
  vkeyFiles: readonly string[]
  policyFile?: string | undefined
  /** The configuration of the gateway whose log it is, where one is given or beside the data. */
  configFile?: string
}> {
  if (place !== undefined && isUrl(place))
    return { dataDir: undefined, logPlace: place, vkeyFiles: [resolve(VKEY_FILE)] }
  if (place === undefined) {
    const { loadConfig } = await import('../config.ts')
    const file = (await findConfig(config)) ?? resolve(DEFAULT_CONFIG)
    const loaded = await loadConfig(file, { files: 'unchecked' })
    const dataDir = loaded.resolve(loaded.config.data)
    const { witnesses } = loaded.config
    return {
      dataDir,
      logPlace: join(dataDir, 'log'),
      vkeyFiles: [join(loaded.baseDir, VKEY_FILE)],
      configFile: loaded.path,
      policyFile: witnesses === undefined ? undefined : loaded.resolve(witnesses.policy),
    }
  }
  const folder = resolve(place)
  const vkeyFiles = [join(folder, VKEY_FILE), join(dirname(folder), VKEY_FILE)]
  if (await isFolder(join(folder, 'log'))) {
    // A mirror's folder has a log too, and none of what only a ledger writes.
    const isLedgers = await exists(join(folder, 'ledger.json'))
    const dataDir = isLedgers ? folder : undefined
    return { dataDir, logPlace: join(folder, 'log'), vkeyFiles, ...besides(folder, config) }
  }
  const above = dirname(folder)
  const dataDir =
    (await isFolder(join(above, 'addenda'))) && (await isFolder(join(above, 'wal')))
      ? above
      : undefined
  return {
    dataDir,
    logPlace: folder,
    vkeyFiles: [...vkeyFiles, join(dirname(above), VKEY_FILE)],
    ...besides(above, config),
  }
}

function besides(dataDir: string, config: string | undefined): { configFile: string } {
  return {
    configFile: config === undefined ? join(dirname(dataDir), DEFAULT_CONFIG) : resolve(config),
  }
}

/** The keys of a log, given as themselves or as a file, one a line. @throws {CommandError} `CANNOT_RUN` */
export async function readVkeys(given: string): Promise<VerifierKey[]> {
  const text = await readVkeyText(given)
  const lines = text.split('\n').map((line) => line.trim())
  try {
    const keys = lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => parseVkey(line, sha256))
    if (keys.length === 0) throw new Error('it holds no vkey')
    return keys
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

async function trustedKeys(
  source: LogSource,
  { vkey, vkeyFiles }: { vkey: string | undefined; vkeyFiles: readonly string[] },
): Promise<VerifierKey[]> {
  if (vkey !== undefined) return await readVkeys(vkey)
  for (const file of vkeyFiles) if (await exists(file)) return await readVkeys(file)
  throw new CommandError('USAGE', `could not check ${source.name}: its key is not known`, {
    hint: 'give --vkey, which whoever runs the log publishes',
  })
}

async function addendaAt(
  log: PublishedLog,
  { dataDir, configFile }: { dataDir: string | undefined; configFile: string | undefined },
): Promise<AddendumStore> {
  if (dataDir === undefined) return publishedAddenda(log.source)
  const { openLocalAddenda } = await import('../contents.ts')
  return openLocalAddenda(dataDir, log, await unsealingAt({ dataDir, configFile }))
}

/** What opens the sealed addenda of a data folder, when the configuration beside it leads to the tenant's key. */
export async function unsealingAt({
  dataDir,
  configFile,
}: {
  dataDir: string
  configFile: string | undefined
}): Promise<Unsealing | undefined> {
  const loaded = configFile === undefined ? undefined : await configOf(configFile, dataDir)
  if (loaded === undefined) return undefined
  const { openUnsealingOf } = await import('../contents.ts')
  return await openUnsealingOf(loaded)
}

/** The configuration in a file, when it is that of this data folder: keys of one gateway do not open what another sealed. */
async function configOf(file: string, dataDir: string): Promise<LoadedConfig | undefined> {
  if (!(await exists(file))) return undefined
  const { loadConfig } = await import('../config.ts')
  // A copy of a data folder may lie beside anything: what is no configuration only means that nothing is opened.
  const loaded = await loadConfig(file, { files: 'unchecked' }).catch(() => undefined)
  return loaded?.resolve(loaded.config.data) === dataDir ? loaded : undefined
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

function unreadable(path: string, cause: unknown): never {
  const why = codeOf(cause) === 'ENOENT' ? 'there is no such file' : messageOf(cause)
  throw new CommandError('CANNOT_RUN', `could not read ${path}: ${why}`, {
    cause,
    hint: 'it must be there, and this user must be able to read it',
  })
}
