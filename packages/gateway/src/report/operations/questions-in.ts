/** A question as a request brings it: as text, or as a filter in JSON that is written in the language first. */
import type { Filter, FilterValue } from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { ReportError } from '../errors.ts'
import type { ReportPorts } from '../ports.ts'
import type { FilterInput } from '../schemas.ts'

/** Conditions of one filter, those within others included. */
export const CONDITIONS_MAX = 500

const nowhere = { from: 0, to: 0 }

interface QuestionInput {
  readonly q?: string | undefined
  readonly filter?: FilterInput | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/**
 * The text of the question: it is what is on record, whichever way it came.
 * @throws {ReportError} `REPORT_BODY`
 */
export function questionText({ language }: ReportPorts, input: QuestionInput): string {
  const { q, filter, since, until } = input
  if (filter === undefined) {
    if (since !== undefined || until !== undefined)
      throw wrong("since and until go with 'filter'; in a text write since:24h")
    return q ?? ''
  }
  if (q !== undefined) throw wrong("it has both 'q' and 'filter'")
  const bounds = [
    since === undefined ? '' : `since:${since}`,
    until === undefined ? '' : `until:${until}`,
  ]
  const counted = { conditions: 0 }
  const text = language.print(toFilter(filter, counted))
  const bounded = bounds.some((bound) => bound !== '') && text !== '' ? `(${text})` : text
  return [...bounds, bounded].filter((part) => part !== '').join(' ')
}

function toFilter(input: FilterInput, counted: { conditions: number }): Filter {
  counted.conditions += 1
  if (counted.conditions > CONDITIONS_MAX)
    throw wrong(`a filter may have ${CONDITIONS_MAX} conditions`)
  switch (input.kind) {
    case 'every':
      return input
    case 'and':
    case 'or':
      return { kind: input.kind, parts: input.parts.map((part) => toFilter(part, counted)) }
    case 'not':
      return { kind: 'not', part: toFilter(input.part, counted) }
    case 'compare': {
      const { field, operator, value } = input
      return { kind: 'compare', field, operator, value: toValue(field, value), at: nowhere }
    }
    case 'like':
    case 'has':
    case 'words':
    default:
      return { ...input, at: nowhere }
  }
}

/** Attacker-controlled: a filter that lies about types is refused here, not guessed at. */
function toValue(field: FieldName, value: string | number | boolean): FilterValue {
  const { type } = fieldSpec(field)
  if (type === 'bool' && typeof value === 'boolean') return value
  if (type === 'number' && typeof value === 'number') return value
  if ((type === 'text' || type === 'list') && typeof value === 'string') return value
  if (type === 'duration' && typeof value === 'string' && /^[0-9]{1,18}$/.test(value))
    return BigInt(value)
  const time = type === 'time' && typeof value === 'string' ? nanoseconds(value) : undefined
  if (time !== undefined) return time
  throw wrong(`'${field}' is of type ${type}, and the value is not`)
}

/** RFC 3339 with up to nine digits of a second. */
function nanoseconds(text: string): bigint | undefined {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text)
  const [, seconds, fraction = '', zone] = parts ?? []
  const ms = Date.parse(`${seconds}${zone}`)
  if (Number.isNaN(ms)) return undefined
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}

function wrong(why: string): ReportError {
  return new ReportError('REPORT_BODY', `could not read the question: ${why}`)
}
