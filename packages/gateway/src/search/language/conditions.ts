/** What a field is asked for, typed by the catalogue: a number of a number, a known outcome of an outcome. */
import type { Filter, FilterValue, Span } from '@countersign/record/question'
import { fieldSpec, isFieldName, transactionFields } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { allOf, anyOf, wordsOf } from './filter.ts'
import type { Condition } from './filter.ts'
import { LIST_VALUES_MAX, WORDS_MAX } from './limits.ts'
import { nearest } from './nearest.ts'
import { problem } from './problem.ts'
import { QuantityError, readDuration, readNumber, readTime } from './quantities.ts'

export type Operator = Extract<Condition, { kind: 'compare' }>['operator']

/** A value as it was written, its escapes read. */
export interface Written {
  /** What it says, stars as they are. */
  readonly text: string
  /** The same as a pattern: stars that were escaped, and backslashes, are escaped. */
  readonly pattern: string
  /** Whether it has stars that were not escaped. */
  readonly hasStars: boolean
  readonly isQuoted: boolean
  readonly at: Span
}

const HEX32 = /^[0-9a-f]{32}$/

/** Other names of fields. */
export const aliases: Readonly<Record<string, FieldName>> = { label: 'labels', role: 'actor.roles' }

/** The field of that name. @throws {SearchError} `SEARCH_SYNTAX` with the name that is closest */
export function fieldOf(name: string, at?: Span): FieldName {
  if (isFieldName(name)) return name
  if (Object.hasOwn(aliases, name)) {
    const alias = aliases[name]
    if (alias !== undefined) return alias
  }
  const known = [...Object.keys(transactionFields), ...Object.keys(aliases), 'since', 'until']
  const meant = nearest(name, known)
  throw problem(
    `there is no field '${shown(name)}'${meant === undefined ? '' : `; did you mean '${meant}'?`}`,
    at,
    'fields have names such as service:, status: and outcome:; to look for text with a colon, put it in quotes',
  )
}

/** `field:value` and `field:>=value`. `at` is all of it. */
export function conditionOf(
  named: FieldName,
  { operator, value, at }: { operator: Operator | undefined; value: Written; at: Span },
): Filter {
  const field = named === 'actor' && isPseudonym(value) ? 'actor.id' : named
  const { type } = fieldSpec(field)
  if (/^\*+$/.test(value.pattern)) {
    if (operator !== undefined)
      throw problem(`'*' means that ${field} is there, and goes with no operator`, value.at)
    return { kind: 'has', field, at }
  }
  if (type === 'text' || type === 'list' || type === 'bool') {
    if (operator !== undefined && operator !== '=')
      throw problem(
        `${field} has no order, so '${operator}' means nothing`,
        at,
        `write ${field}:${fieldSpec(field).example}`,
      )
    if (type !== 'bool' && value.hasStars)
      return { kind: 'like', field, pattern: value.pattern, at }
    return { kind: 'compare', field, operator: '=', value: plainValue(field, value), at }
  }
  const range = value.isQuoted ? -1 : value.text.indexOf('..')
  if (range !== -1) return rangeOf(field, { operator, value, at, range })
  return ordered(field, { operator: operator ?? '=', value, at })
}

/** `field:(a b c)`: any of them. */
export function listOf(field: FieldName, values: readonly Written[], at: Span): Filter {
  if (values.length === 0) throw problem('this list is empty', at)
  if (values.length > LIST_VALUES_MAX)
    throw problem(`this list has more than ${LIST_VALUES_MAX} values`, at)
  const parts = values.map((value) => conditionOf(field, { operator: undefined, value, at }))
  return anyOf(merged(parts))
}

/** Equalities of one field, as one condition; the others behind it. */
export function merged(parts: readonly Filter[]): Filter[] {
  const equal = parts.filter(isEquality)
  const others = parts.filter((part) => !isEquality(part))
  const fields = new Set(equal.map(({ field }) => field))
  const lists = [...fields].map((field): Filter => {
    const own = equal.filter((part) => part.field === field)
    const [first] = own
    if (first !== undefined && own.length === 1) return first
    return { kind: 'in', field, values: own.map(({ value }) => value), at: first?.at ?? NOWHERE }
  })
  return [...lists, ...others]
}

export const NOWHERE: Span = { from: 0, to: 0 }

function isEquality(part: Filter): part is Extract<Filter, { kind: 'compare' }> {
  return part.kind === 'compare' && part.operator === '='
}

