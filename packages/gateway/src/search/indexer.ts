/**
 * The indexer of one log: takes its verified records in order and writes them to the index in batches. It holds the open intents (up to
 * a limit; more are looked up in the index) and the batch that is being filled; both are made again from the index and the log.
 *
 * Batches follow the traffic: while one is written the next one fills, and whoever is at the end of the log calls `flush`.
 */
import assert from 'node:assert/strict'
import type { LeafRun } from '@countersign/record/leaf-list'
import type { Transaction } from '@countersign/record/transaction'
import { erasedBy, forgotten, isOfLeaves, mergedRuns } from './erasure.ts'
import { join, joinable } from './join.ts'
import type { Joinable, LogRecord } from './join.ts'
import type { Batch, Index, IndexedTransaction } from './rows.ts'
import { lengthOf, openWaiting } from './waiting.ts'
import type { Waiting, WaitingLimits } from './waiting.ts'

/** Of one log. The index keeps nothing of them: other limits are other memory, and the same rows. */
export interface IndexerLimits extends WaitingLimits {
  /** Records in one batch, at most. */
  readonly batchRecordsMax: number
  /** UTF-16 units of text in one batch, at most, give or take one record. */
  readonly batchLengthMax: number
}

export const INDEXER_LIMITS: IndexerLimits = {
  batchRecordsMax: 40_000,
  batchLengthMax: 32 * 1024 * 1024,
  waitingMax: 100_000,
  waitingLengthMax: 64 * 1024 * 1024,
}

export interface IndexerOptions {
  readonly index: Pick<Index, 'next' | 'waiting' | 'write' | 'erase'>
  readonly origin: string
  /** The day (UTC, `YYYY-MM-DD`) after which retention drops a row; none: never. */
  readonly dropAfterOf: (transaction: Transaction) => string | undefined
  readonly limits?: Partial<IndexerLimits>
}

/** Its methods are called one after the other. */
export interface Indexer {
  /** Leaf index (from 0) of the record to give next: all before it was taken. */
  readonly next: number
  /** Leaf index before which all is in the index and can be searched. */
  readonly written: number
  /**
   * Takes the record at `next`. Waits only where a batch is full and the one before is not written yet.
   * @throws {SearchError} as `Index.write` does; then the record was not taken.
   */
  take(record: LogRecord): Promise<void>
  /** Writes all that was taken. @throws {SearchError} as `Index.write` does; then nothing is lost, and it may be called again. */
  flush(): Promise<void>
}

interface State extends IndexerOptions {
  readonly limits: IndexerLimits
  readonly waiting: Waiting
  filling: Filling
  /** A batch that is not known to be written. There is at most one: the next is joined when it is. */
  made: Made | undefined
  /** The attempt to write it that is under way. */
  writing: Promise<void> | undefined
  written: number
}

/** Records that were taken and not joined yet. */
interface Filling {
  readonly from: number
  readonly records: Joinable[]
  readonly erased: LeafRun[]
  length: number
}

interface Made {
  readonly batch: Batch
  readonly erased: readonly LeafRun[]
}

/** Reads from the index how far it is with the log, and what waits there. @throws {SearchError} as `Index.next` does */
export async function openIndexer(options: IndexerOptions): Promise<Indexer> {
  const { index, origin } = options
  const limits = { ...INDEXER_LIMITS, ...options.limits }
  const next = await index.next(origin)
  const waiting = openWaiting(limits)
  for (const { transaction } of await index.waiting(origin))
    waiting.set(transaction.id, transaction)
  waiting.spill()
  const state: State = {
    ...options,
    limits,
    waiting,
    filling: emptyFrom(next),
    made: undefined,
    writing: undefined,
    written: next,
  }
  return {
    get next() {
      return nextOf(state.filling)
    },
    get written() {
      return state.written
    },
    async take(record) {
      assert.equal(record.index, nextOf(state.filling), 'records are taken in order')
      if (isFull(state)) await advance(state)
      add(state.filling, joinable(origin, record), erasedBy(record.leaf))
    },
    async flush() {
      await settle(state)
      if (state.filling.records.length === 0) return
      await advance(state)
      await settle(state)
    },
  }
}

function emptyFrom(from: number): Filling {
  return { from, records: [], erased: [], length: 0 }
}

function nextOf({ from, records }: Filling): number {
  return from + records.length
}

function isFull({ filling, limits }: State): boolean {
  return filling.records.length >= limits.batchRecordsMax || filling.length >= limits.batchLengthMax
}

function add(filling: Filling, record: Joinable, erased: readonly LeafRun[]): void {
  filling.records.push(record)
  filling.length += lengthOf(record.transaction)
  filling.erased.push(...erased)
}

/** Joins what was taken, and begins to write it. */
async function advance(state: State): Promise<void> {
  await settle(state)
  state.made = await made(state)
  // Nothing between joining and this line can fail: what was joined is in the batch, once.
  state.filling = emptyFrom(state.made.batch.next)
  begin(state, state.made)
}

/** Waits until the batch before is written, and tries again where it was not. */
async function settle(state: State): Promise<void> {
  if (state.made === undefined) return
  if (state.writing === undefined) begin(state, state.made)
  await state.writing
}

function begin(state: State, batch: Made): void {
  state.writing = write(state, batch)
  // Whoever waits for it hears of it: `settle`.
  state.writing.catch(() => undefined)
}

async function write(state: State, { batch, erased }: Made): Promise<void> {
  const { index, origin } = state
  try {
    // Before the progress is past the record that erases. A crash here: it is read again, and empties the same rows again.
    if (erased.length > 0) await index.erase(origin, erased)
    await index.write(batch)
    state.made = undefined
    state.written = batch.next
  } finally {
    state.writing = undefined
  }
}

/** The batch of all that was taken. It fails before it changed anything, or not at all. */
async function made(state: State): Promise<Made> {
  const { filling, waiting, origin } = state
  if (waiting.spilled > 0) await recall(state)
  const erased = mergedRuns(filling.erased)
  const clean = (transaction: Transaction): Transaction =>
    erased.length > 0 && isOfLeaves(transaction, erased) ? forgotten(transaction) : transaction
  if (erased.length > 0) waiting.replace(clean)
  const ended: IndexedTransaction[] = []
  for (const record of filling.records) {
    const transaction = join(record, waiting)
    if (transaction !== undefined) ended.push(indexed(state, clean(transaction)))
  }
  const open = filling.records
    .filter((record) => record.phase === 'intent' && isWaiting(record, waiting))
    .map(({ transaction }) => indexed(state, clean(transaction)))
  if (erased.length > 0) waiting.replace(clean)
  waiting.spill()
  return { batch: { origin, next: nextOf(filling), ended, open }, erased }
}

function isWaiting({ transaction }: Joinable, waiting: Waiting): boolean {
  return waiting.get(transaction.id)?.index === transaction.index
}

/** Brings back the intents that records of this batch are about. All that was spilled is in the index: the batch before is written. */
async function recall({ index, origin, filling, waiting }: State): Promise<void> {
  const ids = filling.records
    .filter(
      ({ phase, transaction }) => phase !== 'single' && waiting.get(transaction.id) === undefined,
    )
    .map(({ transaction }) => transaction.id)
  if (ids.length === 0) return
  for (const { transaction } of await index.waiting(origin, [...new Set(ids)]))
    waiting.recall(transaction)
}

function indexed({ dropAfterOf }: State, transaction: Transaction): IndexedTransaction {
  const dropAfter = dropAfterOf(transaction)
  return dropAfter === undefined ? { transaction } : { transaction, dropAfter }
}
