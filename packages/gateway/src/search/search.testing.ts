/** What tests of this room share: records as a log would hold them, an index on a folder of its own, and engines that fail. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Leaf } from '@countersign/record/leaf'
import { columnOf, fieldNames, transactionOf } from './columns.ts'
import { openEmbeddedEngine } from './embedded-engine.ts'
import type { Engine, Row, Statement } from './engine.ts'
import { SearchError } from './errors.ts'
import type { LogRecord } from './join.ts'
import { openIndex } from './open-index.ts'
import type { Answers } from './open-index.ts'
import type { RecordAddendum } from './revealed.ts'
import type { Index } from './rows.ts'
import { OPEN, TRANSACTIONS } from './schema.ts'
import type { Transaction } from '@countersign/record/transaction'

/** A folder that is gone after the test. */
export async function temporaryFolder(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-search-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** One engine for a whole file of tests: chdb binds one folder a process. */
export async function temporaryEngine(t: Pick<TestContext, 'after'>): Promise<Engine> {
  const folder = await temporaryFolder(t)
  const engine = await openEmbeddedEngine(join(folder, 'index'))
  t.after(() => engine.close())
  return engine
}

/** For tests that only write. */
export const noAnswers = (): Answers => {
  const refuse = (): never => {
    throw new Error('this test asks nothing')
  }
  return { search: refuse, find: refuse, aggregate: refuse, values: refuse, count: refuse }
}

/** An index over an engine that outlives it. */
export function openTestIndex(engine: Engine): Promise<Index> {
  return openIndex({
    engine: { ...engine, close: () => Promise.resolve() },
    answers: noAnswers,
  })
}

/** All rows of a log, as they would be found: ended ones, and open ones whose transaction is not there. */
export async function rowsIn(engine: Engine, origin: string): Promise<Transaction[]> {
  const columns = fieldNames.map((field) => columnOf(field).name).join(', ')
  const where = 'WHERE origin = {origin:String}'
  const rows = await allRows(
    engine,
    `SELECT ${columns} FROM ${TRANSACTIONS} ${where}
     UNION ALL SELECT ${columns} FROM ${OPEN} FINAL ${where}
       AND leaf NOT IN (SELECT assumeNotNull(intent) FROM ${TRANSACTIONS} ${where} AND isNotNull(intent))`,
    { params: { origin } },
  )
  return rows.map(transactionOf).toSorted((one, other) => one.index - other.index)
}

export async function allRows(engine: Engine, sql: string, statement?: Statement): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of engine.rows(sql, statement)) rows.push(row)
  return rows
}

/** A UUIDv7 that says its number. */
export function idOf(number: number): string {
  return `01890a5d-ac96-774b-bcce-${number.toString(16).padStart(12, '0')}`
}

/** A leaf with what its type requires, and more. */
export function leafOf(id: number, phase: Leaf['phase'], more: Partial<Leaf> = {}): Leaf {
  return {
    v: 1,
    id: idOf(id),
    class: 'http.server',
    action: 'orders.read',
    phase,
    session: idOf(1),
    seq: id,
    time: { occurred: String(1_764_137_909_000_000_000n + BigInt(id) * 1_000_000n) },
    ...(phase === 'intent' ? {} : { outcome: 'success' as const }),
    ...more,
  }
}

/** The addendum `request` of a path. */
export function requestOf(content: unknown): RecordAddendum {
  return { name: 'request', state: 'here', content: Buffer.from(JSON.stringify(content)) }
}

/** Records in a row, from leaf 0. */
export function logOf(
  records: readonly { readonly leaf: Leaf; readonly addenda?: readonly RecordAddendum[] }[],
): LogRecord[] {
  return records.map(({ leaf, addenda = [] }, index) => ({ index, leaf, addenda }))
}

/**
 * An engine whose statement number `at` (from 0) fails, once: before it did anything, or after all of it landed, as when a connection is
 * lost before the answer.
 */
export function failingEngine(
  engine: Engine,
  { at, landed }: { at: number; landed: boolean },
): Engine & { readonly calls: number; readonly failed: boolean } {
  let calls = 0
  let failed = false
  const guard = async (work: () => Promise<void>): Promise<void> => {
    const isIt = calls === at
    calls += 1
    if (!isIt) return work()
    failed = true
    if (landed) await work()
    throw new SearchError('SEARCH_UNAVAILABLE', 'could not use ClickHouse: it fails here')
  }
  return {
    ...engine,
    command: (sql, statement) => guard(() => engine.command(sql, statement)),
    insert: (block, token) => guard(() => engine.insert(block, token)),
    async *rows(sql: string, statement?: Statement) {
      await guard(() => Promise.resolve())
      yield* engine.rows(sql, statement)
    },
    get calls() {
      return calls
    },
    get failed() {
      return failed
    },
  }
}
