import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Transaction } from '@countersign/record/transaction'
import { columnOf, fieldNames, rowColumns, rowOf, transactionOf } from './columns.ts'
import type { Row } from './engine.ts'
import { openEmbeddedEngine } from './embedded-engine.ts'
import { migrations, singlePlacement, TRANSACTIONS } from './schema.ts'

test('a transaction comes back from ClickHouse as it went in', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-schema-'))
  const engine = await openEmbeddedEngine(join(folder, 'index'))
  t.after(async () => {
    await engine.close()
    await rm(folder, { recursive: true, force: true })
  })
  for (const { statements } of migrations)
    for (const sql of statements(singlePlacement)) await engine.command(sql)
  const full: Transaction = {
    origin: 'log.example',
    index: 7,
    id: '01890a5d-ac96-774b-bcce-b302099a8059',
    time: '1764137909123456789',
    outcome: 'denied',
    status: 403,
    'actor.roles': ['support', "o'brien"],
    allowed: false,
    path: '/orders/\u0000\n"17"',
    duration: '1234567',
  }
  const bare: Transaction = { origin: 'log.example', index: 8, id: 'x', time: '0' }
  await engine.insert({
    table: TRANSACTIONS,
    columns: rowColumns.map(({ name }) => name),
    rows: [rowOf(full, '2027-01-31'), rowOf(bare, undefined)],
  })
  const columns = fieldNames.map((field) => columnOf(field).name).join(', ')
  const rows: Row[] = []
  for await (const row of engine.rows(
    `SELECT ${columns} FROM ${TRANSACTIONS} WHERE origin = {origin:String} ORDER BY leaf`,
    { params: { origin: 'log.example' } },
  ))
    rows.push(row)
  assert.deepEqual(rows.map(transactionOf), [full, bare])
})
