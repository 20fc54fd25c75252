/** Aggregates: a question's transactions, counted and measured in groups. */
import type {
  AggregateRequest,
  Asking,
  Group,
  Measure,
  Question,
} from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { columnOf, presentSql } from '../columns.ts'
import type { Engine, QueryLimits, Row } from '../engine.ts'
import { SearchError } from '../errors.ts'
import { refuseMaskedField } from '../language/masked.ts'
import { OPEN, TRANSACTIONS } from '../schema.ts'
import { openBound } from './bound.ts'
import type { Bound } from './bound.ts'
import { GROUP_FIELDS_MAX, MEASURES_MAX } from './limits.ts'
import { signalOf, STILL_OPEN } from './pages.ts'
import { filled } from './steps.ts'
import { whereSql } from './where.ts'

export interface Aggregating {
  readonly engine: Engine
  readonly limits: QueryLimits
  readonly asking: Asking
  /** Nanoseconds since the epoch. */
  readonly nowNs: bigint
}

const TIME = columnOf('time').name

/** @throws {SearchError} `SEARCH_SYNTAX` for what cannot be measured so, `SEARCH_MASKED`, `SEARCH_LIMIT`; and as the engine does */
export async function aggregate(
  request: AggregateRequest,
  aggregating: Aggregating,
): Promise<readonly Group[]> {
  check(request, aggregating)
  const { engine, limits, asking } = aggregating
  const seconds = await secondsOf(request, aggregating)
  const bound = openBound()
  const sql = aggregateSql(request, { asking, bound })
  const groups: Group[] = []
  for await (const row of engine.rows(sql, { params: bound.params, limits, ...signalOf(asking) }))
    groups.push(groupOf(row, request, seconds))
  return request.everyNs === undefined
    ? groups
    : filled(groups, { request, everyNs: request.everyNs, ...aggregating })
}

/** Rows of both tables that are in the answer. */
export function sourceSql(
  columns: readonly string[],
  { question, asking, bound }: { question: Question; asking: Asking; bound: Bound },
): string {
  const where = whereSql(question, asking, bound)
  const wanted = columns.join(', ')
  return `(SELECT ${wanted} FROM ${TRANSACTIONS} WHERE ${where}
    UNION ALL SELECT ${wanted} FROM ${OPEN} FINAL WHERE ${where} AND ${STILL_OPEN})`
}

function check(
  { measures, by, everyNs, limit }: AggregateRequest,
  { asking, limits }: Aggregating,
): void {
  const { unmasked } = asking
  if (measures.length < 1 || measures.length > MEASURES_MAX)
    throw wrong(`it has from 1 to ${MEASURES_MAX} measures`)
  if (by.length > GROUP_FIELDS_MAX)
    throw wrong(`it is grouped by ${GROUP_FIELDS_MAX} fields at most`)
  if (everyNs !== undefined && everyNs < 1n) throw wrong('its steps of time have no width')
  if (!Number.isInteger(limit) || limit < 1)
    throw wrong('its number of groups is no whole number from 1')
  if (limit > limits.rowsMax)
    throw new SearchError(
      'SEARCH_LIMIT',
      `could not answer: ${limits.rowsMax} groups are the most`,
      {
        hint: 'ask for fewer groups: the largest come first',
      },
    )
  for (const field of by) refuseMaskedField(field, { unmasked })
  for (const measure of measures) {
    if (!('field' in measure)) continue
    refuseMaskedField(measure.field, { unmasked })
    checkMeasure(measure)
  }
}

function checkMeasure(measure: Extract<Measure, { readonly field: FieldName }>): void {
  const { kind, field } = measure
  if (kind === 'distinct') return
  const { type } = fieldSpec(field)
  const isTime = type === 'time' && (kind === 'min' || kind === 'max')
  if (type !== 'number' && type !== 'duration' && !isTime)
    throw wrong(`there is no ${kind} of ${field}, which is a ${type}`)
  if (kind === 'percentile' && !(measure.percent >= 0 && measure.percent <= 100))
    throw wrong('a percentile is from 0 to 100')
}

function wrong(what: string): SearchError {
  return new SearchError('SEARCH_SYNTAX', `could not read the question: ${what}`)
}

