/** What whoever writes reads back from the index. */
import { columnOf, fieldNames, NEVER, transactionOf } from './columns.ts'
import type { Engine } from './engine.ts'
import type { Index, IndexedLog, IndexedTransaction } from './rows.ts'
import { OPEN, PROGRESS, TRANSACTIONS } from './schema.ts'

/** Record ids in one statement, at most: about 200 KiB of text. */
const IDS_IN_STATEMENT_MAX = 5000

const COLUMNS = fieldNames.map((field) => columnOf(field).name).join(', ')

export function rowsOf(engine: Engine): Pick<Index, 'waiting' | 'logs'> {
  return {
    async waiting(origin, ids) {
      if (ids === undefined) return waitingWhere(engine, { origin })
      const found: IndexedTransaction[] = []
      for (let at = 0; at < ids.length; at += IDS_IN_STATEMENT_MAX) {
        const some = ids.slice(at, at + IDS_IN_STATEMENT_MAX)
        found.push(...(await waitingWhere(engine, { origin, ids: some })))
      }
      return found
    },
    logs: () => logs(engine),
  }
}

async function waitingWhere(
  engine: Engine,
  params: { readonly origin: string; readonly ids?: readonly string[] },
): Promise<IndexedTransaction[]> {
  const found: IndexedTransaction[] = []
  const which = params.ids === undefined ? '' : 'AND id IN {ids:Array(String)}'
  for await (const row of engine.rows(
    `SELECT ${COLUMNS}, drop_after FROM ${OPEN} FINAL WHERE origin = {origin:String} ${which} ORDER BY leaf`,
    { params },
  )) {
    const { drop_after: dropAfter } = row
    const transaction = transactionOf(row)
    found.push(
      typeof dropAfter === 'string' && dropAfter !== NEVER
        ? { transaction, dropAfter }
        : { transaction },
    )
  }
  return found
}

async function logs(engine: Engine): Promise<readonly IndexedLog[]> {
  const found: IndexedLog[] = []
  for await (const row of engine.rows(
    `SELECT origin, read, ended, joined, waiting FROM
      (SELECT origin, max(next) AS read FROM ${PROGRESS} GROUP BY origin) AS p
      LEFT JOIN (SELECT origin, count() AS ended, count(intent) AS joined FROM ${TRANSACTIONS} GROUP BY origin) AS t USING origin
      LEFT JOIN (SELECT origin, count() AS waiting FROM ${OPEN} FINAL GROUP BY origin) AS o USING origin
      ORDER BY origin`,
  )) {
    const ended = Number(row['ended'])
    const waiting = Number(row['waiting'])
    found.push({
      origin: String(row['origin']),
      next: Number(row['read']),
      records: ended + Number(row['joined']) + waiting,
      transactions: ended + waiting,
    })
  }
  return found
}
