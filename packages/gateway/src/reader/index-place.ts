/** Where the index of a configuration lies: in this process, beside the log, or on a server of ClickHouse. */
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadedConfig } from '../config.ts'
import { systemClock, takeLock } from '../platform.ts'
import { INDEX_LOCK, openAnswers, openEmbeddedEngine, openIndex } from '../search.ts'
import type { Engine, Index } from '../search.ts'
import { messageOf, ReaderError } from './errors.ts'

/** Folder of the index within the data folder; and the one that `reindex` makes beside it. */
export const INDEX_FOLDER = 'index'
export const REBUILT_FOLDER = 'index.rebuilt'
/** The index that was replaced, until it is removed. */
const REPLACED_FOLDER = 'index.replaced'
/** Written last: what `reindex` did not finish never takes the place of anything. */
export const REBUILT_MARK = 'complete'

/** Opens the index of the configuration. @throws {SearchError | ReaderError} */
export async function openIndexOf(loaded: LoadedConfig): Promise<Index> {
  const dataDir = loaded.resolve(loaded.config.data)
  await takeRebuilt(dataDir)
  return await indexIn(loaded, join(dataDir, INDEX_FOLDER))
}

/** Opens the index in a folder, or on the server that the configuration names. @throws {SearchError} */
export async function indexIn(loaded: LoadedConfig, folder: string): Promise<Index> {
  const { limits } = loaded.config.reader
  const engine = await engineOf(loaded, folder)
  try {
    return await openIndex({
      engine,
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

async function engineOf(_loaded: LoadedConfig, folder: string): Promise<Engine> {
  return await openEmbeddedEngine(folder)
}

/** Whether an index that was made anew waits to be taken. */
export function isRebuilt(dataDir: string): boolean {
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