/** Free text. @throws {SearchError} `SEARCH_SYNTAX` where there is no word in it, or there are too many */
export function textOf(text: string, at: Span): Filter {
  const words = wordsOf(text)
  if (words.length === 0) throw problem('there is no letter and no digit in this text', at)
  if (words.length > WORDS_MAX) throw problem(`this text has more than ${WORDS_MAX} words`, at)
  return { kind: 'words', text, at }
}

function isPseudonym({ isQuoted, text }: Written): boolean {
  return !isQuoted && HEX32.test(text)
}

/** Of texts, lists and bools. */
function plainValue(field: FieldName, { text, at }: Written): FilterValue {
  const { type, values } = fieldSpec(field)
  if (type === 'bool') {
    if (text !== 'true' && text !== 'false')
      throw problem(`${field} is true or false, not '${shown(text)}'`, at)
    return text === 'true'
  }
  if (text === '') throw problem(`this value is empty; -${field}:* asks for those without it`, at)
  if (values === undefined || values.includes(text)) return text
  const meant = nearest(text, values)
  throw problem(
    `${field} is never '${shown(text)}'${meant === undefined ? '' : `; did you mean '${meant}'?`}`,
    at,
    `it is one of ${values.join(', ')}`,
  )
}

interface Compared {
  readonly operator: Operator
  readonly value: Written
  readonly at: Span
}

/** Of numbers, durations and times. A time lasts: `time:2026-11-26` is that whole day, and `time:>2026-11-26` all after it. */
function ordered(field: FieldName, { operator, value, at }: Compared): Filter {
  const compare = (by: Operator, amount: number | bigint): Filter => ({
    kind: 'compare',
    field,
    operator: by,
    value: amount,
    at,
  })
  const { type } = fieldSpec(field)
  if (type !== 'time') return compare(operator, amountOf(field, value))
  const { fromNs, toNs } = quantity(field, value, readTime)
  if (toNs - fromNs === 1n) return compare(operator, fromNs)
  switch (operator) {
    case '=':
      return allOf([compare('>=', fromNs), compare('<', toNs)])
    case '>':
      return compare('>=', toNs)
    case '<=':
      return compare('<', toNs)
    case '>=':
    case '<':
      return compare(operator, fromNs)
    default:
      return operator satisfies never
  }
}

function amountOf(field: FieldName, value: Written): number | bigint {
  if (fieldSpec(field).type === 'duration') return quantity(field, value, readDuration)
  return quantity(field, value, (text) => readNumber(text, isSize(field)))
}

/** Fields that count bytes take sizes with units. */
export function isSize(field: FieldName): boolean {
  return field.endsWith('.bytes')
}

function quantity<T>(
  field: FieldName,
  { text, hasStars, at }: Written,
  read: (text: string) => T,
): T {
  if (hasStars)
    throw problem(
      `${field} is a ${fieldSpec(field).type}, which has no wildcards`,
      at,
      `a range is written ${field}:a..b`,
    )
  if (text === '') throw problem(`a value is missing after ${field}:`, at)
  try {
    return read(text)
  } catch (cause) {
    if (!(cause instanceof QuantityError)) throw cause
    throw problem(
      `'${shown(text)}' is no ${fieldSpec(field).type} for ${field}: ${cause.message}`,
      at,
    )
  }
}

/** `400..499`, both included; `400..` and `..499` are open at one end. */
function rangeOf(
  field: FieldName,
  {
    operator,
    value,
    at,
    range,
  }: Omit<Compared, 'operator'> & { operator: Operator | undefined; range: number },
): Filter {
  if (operator !== undefined) throw problem(`a range goes with no operator`, value.at)
  const end = (from: number, to: number): Written => ({
    ...value,
    text: value.text.slice(from, to),
    at: { from: value.at.from + from, to: value.at.from + to },
  })
  const low = end(0, range)
  const high = end(range + 2, value.text.length)
  if (low.text === '' && high.text === '') throw problem('this range has no end', value.at)
  return allOf([
    ...(low.text === '' ? [] : [ordered(field, { operator: '>=', value: low, at })]),
    ...(high.text === '' ? [] : [ordered(field, { operator: '<=', value: high, at })]),
  ])
}

/** As much of what somebody wrote as a message can hold. Control characters do not reach a terminal. */
export function shown(text: string): string {
  const visible = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '·')
  return visible.length > 40 ? `${visible.slice(0, 40)}…` : visible
}
