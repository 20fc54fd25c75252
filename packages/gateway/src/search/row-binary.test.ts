import assert from 'node:assert/strict'
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { rowColumns, transactionOf } from './columns.ts'
import { rowBinary } from './row-binary.ts'
import { openEmbeddedEngine } from './embedded-engine.ts'
import { allRows, temporaryFolder } from './search.testing.ts'
import { openTables } from './testing/tables.ts'
import { someTransactions } from './testing/questions.ts'

test('whatever a transaction holds comes back from ClickHouse as it went in', async (t) => {
  const tables = await openTables(t)
  const names = rowColumns.map(({ name }) => name).join(', ')
  await fc.assert(
    fc.asyncProperty(someTransactions, async (transactions) => {
      await tables.clear()
      await tables.ended(...transactions)
      const rows = await allRows(tables.engine, `SELECT ${names} FROM transactions ORDER BY leaf`)
      assert.deepEqual(rows.map(transactionOf), transactions.map(withoutEmpty))
    }),
    { numRuns: 20 },
  )
})

/** The index makes no difference between an empty text or list and none. */
function withoutEmpty(transaction: object): unknown {
  return Object.fromEntries(
    Object.entries(transaction).filter(
      ([, value]) => value !== '' && !(Array.isArray(value) && value.length === 0),
    ),
  )
}

test('the bytes are those of the format', () => {
  const columns = [
    { name: 'text', type: 'String' },
    { name: 'list', type: 'Array(LowCardinality(String))' },
    { name: 'number', type: 'Int64' },
    { name: 'maybe', type: 'Nullable(Int64)' },
    { name: 'is', type: 'Nullable(Bool)' },
    { name: 'day', type: 'Date' },
    { name: 'byte', type: 'UInt8' },
    { name: 'version', type: 'UInt32' },
  ]
  const full = ['é', ['a', ''], -2, '9223372036854775807', true, '1970-01-02', 7, 258]
  const none = columns.map(() => undefined)
  assert.equal(
    rowBinary(columns, [full, none]).toString('hex'),
    [
      '02c3a9 02 0161 00 feffffffffffffff 00ffffffffffffff7f 0001 0100 07 02010000',
      '00 00 0000000000000000 01 01 0000 00 00000000',
    ]
      .join('')
      .replaceAll(' ', ''),
  )
})

test('texts of any length and number find room', () => {
  const columns = [
    { name: 'text', type: 'String' },
    { name: 'list', type: 'Array(LowCardinality(String))' },
  ]
  for (const length of [0, 127, 128, 16_383, 16_384, 70_000]) {
    for (const unit of ['a', 'é', '日', '😀']) {
      const text = unit.repeat(length)
      const bytes = rowBinary(columns, [[text, Array.from({ length: 3 }, () => text)]])
      const wanted = Buffer.from(text)
      assert.equal(bytes.length, 4 * (wanted.length + lebOf(wanted.length)) + 1)
      assert.ok(bytes.subarray(bytes.length - wanted.length).equals(wanted))
    }
  }
  const many = Array.from({ length: 100_000 }, () => 'a')
  assert.equal(rowBinary(columns, [['', many]]).length, 1 + 3 + 2 * many.length)
})

function lebOf(length: number): number {
  return Math.max(1, Math.ceil(Math.log2(length + 1) / 7))
}

test('a value that a column cannot hold is refused, and not named', () => {
  const wrong: readonly (readonly [string, unknown])[] = [
    ['String', 1],
    ['Array(LowCardinality(String))', 'secret'],
    ['Int64', 'secret'],
    ['Int64', 1.5],
    ['Int64', '9223372036854775808'],
    ['UInt8', 256],
    ['Nullable(Bool)', 'secret'],
    ['Date', '2149-06-07'],
    ['Date', 'secret'],
    ['Float64', 1],
  ]
  for (const [type, value] of wrong) {
    assert.throws(
      () => rowBinary([{ name: 'x', type }], [[value]]),
      (error: Error) => !error.message.includes('secret'),
      `${type} ${String(value)}`,
    )
  }
})

test('an insert leaves no file behind, whether it lands or fails', async (t) => {
  const folder = await temporaryFolder(t)
  const engine = await openEmbeddedEngine(folder)
  t.after(() => engine.close())
  await engine.command(
    'CREATE TABLE progress (origin String, next UInt64) ENGINE = MergeTree ORDER BY next',
  )
  const block = { table: 'progress', columns: ['origin', 'next'], rows: [['a', 1]] }
  const there = await readdir(join(folder, 'clickhouse'))
  await engine.insert(block)
  assert.deepEqual(await allRows(engine, 'SELECT * FROM progress'), [{ origin: 'a', next: '1' }])
  await engine.command('DROP TABLE progress')
  await assert.rejects(engine.insert(block), {
    code: 'SEARCH_UNAVAILABLE',
    message: /UNKNOWN_TABLE/,
  })
  const left = await readdir(join(folder, 'clickhouse'))
  assert.deepEqual(
    left.filter((name) => name !== 'metadata_dropped'),
    there,
  )
})

test('a folder that is gone is told as such', async (t) => {
  const folder = await temporaryFolder(t)
  const engine = await openEmbeddedEngine(folder)
  t.after(() => engine.close())
  await rename(join(folder, 'clickhouse'), join(folder, 'elsewhere'))
  const block = { table: 'progress', columns: ['origin', 'next'], rows: [['a', 1]] }
  await assert.rejects(engine.insert(block), {
    code: 'SEARCH_UNAVAILABLE',
    message: 'could not use ClickHouse: its folder cannot be written (ENOENT)',
  })
  await rename(join(folder, 'elsewhere'), join(folder, 'clickhouse'))
})
