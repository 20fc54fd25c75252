/** Filters as SQL: the only place where they become it. Names come from `columnOf`, values are bound. */
import type { Asking, Filter, FilterValue, Question } from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { columnOf, presentSql, wordsSql } from '../columns.ts'
import { wordsOf } from '../language/filter.ts'
import { piecesOf } from '../language/matches.ts'
import { refuseMasked } from '../language/masked.ts'
import type { Bound, BoundType } from './bound.ts'

/**
 * What a row must meet to be in the answer: scope, time and filter.
 * @throws {SearchError} `SEARCH_MASKED` where it is asked by a field that the reader may not see
 */
export function whereSql(question: Question, { scope, unmasked }: Asking, bound: Bound): string {
  refuseMasked(question.filter, unmasked)
  const { sinceNs, untilNs, filter } = question
  return [
    ...scopeSql(scope, bound),
    ...(sinceNs === undefined ? [] : [`time >= ${bound.bind('Int64', sinceNs)}`]),
    ...(untilNs === undefined ? [] : [`time < ${bound.bind('Int64', untilNs)}`]),
    filterSql(filter, { bound, unmasked }),
  ].join(' AND ')
}

/** What the reader may see of the log at all. */
export function scopeSql(scope: Asking['scope'], bound: Bound): string[] {
  switch (scope.kind) {
    case 'all':
      return []
    case 'services': {
      const { name } = columnOf('service')
      const services = bound.bind('Array(String)', scope.services)
      return [`${presentSql('service')} AND has(${services}, ${name})`]
    }
    case 'self': {
      const { name } = columnOf('actor.id')
      return [`${presentSql('actor.id')} AND ${name} = ${bound.bind('String', scope.actor)}`]
    }
    default:
      return scope satisfies never
  }
}

interface Context {
  readonly bound: Bound
  readonly unmasked: boolean
}

/** True or false for every row, never NULL: what is absent meets nothing, so `not` of it is true. */
function filterSql(filter: Filter, context: Context): string {
  const { bound, unmasked } = context
  switch (filter.kind) {
    case 'every':
      return '1'
    case 'and':
    case 'or': {
      const parts = filter.parts.map((part) => filterSql(part, context))
      return `(${parts.join(filter.kind === 'and' ? ' AND ' : ' OR ')})`
    }
    case 'not':
      return `NOT ${filterSql(filter.part, context)}`
    case 'has':
      return `(${presentSql(filter.field)})`
    case 'compare':
      return compareSql(filter, bound)
    case 'in':
      return inSql(filter.field, filter.values, bound)
    case 'like':
      return likeSql(filter.field, filter.pattern, bound)
    case 'words':
      return textSql(filter.text, { bound, unmasked })
    default:
      return filter satisfies never
  }
}

function compareSql(
  { field, operator, value }: Extract<Filter, { kind: 'compare' }>,
  bound: Bound,
): string {
  const { name } = columnOf(field)
  const wanted = bound.bind(boundTypeOf(field), value)
  if (fieldSpec(field).type === 'list') return `has(${name}, ${wanted})`
  return `(${presentSql(field)} AND ${name} ${operator} ${wanted})`
}

function inSql(field: FieldName, values: readonly FilterValue[], bound: Bound): string {
  const { name } = columnOf(field)
  const type = boundTypeOf(field)
  const wanted = bound.bind(`Array(${type})`, values)
  if (fieldSpec(field).type === 'list') return `hasAny(${name}, ${wanted})`
  return `(${presentSql(field)} AND ${name} IN ${wanted})`
}

function likeSql(field: FieldName, pattern: string, bound: Bound): string {
  const { name } = columnOf(field)
  const escaped = piecesOf(pattern).map((piece) => piece.replaceAll(/[\\%_]/g, '\\$&'))
  const like = bound.bind('String', escaped.join('%'))
  if (fieldSpec(field).type === 'list') return `arrayExists(one -> one LIKE ${like}, ${name})`
  return `(${presentSql(field)} AND ${name} LIKE ${like})`
}

/** Whole words by the text index; and the text as it is, where it is more than one of them. */
function textSql(text: string, { bound, unmasked }: Context): string {
  const words = wordsOf(text)
  const whole = text.toLowerCase()
  const wanted = bound.bind('Array(String)', words)
  const phrase = words.length === 1 && words[0] === whole ? undefined : bound.bind('String', whole)
  const groups = (unmasked ? (['open', 'sealed'] as const) : (['open'] as const)).map((which) => {
    const texts = wordsSql(which)
    const has = `hasAllTokens(${texts}, ${wanted})`
    return phrase === undefined ? has : `(${has} AND position(${texts}, ${phrase}) > 0)`
  })
  return `(${groups.join(' OR ')})`
}

function boundTypeOf(field: FieldName): Extract<BoundType, 'String' | 'Int64' | 'Bool'> {
  const { type } = fieldSpec(field)
  switch (type) {
    case 'text':
    case 'list':
      return 'String'
    case 'bool':
      return 'Bool'
    case 'number':
    case 'time':
    case 'duration':
      return 'Int64'
    default:
      return type satisfies never
  }
}
