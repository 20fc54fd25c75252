/**
 * Pages of transactions, by time. What is open and what has ended lies in two tables, so a page is merged from both, and each is asked
 * for a whole page: what ends in between is in both answers at the same place, and counts once, as ended.
 */
import type { Asking, Page, PageRequest } from '@countersign/record/question'
import { READ_ROWS_MAX } from '@countersign/record/reading'
import type { Transaction } from '@countersign/record/transaction'
import { columnOf, fieldNames, transactionOf } from '../columns.ts'
import type { Engine, QueryLimits } from '../engine.ts'
import { SearchError } from '../errors.ts'
import { FIRST_LEAF, OPEN, PROGRESS, TRANSACTIONS } from '../schema.ts'
import { openBound } from './bound.ts'
import type { Bound } from './bound.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type { LogSize, Position, RowPlace } from './cursor.ts'
import { whereSql } from './where.ts'

export const allColumns = fieldNames.map((field) => columnOf(field).name).join(', ')

const TIME = columnOf('time').name
const ORIGIN = columnOf('origin').name
const ID = columnOf('id').name

/**
 * Where open intents do not count since they have ended. GLOBAL is for clusters, where either table may lie elsewhere.
 * The inner times let the table be read by its order.
 */
export const STILL_OPEN = `(${TIME}, ${ID}) GLOBAL NOT IN (SELECT ${TIME}, ${ID} FROM ${TRANSACTIONS} WHERE ${TIME} GLOBAL IN (SELECT ${TIME} FROM ${OPEN} FINAL))`

/**
 * The rows of a page are found by the columns that the question names, in the order of the table, and the other columns read only then:
 * nearly all rows that are looked at are not on the page.
 */
const LAZY = `SETTINGS query_plan_max_limit_for_lazy_materialization = ${READ_ROWS_MAX + 1}`

interface Reading {
  readonly engine: Engine
  readonly limits: QueryLimits
  readonly asking: Asking
}

/**
 * One page.
 * @throws {SearchError} `SEARCH_CURSOR`, `SEARCH_MASKED`, `SEARCH_LIMIT`; and as the engine does
 */
export async function searchPage(request: PageRequest, reading: Reading): Promise<Page> {
  const { limit, order = 'newest', cursor } = request
  if (!Number.isInteger(limit) || limit < 1 || limit > READ_ROWS_MAX) {
    throw new SearchError(
      'SEARCH_LIMIT',
      `could not answer: a page has from 1 to ${READ_ROWS_MAX} rows`,
      { hint: 'whoever wants more follows the cursor' },
    )
  }
  const asked = { ...request, asking: reading.asking }
  const logs = await sizesOfLogs(reading)
  const position = cursor === undefined ? firstOf(request, logs) : decodeCursor(cursor, asked, logs)
  // Open ones first: what ends after they were read is among those that ended.
  const open = await rowsFrom('open', { request, position, reading })
  const ended = await rowsFrom('ended', { request, position, reading })
  const page = merge({ open, ended, order })
  const last = page[limit - 1]
  if (page.length <= limit || last === undefined) return { transactions: page }
  return {
    transactions: page.slice(0, limit),
    cursor: encodeCursor({ ...position, after: placeOf(last) }, asked),
  }
}

type Start = Omit<Position, 'after'> & Partial<Pick<Position, 'after'>>

function firstOf(
  { question: { sinceNs, untilNs } }: PageRequest,
  sizes: readonly LogSize[],
): Start {
  return {
    sizes,
    ...(sinceNs === undefined ? {} : { sinceNs }),
    ...(untilNs === undefined ? {} : { untilNs }),
  }
}

/** How far each log is read, by the bytes of its name. */
async function sizesOfLogs({ engine, limits, asking }: Reading): Promise<readonly LogSize[]> {
  const sizes: LogSize[] = []
  const sql = `SELECT origin, max(next) AS size FROM ${PROGRESS} GROUP BY origin ORDER BY origin`
  for await (const { origin, size } of engine.rows(sql, { limits, ...signalOf(asking) }))
    sizes.push({ origin: String(origin), size: Number(size) })
  return sizes
}

