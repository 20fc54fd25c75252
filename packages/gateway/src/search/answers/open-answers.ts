/** The asking half of the index: questions -> answers. It writes nothing, and holds nothing between two questions. */
import type { Asking, Question } from '@countersign/record/question'
import { fieldSpec, isFieldName } from '@countersign/record/transaction'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import type { Clock } from '../../platform.ts'
import { columnOf, presentSql, transactionOf } from '../columns.ts'
import type { Engine, QueryLimits } from '../engine.ts'
import { refuseMaskedField } from '../language/masked.ts'
import type { Index } from '../rows.ts'
import { OPEN, TRANSACTIONS } from '../schema.ts'
import { aggregate, sourceSql } from './aggregates.ts'
import { openBound } from './bound.ts'
import type { Bound } from './bound.ts'
import { ANSWER_LIMITS, VALUES_MAX, VALUES_SCANNED_MAX, VALUES_TIME_MS } from './limits.ts'
import { allColumns, searchPage, signalOf } from './pages.ts'
import { scopeSql } from './where.ts'

export interface AnswersOptions {
  /** Of each statement; what is not said is `ANSWER_LIMITS`. */
  readonly limits?: Partial<QueryLimits>
  /** What a rate counts to, where its question has no end. */
  readonly clock: Pick<Clock, 'nowNs'>
}

export type Answers = Pick<Index, 'search' | 'find' | 'aggregate' | 'values' | 'count'>

interface Answering {
  readonly engine: Engine
  readonly limits: QueryLimits
}

/** Questions are asked of the tables that the engine holds; a log of which no progress is written has nothing in pages. */
export function openAnswers(engine: Engine, { limits: own = {}, clock }: AnswersOptions): Answers {
  const limits = { ...ANSWER_LIMITS, ...own }
  const answering = { engine, limits }
  return {
    search: (page, asking) => searchPage(page, { engine, limits, asking }),
    find: (which, asking) => find(which, asking, answering),
    aggregate: (request, asking) =>
      aggregate(request, { engine, limits, asking, nowNs: clock.nowNs() }),
    values: (field, beginning, asking) => values({ field, beginning }, asking, answering),
    count: (question, asking) => count(question, asking, answering),
  }
}

type Which = Parameters<Index['find']>[0]

async function find(
  which: Which,
  asking: Asking,
  { engine, limits }: Answering,
): Promise<Transaction | undefined> {
  let found: Transaction | undefined
  // The open one first: what ends meanwhile is found as ended.
  for (const from of [`${OPEN} FINAL`, TRANSACTIONS]) {
    const bound = openBound()
    const where = [...scopeSql(asking.scope, bound), placeSql(which, bound)].join(' AND ')
    const sql = `SELECT ${allColumns} FROM ${from} WHERE ${where} LIMIT 1`
    for await (const row of engine.rows(sql, { params: bound.params, limits, ...signalOf(asking) }))
      found = transactionOf(row)
  }
  return found
}

function placeSql(which: Which, bound: Bound): string {
  if ('id' in which) return `${columnOf('id').name} = ${bound.bind('String', which.id)}`
  const index = bound.bind('Int64', BigInt(which.index))
  const origin = bound.bind('String', which.origin)
  const intent = `${presentSql('intent')} AND ${columnOf('intent').name} = ${index}`
  return `${columnOf('origin').name} = ${origin} AND (${columnOf('index').name} = ${index} OR (${intent}))`
}

async function values(
  { field, beginning }: { field: string; beginning: string },
  asking: Asking,
  answering: Answering,
): Promise<readonly string[]> {
  if (!isFieldName(field)) return []
  refuseMaskedField(field, asking)
  const { type, values: closed } = fieldSpec(field)
  if (closed !== undefined) return closed.filter((value) => value.startsWith(beginning))
  if (type === 'bool') return ['true', 'false'].filter((value) => value.startsWith(beginning))
  if (type !== 'text' && type !== 'list') return []
  return frequentValues({ field, beginning }, asking, answering)
}

/** Of the newest rows. */
async function frequentValues(
  { field, beginning }: { field: FieldName; beginning: string },
  asking: Asking,
  { engine, limits }: Answering,
): Promise<readonly string[]> {
  const bound = openBound()
  const { name } = columnOf(field)
  const begins = `startsWith(value, ${bound.bind('String', beginning)})`
  const value = fieldSpec(field).type === 'list' ? `arrayJoin(${name})` : name
  const where = [...scopeSql(asking.scope, bound), presentSql(field)].join(' AND ')
  const sql = `SELECT toString(value) AS text FROM
    (SELECT ${value} AS value FROM ${TRANSACTIONS} WHERE ${where} AND ${begins}
      ORDER BY ${columnOf('time').name} DESC LIMIT ${bound.bind('Int64', VALUES_SCANNED_MAX)})
    GROUP BY value ORDER BY count() DESC, value LIMIT ${bound.bind('Int64', VALUES_MAX)}`
  const timeMs = Math.min(limits.timeMs, VALUES_TIME_MS)
  const statement = { params: bound.params, limits: { ...limits, timeMs }, ...signalOf(asking) }
  const found: string[] = []
  for await (const { text } of engine.rows(sql, statement)) found.push(String(text))
  return found
}

async function count(
  question: Question,
  asking: Asking,
  { engine, limits }: Answering,
): Promise<number> {
  const bound = openBound()
  const sql = `SELECT count() AS rows FROM ${sourceSql(['1 AS one'], { question, asking, bound })}`
  let counted = 0
  for await (const { rows } of engine.rows(sql, {
    params: bound.params,
    limits,
    ...signalOf(asking),
  }))
    counted = Number(rows)
  return counted
}