/** Measures that are not computed for a group have no place in the statement: a rate is a count. */
function aggregateSql(
  request: AggregateRequest,
  { asking, bound }: { asking: Asking; bound: Bound },
): string {
  const { question, measures, by, everyNs, limit } = request
  const measureSqls = measures.map((measure, at) => `${measureSql(measure, bound)} AS m${at}`)
  const keys = by.map((field, at) => `${keySql(field)} AS k${at}`)
  const keyNames = by.map((_, at) => `k${at}`)
  const columns = columnsOf(request)
  const source = sourceSql(columns, { question, asking, bound })
  const largest = `ORDER BY m0 DESC NULLS LAST${keyNames.map((name) => `, ${name}`).join('')} LIMIT ${bound.bind('Int64', limit)}`
  if (everyNs === undefined) {
    const group = by.length === 0 ? '' : ` GROUP BY ${keyNames.join(', ')}`
    return `SELECT ${[...keys, ...measureSqls].join(', ')} FROM ${source}${group} ${largest}`
  }
  const step = bound.bind('Int64', everyNs)
  const groups = ['step', ...keyNames].join(', ')
  const select = [`intDiv(${TIME}, ${step}) * ${step} AS step`, ...keys, ...measureSqls].join(', ')
  // The largest groups over all the time, and then their steps.
  const chosen =
    by.length === 0
      ? ''
      : ` HAVING (${keyNames.join(', ')}) GLOBAL IN (SELECT ${keyNames.join(', ')} FROM
          (SELECT ${[...keys, measureSqls[0]].join(', ')} FROM ${source} GROUP BY ${keyNames.join(', ')} ${largest}))`
  return `SELECT ${select} FROM ${source} GROUP BY ${groups}${chosen} ORDER BY ${groups}`
}

function columnsOf({ by, measures }: AggregateRequest): readonly string[] {
  const fields = [
    ...by,
    ...measures.flatMap((measure) => ('field' in measure ? [measure.field] : [])),
  ]
  return [...new Set([TIME, ...fields.map((field) => columnOf(field).name)])]
}

/** A text for every value; the empty one where there is none. Each text of a list is in a group of its own. */
function keySql(field: FieldName): string {
  const { name } = columnOf(field)
  const { type } = fieldSpec(field)
  switch (type) {
    case 'text':
      return name
    case 'list':
      return `arrayJoin(if(empty(${name}), [''], ${name}))`
    case 'number':
    case 'time':
    case 'duration':
    case 'bool':
      return `ifNull(toString(${name}), '')`
    default:
      return type satisfies never
  }
}

/**
 * Distinct values are exact up to 65,536, and within one per cent or so beyond: a group of them takes little memory, however many.
 * Percentiles are of a digest, for the same reason (decision 0024 has the figures).
 */
function measureSql(measure: Measure, bound: Bound): string {
  switch (measure.kind) {
    case 'count':
    case 'rate':
      return 'count()'
    case 'distinct': {
      const { name } = columnOf(measure.field)
      const isList = fieldSpec(measure.field).type === 'list'
      return `${isList ? 'uniqArray' : 'uniq'}If(${name}, ${presentSql(measure.field)})`
    }
    case 'sum':
      return `sumOrNull(toFloat64(${columnOf(measure.field).name}))`
    case 'average':
      return `avgOrNull(toFloat64(${columnOf(measure.field).name}))`
    case 'min':
    case 'max':
      return `toFloat64(${measure.kind}OrNull(${columnOf(measure.field).name}))`
    case 'percentile': {
      const level = bound.bind('Float64', measure.percent / 100)
      return `quantileTDigestOrNull(${level})(${columnOf(measure.field).name})`
    }
    default:
      return measure satisfies never
  }
}

function groupOf(row: Row, { by, measures, everyNs }: AggregateRequest, seconds: number): Group {
  return {
    ...(everyNs === undefined ? {} : { time: String(row['step']) }),
    by: Object.fromEntries(by.map((field, at) => [field, keyOf(field, row[`k${at}`])])),
    measures: measures.map(({ kind }, at) => {
      const value = row[`m${at}`]
      if (value === null || value === undefined) return null
      const amount = Number(value)
      if (Number.isNaN(amount)) return null
      return kind === 'rate' ? amount / seconds : amount
    }),
  }
}

function keyOf(field: FieldName, value: unknown): string | number | boolean | null {
  if (typeof value !== 'string' || value === '') return null
  const { type } = fieldSpec(field)
  if (type === 'number') return Number(value)
  return type === 'bool' ? value === 'true' : value
}

/** What a rate is per: a step, or the time that the question spans; from its first transaction where it does not say. */
async function secondsOf(
  { question, measures, everyNs }: AggregateRequest,
  { engine, limits, asking, nowNs }: Aggregating,
): Promise<number> {
  if (everyNs !== undefined) return Number(everyNs) / 1e9
  if (measures.every(({ kind }) => kind !== 'rate')) return 1
  const to = question.untilNs ?? nowNs
  let from = question.sinceNs
  if (from === undefined) {
    const bound = openBound()
    const sql = `SELECT min(${TIME}) AS first FROM ${sourceSql([TIME], { question, asking, bound })}`
    for await (const { first } of engine.rows(sql, {
      params: bound.params,
      limits,
      ...signalOf(asking),
    }))
      from = BigInt(String(first))
  }
  return Math.max(1, Number(to - (from ?? to)) / 1e9)
}