interface Asked {
  readonly request: PageRequest
  readonly position: Start
  readonly reading: Reading
}

async function rowsFrom(which: 'open' | 'ended', asked: Asked): Promise<Transaction[]> {
  const { request, position, reading } = asked
  const { engine, limits, asking } = reading
  const bound = openBound()
  const way = request.order === 'oldest' ? 'ASC' : 'DESC'
  const { question } = request
  const { sinceNs, untilNs } = position
  const where = [
    whereSql(
      {
        text: question.text,
        filter: question.filter,
        ...(sinceNs === undefined ? {} : { sinceNs }),
        ...(untilNs === undefined ? {} : { untilNs }),
      },
      asking,
      bound,
    ),
    withinSql(position.sizes, bound),
    ...(position.after === undefined ? [] : [behindSql(position.after, way, bound)]),
    ...(which === 'open' ? [STILL_OPEN] : []),
  ]
  const order = `${TIME} ${way}, ${ORIGIN} ${way}, ${FIRST_LEAF} ${way}`
  const from = which === 'open' ? `${OPEN} FINAL` : TRANSACTIONS
  const sql = `SELECT ${allColumns} FROM ${from} WHERE ${where.join(' AND ')}
    ORDER BY ${order} LIMIT ${bound.bind('Int64', request.limit + 1)} ${LAZY}`
  const rows: Transaction[] = []
  for await (const row of engine.rows(sql, { params: bound.params, limits, ...signalOf(asking) }))
    rows.push(transactionOf(row))
  return rows
}

/** Only what was in the logs when the first page was asked. */
function withinSql(sizes: readonly LogSize[], bound: Bound): string {
  const origins = bound.bind(
    'Array(String)',
    sizes.map(({ origin }) => origin),
  )
  const ends = bound.bind(
    'Array(Int64)',
    sizes.map(({ size }) => BigInt(size)),
  )
  // An unknown log has the place 0, where nothing is.
  return `${FIRST_LEAF} < ${ends}[indexOf(${origins}, ${ORIGIN})]`
}

function behindSql(
  { timeNs, origin, firstLeaf }: RowPlace,
  way: 'ASC' | 'DESC',
  bound: Bound,
): string {
  const sign = way === 'ASC' ? '>' : '<'
  const time = bound.bind('Int64', timeNs)
  const place = `(${time}, ${bound.bind('String', origin)}, ${bound.bind('Int64', firstLeaf)})`
  // The first half lets the table be read by its order.
  return `${TIME} ${sign}= ${time} AND (${TIME}, ${ORIGIN}, ${FIRST_LEAF}) ${sign} ${place}`
}

function placeOf({ time, origin, index, intent }: Transaction): RowPlace {
  return { timeNs: BigInt(time), origin, firstLeaf: intent ?? index }
}

/** Both in order, each place once. */
function merge({
  open,
  ended,
  order,
}: {
  open: readonly Transaction[]
  ended: readonly Transaction[]
  order: 'newest' | 'oldest'
}): Transaction[] {
  const sign = order === 'oldest' ? 1 : -1
  const isEnded = new Set(ended.map(placeName))
  return [...ended, ...open.filter((one) => !isEnded.has(placeName(one)))].toSorted(
    (a, b) => sign * comparePlaces(placeOf(a), placeOf(b)),
  )
}

function placeName(transaction: Transaction): string {
  return `${transaction.intent ?? transaction.index} ${transaction.origin}`
}

/** As ClickHouse orders: texts by their bytes. */
function comparePlaces(a: RowPlace, b: RowPlace): number {
  if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs ? -1 : 1
  return Buffer.compare(Buffer.from(a.origin), Buffer.from(b.origin)) || a.firstLeaf - b.firstLeaf
}

export function signalOf({ signal }: Asking): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
