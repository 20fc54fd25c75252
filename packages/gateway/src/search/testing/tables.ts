/** An index in a temporary folder, written by hand: what the indexer would write, and nothing else. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Transaction } from '@countersign/record/transaction'
import { rowColumns, rowOf } from '../columns.ts'
import { openEmbeddedEngine } from '../embedded-engine.ts'
import { oneRow } from '../engine.ts'
import type { Engine } from '../engine.ts'
import { migrations, OPEN, PROGRESS, singlePlacement, TRANSACTIONS } from '../schema.ts'

const columns = rowColumns.map(({ name }) => name)

export interface Tables {
  readonly engine: Engine
  ended(...transactions: readonly Transaction[]): Promise<void>
  open(...transactions: readonly Transaction[]): Promise<void>
  /** What was open has ended. */
  gone(...transactions: readonly Transaction[]): Promise<void>
  progress(origin: string, next: number): Promise<void>
  clear(): Promise<void>
}

export async function openTables(t: TestContext): Promise<Tables> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-answers-'))
  const engine = await openEmbeddedEngine(join(folder, 'index'))
  t.after(async () => {
    await engine.close()
    await rm(folder, { recursive: true, force: true })
  })
  for (const { statements } of migrations)
    for (const sql of statements(singlePlacement)) await engine.command(sql)
  const openRows = async (transactions: readonly Transaction[], gone: boolean): Promise<void> => {
    await engine.insert({
      table: OPEN,
      columns: [...columns, 'version', 'gone'],
      rows: transactions.map((one) => [...rowOf(one, undefined), gone ? 2 : 1, gone ? 1 : 0]),
    })
  }
  return {
    engine,
    ended: (...transactions) =>
      engine.insert({
        table: TRANSACTIONS,
        columns,
        rows: transactions.map((one) => rowOf(one, undefined)),
      }),
    open: (...transactions) => openRows(transactions, false),
    gone: (...transactions) => openRows(transactions, true),
    progress: (origin, next) => engine.insert(oneRow(PROGRESS, { origin, next })),
    clear: async () => {
      for (const table of [TRANSACTIONS, OPEN, PROGRESS])
        await engine.command(`TRUNCATE TABLE ${table}`)
    },
  }
}
