import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openAnswers } from './answers/open-answers.ts'
import { systemClock } from '../platform.ts'
import { clusterPlacement } from './cluster-placement.ts'
import type { Engine, Row, Statement } from './engine.ts'
import { takeLease } from './lease.ts'
import { openIndexServer } from './index-server.ts'
import { openIndex } from './open-index.ts'
import type { Answers } from './open-index.ts'
import type { Index } from './rows.ts'
import { migrations, singlePlacement } from './schema.ts'
import { allRows, idOf, temporaryEngine } from './search.testing.ts'
import { temporaryClickHouse } from './testing/clickhouse-server.ts'

const CLUSTER = 'records-eu.1'
const placement = clusterPlacement({ cluster: CLUSTER, database: 'records' })
const ORIGIN = 'audit.example.com/1'
const everything = { scope: { kind: 'all' }, unmasked: true } as const
const question = { text: '', filter: { kind: 'every' } } as const

const answers = (over: Engine): Answers =>
  openAnswers(over, { clock: systemClock, limits: { timeMs: 10_000, memoryBytesMax: 1e9 } })

interface Said {
  readonly sql: string
  readonly params: Statement['params']
}

/** An engine that runs nothing and keeps what it was told; questions are answered by `rowsFor`. */
function listening(rowsFor: (sql: string) => readonly Row[]): {
  readonly engine: Engine
  readonly said: Said[]
} {
  const said: Said[] = []
  const engine: Engine = {
    kind: 'server',
    async command(sql, statement) {
      said.push({ sql, params: statement?.params })
    },
    async *rows(sql: string, statement?: Statement) {
      said.push({ sql, params: statement?.params })
      yield* rowsFor(sql)
    },
    async insert({ table }) {
      said.push({ sql: `INSERT INTO ${table} FORMAT JSONEachRow`, params: undefined })
    },
    close: () => Promise.resolve(),
  }
  return { engine, said }
}

/** What makes each statement be said: rows that are to be deleted, and one old part, once. */
function answersOf(columns: readonly Row[]): (sql: string) => readonly Row[] {
  return (sql) => {
    if (sql.includes('system.columns')) return columns
    if (sql.includes('SELECT count() AS rows')) return [{ rows: '1' }]
    if (sql.includes('AS own')) {
      return [
        { day: '2026-01-01', own: '1', held: '1' },
        { day: '2026-01-02', own: '1', held: '2' },
      ]
    }
    if (sql.includes(' AS held FROM open_intents')) return [{ held: '1' }]
    return []
  }
}

/** All that the index and its lease say on a cluster. */
async function everythingSaid(columns: readonly Row[]): Promise<readonly Said[]> {
  const { engine, said } = listening(answersOf(columns))
  const index = await openIndex({ engine, placement, answers })
  await useOf(index)
  // There is nobody to answer it.
  const times = { claimMs: 50, beatMs: 60_000, lapseMs: 100, marginMs: 1 }
  await assert.rejects(takeLease({ engine, placement, clock: systemClock, times }))
  return said
}

async function useOf(index: Index): Promise<void> {
  const transaction = { origin: ORIGIN, index: 1, id: idOf(1), time: '1' }
  const ended = [{ transaction: { ...transaction, index: 2, intent: 1 } }]
  await index.write({ origin: ORIGIN, next: 3, ended, open: [{ transaction }] })
  await index.waiting(ORIGIN, [idOf(1)])
  await index.erase(ORIGIN, [{ from: 0, to: 40 }])
  await index.drop(ORIGIN, { today: '2030-01-01', kept: ['2031-01-01'] })
  await index.partitions()
  await index.logs()
  await index.search({ question, limit: 10 }, everything)
  await index.find({ id: idOf(1) }, everything)
  await index.find({ origin: ORIGIN, index: 1 }, everything)
  await index.values('service', 'or', everything)
  await index.count(question, everything)
}

test('each statement of an index on a cluster is one that ClickHouse can read', async (t) => {
  const engine = await temporaryEngine(t)
  for (const migration of migrations)
    for (const sql of migration.statements(singlePlacement)) await engine.command(sql)
  const columns = await allRows(
    engine,
    "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'transactions'",
  )
  const said = await everythingSaid(columns)
  const read = said.filter(({ sql }) => !sql.startsWith('INSERT'))
  for (const { sql, params } of read) {
    const statement = params === undefined ? {} : { params }
    const tree = await allRows(engine, `EXPLAIN AST ${sql}`, statement)
    assert.ok(tree.length > 0, sql)
  }
  t.diagnostic(`${read.length} statements`)
  assert.ok(read.length > 40, `${read.length} statements`)
  const changing = read.filter(({ sql }) => /^\s*(ALTER|CREATE|DROP|SYSTEM)/.test(sql))
  for (const { sql } of changing) assert.ok(sql.includes(` ON CLUSTER '${CLUSTER}'`), sql)
})

test('an index on a cluster has replicated tables of rows, and distributed ones above them', () => {
  const made = migrations.flatMap(({ statements }) => statements(placement))
  const engineOf = (table: string): string | undefined =>
    made
      .find((sql) => sql.includes(`CREATE TABLE IF NOT EXISTS ${table} `))
      ?.match(/ENGINE = (\w+\((?:[^()]|\([^()]*\))*\))/)?.[1]
  assert.equal(
    engineOf('transactions_local'),
    "ReplicatedMergeTree('/clickhouse/tables/{shard}/records/transactions_local', '{replica}')",
  )
  assert.equal(
    engineOf('open_intents_local'),
    "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/records/open_intents_local', '{replica}', version, gone)",
  )
  // An intent, its mark and its transaction have one id: they are on one shard.
  for (const table of ['transactions', 'open_intents'])
    assert.equal(
      engineOf(table),
      `Distributed('${CLUSTER}', 'records', '${table}_local', cityHash64(origin, id))`,
    )
})

test('an index is written, asked and erased on a cluster of one server', async (t) => {
  const { url } = await temporaryClickHouse(t, { cluster: CLUSTER })
  const { engine, placement: lies } = await openIndexServer({
    url,
    user: 'default',
    database: 'records',
    cluster: CLUSTER,
    clock: systemClock,
    leaseTimes: { beatMs: 100, lapseMs: 1500, marginMs: 500, claimMs: 200 },
  })
  const index = await openIndex({ engine, placement: lies, answers })
  t.after(() => index.close())
  const at = { origin: ORIGIN, time: '1' }
  const open = [{ transaction: { ...at, index: 0, id: idOf(1), path: '/secret' } }]
  await index.write({ origin: ORIGIN, next: 2, ended: [], open })
  const ended = [{ transaction: { ...at, index: 2, intent: 0, id: idOf(1), path: '/secret' } }]
  await index.write({ origin: ORIGIN, next: 3, ended, open: [] })
  assert.equal((await index.search({ question, limit: 10 }, everything)).transactions.length, 1)
  await index.erase(ORIGIN, [{ from: 0, to: 0 }])
  const found = await index.find({ id: idOf(1) }, everything)
  assert.deepEqual([found?.path, found?.content], [undefined, 'erased'])
  assert.deepEqual(
    (await index.partitions()).map(({ rows }) => rows),
    [1],
  )
  assert.equal(await index.drop(ORIGIN, { today: '2199-01-01', kept: [] }), 1)
})
