/** Spreads the ranges of a log: over threads for a directory, over requests in flight for a URL. Results keep the order of the log. */
import { Worker } from 'node:worker_threads'

import { TILE_WIDTH } from '@countersign/tlog/tile'

import { nodeCrypto } from './node-io.ts'
import { verifyRange } from './range.ts'
import type { BundleRange, RangeResult } from './range.ts'
import type { TimeWindow } from './history.ts'
import type { LogSource } from './source.ts'

/** Bundles of one piece of work: 32,768 entries. */
const RANGE_BUNDLES = 128

/** Below this many entries a thread costs more than it saves. */
const THREADED_ENTRIES_MIN = 20_000

const REQUESTS_MAX = 8
const REQUEST_BUNDLES = 4

type Check = (range: BundleRange) => Promise<RangeResult>
type OnEntries = (entries: number) => void

/** What there is to check: all of a log of `size` entries. */
export interface Work {
  readonly size: number
  /** As in `BundleRange`. */
  readonly history?: TimeWindow | undefined
  readonly onEntries: OnEntries
  readonly source: LogSource
}

/** Checks all ranges of a log in a directory on `threads` threads. */
export async function onThreads(
  directory: string,
  threads: number,
  work: Work,
): Promise<RangeResult[]> {
  const { size, onEntries, source } = work
  if (threads < 2 || size < THREADED_ENTRIES_MIN)
    return inOrder(rangesOf(work, RANGE_BUNDLES), [checkHere(source)], onEntries)
  const file = new URL(
    import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
    import.meta.url,
  )
  const workers = Array.from({ length: threads }, () => new Worker(file, { workerData: directory }))
  try {
    return await inOrder(rangesOf(work, RANGE_BUNDLES), workers.map(checkOn), onEntries)
  } finally {
    await Promise.all(workers.map(async (worker) => worker.terminate()))
  }
}

/** Checks all ranges of a log behind a URL, several requests at a time. */
export async function inFlight(work: Work): Promise<RangeResult[]> {
  return inOrder(
    rangesOf(work, REQUEST_BUNDLES),
    Array.from({ length: REQUESTS_MAX }, () => checkHere(work.source)),
    work.onEntries,
  )
}

/** Each checker takes the next range as soon as it is free. */
async function inOrder(
  ranges: readonly BundleRange[],
  checkers: readonly Check[],
  onEntries: OnEntries,
): Promise<RangeResult[]> {
  const results: RangeResult[] = []
  const waiting = ranges.entries()
  const work = async (check: Check): Promise<void> => {
    for (const [at, range] of waiting) {
      results[at] = await check(range)
      onEntries(Math.min(range.size, range.end * TILE_WIDTH) - range.start * TILE_WIDTH)
    }
  }
  await Promise.all(checkers.map(work))
  return results
}

function rangesOf({ size, history }: Work, bundles: number): BundleRange[] {
  const last = Math.ceil(size / TILE_WIDTH)
  return Array.from({ length: Math.ceil(last / bundles) }, (_, at) => ({
    size,
    history,
    start: at * bundles,
    end: Math.min(last, (at + 1) * bundles),
  }))
}

function checkHere(source: LogSource): Check {
  return async (range) => verifyRange(range, { source, sha256Into: nodeCrypto.sha256Into })
}

function checkOn(worker: Worker): Check {
  let settle: { resolve: (result: RangeResult) => void; reject: (error: Error) => void } | undefined
  let failure: Error | undefined
  const fail = (error: Error): void => {
    failure = error
    settle?.reject(error)
  }
  worker.on('message', (result: RangeResult) => settle?.resolve(result))
  worker.on('error', fail)
  worker.on('exit', (code) => fail(new Error(`a verifying thread ended with ${code}`)))
  return async (range) =>
    new Promise((resolve, reject) => {
      settle = { resolve, reject }
      if (failure !== undefined) reject(failure)
      else worker.postMessage(range)
    })
}
