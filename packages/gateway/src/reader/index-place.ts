/** Where the index of a configuration lies: in this process, beside the log, or on a server of ClickHouse. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadedConfig } from '../config.ts'
import { systemClock, takeLock } from '../platform.ts'
import {
  INDEX_LOCK,
  openAnswers,
  openEmbeddedEngine,
  openIndex,
  openIndexServer,
} from '../search.ts'
import type { Index, IndexOptions } from '../search.ts'
import { messageOf, ReaderError } from './errors.ts'

/** Folder of the index within the data folder; and the one that `reindex` makes beside it. */
export const INDEX_FOLDER = 'index'
export const REBUILT_FOLDER = 'index.rebuilt'
/** The index that was replaced, until it is removed. */
const REPLACED_FOLDER = 'index.replaced'
/** Written last: what `reindex` did not finish never takes the place of anything. */
export const REBUILT_MARK = 'complete'

/** Whether the index of a configuration is kept by a server of ClickHouse. */
export function isElsewhere({ config }: LoadedConfig): boolean {
  return config.reader.index !== undefined
}

/** Opens the index of the configuration. @throws {SearchError | ReaderError} */
export async function openIndexOf(loaded: LoadedConfig): Promise<Index> {
  if (isElsewhere(loaded)) return await indexIn(loaded, 'server')
  const dataDir = loaded.resolve(loaded.config.data)
  await takeRebuilt(dataDir)
  return await indexIn(loaded, { folder: join(dataDir, INDEX_FOLDER) })
}

/** A folder; or the server that the configuration names, with what is there or with nothing. */
type Place = { readonly folder: string } | 'server' | 'server, emptied'

/** Opens the index in a place. @throws {SearchError | ReaderError} */
export async function indexIn(loaded: LoadedConfig, place: Place): Promise<Index> {
  const { limits } = loaded.config.reader
  const { engine, placement } = await engineIn(loaded, place)
  try {
    return await openIndex({
      engine,
      ...(placement === undefined ? {} : { placement }),
      answers: (over) =>
        openAnswers(over, {
          clock: systemClock,
          limits: { timeMs: limits.queryTimeout, memoryBytesMax: limits.queryMemory },
        }),
    })
  } catch (error) {
    await engine.close()
    throw error
  }
}

async function engineIn(
  loaded: LoadedConfig,
  place: Place,
): Promise<Pick<IndexOptions, 'engine' | 'placement'>> {
  if (typeof place === 'object') return { engine: await openEmbeddedEngine(place.folder) }
  const { index } = loaded.config.reader
  assert(index !== undefined, 'the configuration names a server')
  const { url, user, database, password, ca, cluster } = index
  return await openIndexServer({
    url,
    user,
    database,
    clock: systemClock,
    isEmptied: place === 'server, emptied',
    ...(cluster === undefined ? {} : { cluster }),
    ...(password === undefined ? {} : { password: withoutNewline(await read(loaded, password)) }),
    ...(ca === undefined ? {} : { ca: await read(loaded, ca) }),
  })
}

/** An editor ends a file with a newline; anything else is of the password. */
function withoutNewline(bytes: Buffer): string {
  return bytes.toString().replace(/\r?\n$/, '')
}

async function read(loaded: LoadedConfig, file: string): Promise<Buffer> {
  const path = loaded.resolve(file)
  try {
    return await readFile(path)
  } catch (cause) {
    throw new ReaderError('READER_IO', `could not read ${path}: ${messageOf(cause)}`, { cause })
  }
}

/** Whether an index that was made anew waits to be taken. */
export function hasRebuilt(loaded: LoadedConfig): boolean {
  return !isElsewhere(loaded) && isRebuilt(loaded.resolve(loaded.config.data))
}

function isRebuilt(dataDir: string): boolean {
  return existsSync(join(dataDir, REBUILT_FOLDER, REBUILT_MARK))
}

/**
 * Puts an index that was made anew in the place of the old one. A crash after the first rename leaves no index, and the next start takes
 * the new one; a crash after the second leaves the old one to be removed.
 */
async function takeRebuilt(dataDir: string): Promise<void> {
  const [index, rebuilt, replaced] = [INDEX_FOLDER, REBUILT_FOLDER, REPLACED_FOLDER].map((name) =>
    join(dataDir, name),
  )
  if (index === undefined || rebuilt === undefined || replaced === undefined) return
  const lock = existsSync(index) ? takeLock(join(index, INDEX_LOCK)) : undefined
  // Another reader has it open, and whoever opens it next is told so.
  if (existsSync(index) && lock === undefined) return
  try {
    if (isRebuilt(dataDir)) {
      await rm(replaced, { recursive: true, force: true })
      if (existsSync(index)) await rename(index, replaced)
      await rm(join(rebuilt, REBUILT_MARK), { force: true })
      await rename(rebuilt, index)
    }
    await rm(replaced, { recursive: true, force: true })
  } catch (cause) {
    throw new ReaderError(
      'READER_IO',
      `could not take the index that was made anew: ${messageOf(cause)}`,
      { cause },
    )
  } finally {
    lock?.release()
  }
}
