/** The canonical spelling of a question: what is read from it is the same question. */
import type { Filter, FilterValue, Question } from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { printDuration, printTime } from './quantities.ts'

/**
 * The text of a question, its times made absolute.
 * @returns text that `parseQuestion` reads as the same filter over the same time
 */
export function printQuestion({
  filter,
  sinceNs,
  untilNs,
}: Pick<Question, 'filter' | 'sinceNs' | 'untilNs'>): string {
  const asked = printFilter(filter)
  const terms = [
    ...(sinceNs === undefined ? [] : [`since:${printTime(sinceNs)}`]),
    ...(untilNs === undefined ? [] : [`until:${printTime(untilNs)}`]),
  ]
  if (terms.length === 0) return asked === '*' ? '' : asked
  return [...terms, ...(asked === '*' ? [] : [filter.kind === 'or' ? `(${asked})` : asked])].join(
    ' ',
  )
}

export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'every':
      return '*'
    case 'and':
      return filter.parts.map(inside).join(' ')
    case 'or':
      return filter.parts
        .map((part) => (part.kind === 'and' ? `(${printFilter(part)})` : inside(part)))
        .join(' OR ')
    case 'not':
      return `-${inside(filter.part)}`
    case 'compare': {
      const { field, operator, value } = filter
      return `${field}:${operator === '=' ? '' : operator}${printValue(field, value)}`
    }
    case 'in':
      return `${filter.field}:(${filter.values.map((value) => printValue(filter.field, value)).join(' ')})`
    case 'like':
      return `${filter.field}:"${filter.pattern.replaceAll('"', '\\"')}"`
    case 'has':
      return `${filter.field}:*`
    case 'words':
      return /^[a-z0-9]+$/.test(filter.text) ? filter.text : quoted(filter.text)
    default:
      return filter satisfies never
  }
}

/** A part among others: what has parts itself goes into brackets. */
function inside(filter: Filter): string {
  const text = printFilter(filter)
  return filter.kind === 'and' || filter.kind === 'or' ? `(${text})` : text
}

export function printValue(field: FieldName, value: FilterValue): string {
  const { type } = fieldSpec(field)
  if (typeof value === 'bigint') return type === 'time' ? printTime(value) : printDuration(value)
  if (typeof value !== 'string') return String(value)
  const isPlain = /^[A-Za-z0-9_/][A-Za-z0-9_./@+:-]*$/.test(value) && value !== 'OR'
  // A pseudonym is one of `actor.id` unless it is quoted.
  return isPlain && field !== 'actor' ? value : quoted(value)
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\*]/g, '\\$&')}"`
}
