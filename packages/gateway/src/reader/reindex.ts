/**
 * Makes the index anew from the logs, beside the one that is in use, and has it take that one's place when it is whole. Until then
 * questions are answered by the old one. Cut off anywhere, it leaves the old one and a folder that the next run removes.
 *
 * On a server it empties the index and fills it, which needs the right to write that a running reader has. Cut off, it leaves an index
 * that ends earlier, and the reader reads on from there.
 */
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadedConfig } from '../config.ts'
import { follow, readHead } from '../follow.ts'
import { takeLock } from '../platform.ts'
import { INDEX_LOCK, openIndexer, SearchError } from '../search.ts'
import type { Index } from '../search.ts'
import { messageOf, ReaderError } from './errors.ts'
import { takeRecords } from './follow-log.ts'
import { indexIn, isElsewhere, REBUILT_FOLDER, REBUILT_MARK } from './index-place.ts'
import { lastDayOf, letGo } from './let-go.ts'
import { openLogs } from './logs.ts'
import type { FollowedLog } from './logs.ts'

export interface ReindexOptions {
  readonly signal: AbortSignal
  /** Told how many records of a log are in the new index, and how many there were when it was begun with. */
  readonly onProgress: (progress: ReindexProgress) => void
}

export interface ReindexProgress {
  readonly origin: string
  readonly done: number
  readonly size: number
}

/** What the new index holds. */
export interface Reindexed {
  readonly logs: number
  readonly records: number
  readonly transactions: number
}

/**
 * @returns undefined when `signal` aborted: then nothing has changed, or on a server less is there.
 * @throws {SearchError | FollowError | ReaderError} then nothing has changed; `SEARCH_IN_USE` where a reader writes to the server.
 */
export async function reindex(
  loaded: LoadedConfig,
  options: ReindexOptions,
): Promise<Reindexed | undefined> {
  if (isElsewhere(loaded))
    return await make(loaded, await indexIn(loaded, 'server, emptied'), options)
  const folder = join(loaded.resolve(loaded.config.data), REBUILT_FOLDER)
  await clear(folder)
  try {
    const made = await make(loaded, await indexIn(loaded, { folder }), options)
    // Last of all: without it nobody takes the folder for an index.
    if (made !== undefined) await writeFile(join(folder, REBUILT_MARK), '')
    else await rm(folder, { recursive: true, force: true })
    return made
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** What an earlier run left behind. */
async function clear(folder: string): Promise<void> {
  if (!existsSync(folder)) return
  const lock = takeLock(join(folder, INDEX_LOCK))
  if (lock === undefined) {
    throw new SearchError('SEARCH_IN_USE', 'could not reindex: another reindex is at work', {
      hint: 'wait for it, or stop it',
    })
  }
  try {
    await rm(folder, { recursive: true, force: true })
  } catch (cause) {
    throw new ReaderError('READER_IO', `could not remove ${folder}: ${messageOf(cause)}`, { cause })
  } finally {
    lock.release()
  }
}

async function make(
  loaded: LoadedConfig,
  index: Index,
  options: ReindexOptions,
): Promise<Reindexed | undefined> {
  let logs: readonly FollowedLog[] = []
  try {
    logs = await openLogs(loaded)
    for (const log of logs) {
      await readWhole(log, { loaded, index, options })
      if (options.signal.aborted) return undefined
    }
    const read = await index.logs()
    const sum = (of: 'records' | 'transactions'): number =>
      read.reduce((total, log) => total + log[of], 0)
    return { logs: logs.length, records: sum('records'), transactions: sum('transactions') }
  } finally {
    for (const log of logs) log.close()
    await index.close()
  }
}

async function readWhole(
  log: FollowedLog,
  { loaded, index, options }: { loaded: LoadedConfig; index: Index; options: ReindexOptions },
): Promise<void> {
  const { signal, onProgress } = options
  const { origin, size } = await readHead(log)
  const indexer = await openIndexer({
    index,
    origin,
    dropAfterOf: (transaction) => lastDayOf(transaction, loaded),
  })
  const onRetention = async (leaf: Parameters<typeof letGo>[0]): Promise<void> => {
    if (log.isOwn) await letGo(leaf, origin, index)
  }
  for await (const followed of follow(log, { from: 0, live: false, signal })) {
    await takeRecords(followed, { log, indexer, onRetention })
    onProgress({ origin, done: indexer.written, size })
  }
  if (signal.aborted) return
  await indexer.flush()
  onProgress({ origin, done: indexer.written, size })
}
