/**
 * What is written to the index. It holds no fact that is not in the log, so it may be lost; what it guarantees is that each record that
 * was read is in it exactly once, wherever a process died. Whoever owns the database can make it say anything: proofs are in the log.
 *
 * `write` has four steps, and their order is the guarantee. The progress says what need not be read again, so it comes after all
 * rows that it stands for; and what an attempt left that was cut off lies at and after the progress, where the next one finds it.
 */
import { randomUUID } from 'node:crypto'
import { rowColumns, rowOf } from './columns.ts'
import { oneRow } from './engine.ts'
import type { Engine } from './engine.ts'
import { SearchError } from './errors.ts'
import { recover, sweep } from './recovery.ts'
import type { Found } from './recovery.ts'
import { rowsOf } from './read-rows.ts'
import type { Batch, Index, IndexedTransaction } from './rows.ts'
import { OPEN, openColumns, PROGRESS, TRANSACTIONS } from './schema.ts'
import type { Placement } from './schema.ts'

/** Days in one insert, at most: each makes a part of its own, and ClickHouse refuses more than 100 (`max_partitions_per_insert_block`). */
const DAYS_IN_INSERT_MAX = 50

const COLUMNS = rowColumns.map(({ name }) => name)
const OPEN_COLUMNS = openColumns.map(({ name }) => name)

/** Ended intents that are marked before the marks are swept away. */
export const MARKS_MAX = 50_000

export interface StoreOptions {
  readonly engine: Engine
  readonly placement: Placement
}

interface Store extends StoreOptions {
  /** What is known of each log. None after an attempt that failed: then the tables say. */
  readonly logs: Map<string, Known>
  /** Of this process alone: what another one inserted is found by its leaves. */
  readonly nonce: string
  marks: number
}

interface Known extends Found {
  readonly generation: number | undefined
}

/** The writing of rows. */
export function openStore(options: StoreOptions): Pick<Index, 'next' | 'waiting' | 'write'> {
  const store: Store = { ...options, logs: new Map(), nonce: randomUUID(), marks: 0 }
  return {
    next: async (origin) => (await known(store, origin)).next,
    waiting: (origin, ids) => rowsOf(options.engine).waiting(origin, ids),
    write: (batch) => write(store, batch),
  }
}

async function known(store: Store, origin: string): Promise<Known> {
  const { generation } = store.engine
  const there = store.logs.get(origin)
  if (there !== undefined && there.generation === generation) return there
  const found = { ...(await recover(store, origin)), generation }
  store.logs.set(origin, found)
  return found
}

async function write(store: Store, batch: Batch): Promise<void> {
  const { logs } = store
  const { origin, next } = batch
  const found = await known(store, origin)
  // From here on until the end, nobody knows what landed: an attempt that failed may have, and the next one looks.
  logs.delete(origin)
  const engine = inGeneration(store.engine, found.generation)
  const guarded = { ...store, engine }
  if (found.next < next) {
    await insertOpen(engine, batch, found)
    // A crash here: these intents lie at or after the progress. Recovery deletes them, and they are read again.
    await insertEnded(guarded, batch, found)
    // A crash here, or among the days: the rows that landed lie at or after the progress, and are skipped by their leaves.
    await engine.insert(oneRow(PROGRESS, { origin, next }))
  }
  // A crash here: intents that ended still wait. Questions leave them out, since their transaction is there; recovery deletes them.
  await markEnded(store, batch, found)
  logs.set(origin, {
    next,
    landed: new Set([...found.landed].filter((leaf) => leaf >= next)),
    generation: found.generation,
  })
}

/** Writes only while nobody else could have written since. */
function inGeneration(engine: Engine, generation: number | undefined): Pick<Engine, 'insert'> {
  return {
    async insert(block, token) {
      if (engine.generation !== generation) {
        throw new SearchError(
          'SEARCH_UNAVAILABLE',
          'could not write the index: another reader could have written meanwhile',
          { hint: 'the reader looks what is there, and goes on by itself' },
        )
      }
      await engine.insert(block, token)
    },
  }
}

/** Written twice, they are one: the later version replaces the earlier, and these are equal. */
async function insertOpen(
  engine: Pick<Engine, 'insert'>,
  { open }: Batch,
  { next: before }: Found,
): Promise<void> {
  const rows = open
    .filter(({ transaction }) => transaction.index >= before)
    .map(({ transaction, dropAfter }) => [
      ...rowOf(transaction, dropAfter),
      versionOf(transaction.index),
      0,
    ])
  if (rows.length > 0) await engine.insert({ table: OPEN, columns: OPEN_COLUMNS, rows })
}

/** A row of `open_intents` is replaced by its mark, and both by a later intent of the same id. */
function versionOf(intent: number): number {
  return 2 * intent
}

async function insertEnded(
  { engine, nonce }: { readonly engine: Pick<Engine, 'insert'>; readonly nonce: string },
  { origin, next, ended }: Batch,
  { next: before, landed }: Found,
): Promise<void> {
  for (const [at, piece] of byDays(ended).entries()) {
    // What lies before the progress is there, whoever wrote it.
    const missing = piece.filter(
      ({ transaction: { index } }) => index >= before && !landed.has(index),
    )
    if (missing.length === 0) continue
    const rows = rowsOneByOne(missing)
    // One token a piece, also when it is tried again: an insert that is still under way when its connection is lost counts once.
    await engine.insert(
      { table: TRANSACTIONS, columns: COLUMNS, rows },
      `${nonce}:${origin}:${before}:${next}:${at}`,
    )
  }
}

/** One after the other: together they are several times what is written of them. */
function* rowsOneByOne(missing: readonly IndexedTransaction[]): Generator<readonly unknown[]> {
  for (const { transaction, dropAfter } of missing) yield rowOf(transaction, dropAfter)
}

/** Rows in pieces of few days each; the same rows make the same pieces. */
function byDays(ended: readonly IndexedTransaction[]): IndexedTransaction[][] {
  const days = Map.groupBy(ended, ({ dropAfter }) => dropAfter)
  const pieces: IndexedTransaction[][] = []
  let count = 0
  for (const rows of days.values()) {
    const last = pieces.at(-1)
    if (last === undefined || count % DAYS_IN_INSERT_MAX === 0) pieces.push([...rows])
    else last.push(...rows)
    count += 1
  }
  return pieces
}

/** Marks the intents of earlier batches that ended in this one; those of this batch were never written. */
async function markEnded(store: Store, batch: Batch, { next: before }: Found): Promise<void> {
  const marks = []
  for (const { transaction, dropAfter } of batch.ended) {
    const { origin, id, intent } = transaction
    if (intent === undefined || (before < batch.next && intent >= before)) continue
    const row = rowOf({ origin, id, index: intent, time: '0' }, dropAfter)
    marks.push([...row, versionOf(intent) + 1, 1])
  }
  if (marks.length === 0) return
  await store.engine.insert({ table: OPEN, columns: OPEN_COLUMNS, rows: marks })
  store.marks += marks.length
  if (store.marks < MARKS_MAX) return
  await sweep(store)
  store.marks = 0
}
