/** The same rows and questions in SQLite, out of the box of Node: one table, an index for each question that can use one. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Transaction } from '@countersign/record/transaction'
import { fieldSpec } from '@countersign/record/transaction'
import { columnOf, fieldNames } from '../../packages/gateway/src/search/columns.ts'
import { bytesBelow, timeQuestions } from './load.ts'
import type { Loaded, Timing } from './load.ts'
import { questions } from './questions.ts'
import { transactionsOf } from './transactions.ts'

export interface PeerFigures extends Omit<Loaded, 'mergeSeconds'> {
  readonly questions: readonly Timing[]
}

export interface PeerOptions {
  readonly total: number
  readonly runs: number
  readonly say: (line: string) => void
}

export const BATCH = 20_000

/** The columns of the table `t`, in every dialect. */
export const columns: readonly string[] = fieldNames.map((field) => columnOf(field).name)

/** What both peers are given: what a person who knows them would. */
export const indexes: readonly string[] = [
  'CREATE INDEX t_time ON t (time)',
  'CREATE INDEX t_id ON t (id)',
  'CREATE INDEX t_trace ON t (trace)',
  'CREATE INDEX t_actor ON t (actor_id, time)',
  'CREATE INDEX t_service ON t (service, time)',
  'CREATE INDEX t_outcome ON t (outcome, time)',
  'CREATE INDEX t_destination ON t (destination, service, time)',
]

/** A row as texts and numbers; lists as texts. */
export function cellsOf(transaction: Transaction): (string | number | null)[] {
  return fieldNames.map((field) => {
    const value = transaction[field]
    if (value === undefined) return null
    if (typeof value === 'boolean') return value ? 1 : 0
    return typeof value === 'string' || typeof value === 'number' ? value : value.join(' ')
  })
}

export async function measureSqlite(
  folder: string,
  { total, runs, say }: PeerOptions,
): Promise<PeerFigures> {
  const place = join(folder, 'sqlite')
  mkdirSync(place)
  const database = new DatabaseSync(join(place, 'bench.db'))
  try {
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -262144',
    )
    const types = fieldNames.map((field) => {
      const { type } = fieldSpec(field)
      return `${columnOf(field).name} ${type === 'text' || type === 'list' ? 'TEXT' : 'INTEGER'}`
    })
    database.exec(`CREATE TABLE t (${types.join(', ')})`)
    for (const index of indexes) database.exec(index)
    database.exec(`CREATE VIRTUAL TABLE words USING fts5(path, content='t', columnsize=0)`)
    const insert = database.prepare(`INSERT INTO t VALUES (${columns.map(() => '?').join(', ')})`)
    let seconds = 0
    for (let from = 0; from < total; from += BATCH) {
      const rows = transactionsOf({ from, to: Math.min(total, from + BATCH), total }).map(cellsOf)
      const startMs = performance.now()
      database.exec('BEGIN')
      for (const row of rows) insert.run(...row)
      database.exec('COMMIT')
      seconds += (performance.now() - startMs) / 1000
    }
    const startMs = performance.now()
    database.exec(
      `INSERT INTO words(words) VALUES ('rebuild'); ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)`,
    )
    seconds += (performance.now() - startMs) / 1000
    say('loaded SQLite')
    const bytes = bytesBelow(place)
    const timings = await timeQuestions(questions, runs, {
      total,
      ask(kind, random) {
        const statements = kind.draw(random, total).sql('sqlite').split('; ')
        const begun = performance.now()
        for (const sql of statements) {
          const statement = database.prepare(sql)
          // Nanoseconds are no numbers of JavaScript.
          statement.setReadBigInts(true)
          statement.all()
        }
        return Promise.resolve(performance.now() - begun)
      },
    })
    return {
      rowsPerSecond: Math.round(total / seconds),
      bytesPerRow: Math.round(bytes / total),
      questions: timings,
    }
  } finally {
    database.close()
  }
}
