/** The same questions, of a transaction in memory: for records that are told live. What it says, the index says too. */
import type { Asking, Filter, FilterValue, Question } from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import { wordFields } from '../columns.ts'
import { refuseMasked } from './masked.ts'
import { wordsOf } from './filter.ts'

/**
 * Whether a transaction is in the answer to a question, for whoever asks it.
 * @returns a predicate: made once, asked often
 * @throws {SearchError} `SEARCH_MASKED` at once, where the question is by a field that the reader may not see
 */
export function matches(
  question: Question,
  { scope, unmasked }: Pick<Asking, 'scope' | 'unmasked'>,
): (transaction: Transaction) => boolean {
  refuseMasked(question.filter, unmasked)
  const meets = predicate(question.filter, unmasked)
  const { sinceNs, untilNs } = question
  return (transaction) => {
    const time = BigInt(transaction.time)
    if (sinceNs !== undefined && time < sinceNs) return false
    if (untilNs !== undefined && time >= untilNs) return false
    return isWithin(scope, transaction) && meets(transaction)
  }
}

function isWithin(
  scope: Asking['scope'],
  { service = '', 'actor.id': actor = '' }: Transaction,
): boolean {
  switch (scope.kind) {
    case 'all':
      return true
    case 'services':
      return service !== '' && scope.services.includes(service)
    case 'self':
      return actor !== '' && actor === scope.actor
    default:
      return scope satisfies never
  }
}

type Predicate = (transaction: Transaction) => boolean

function predicate(filter: Filter, unmasked: boolean): Predicate {
  switch (filter.kind) {
    case 'every':
      return () => true
    case 'and': {
      const parts = filter.parts.map((part) => predicate(part, unmasked))
      return (transaction) => parts.every((part) => part(transaction))
    }
    case 'or': {
      const parts = filter.parts.map((part) => predicate(part, unmasked))
      return (transaction) => parts.some((part) => part(transaction))
    }
    case 'not': {
      const part = predicate(filter.part, unmasked)
      return (transaction) => !part(transaction)
    }
    case 'has':
      return (transaction) => valuesOf(transaction, filter.field).length > 0
    case 'like': {
      const pieces = piecesOf(filter.pattern)
      return anyValue(filter.field, (value) => typeof value === 'string' && isLike(value, pieces))
    }
    case 'in': {
      const wanted = new Set(filter.values)
      return anyValue(filter.field, (value) => wanted.has(value))
    }
    case 'compare':
      return anyValue(filter.field, (value) => compares(value, filter.operator, filter.value))
    case 'words':
      return wordsPredicate(filter.text, unmasked)
    default:
      return filter satisfies never
  }
}

function anyValue(field: FieldName, is: (value: FilterValue) => boolean): Predicate {
  return (transaction) => valuesOf(transaction, field).some(is)
}

/** What is there: the empty text is absent, as it is in the index. */
function valuesOf(transaction: Transaction, field: FieldName): readonly FilterValue[] {
  const value = transaction[field]
  if (value === undefined || value === '') return []
  if (typeof value === 'object') return value
  const { type } = fieldSpec(field)
  return type === 'time' || type === 'duration' ? [BigInt(value)] : [value]
}

function compares(
  value: FilterValue,
  operator: Extract<Filter, { kind: 'compare' }>['operator'],
  than: FilterValue,
): boolean {
  switch (operator) {
    case '=':
      return value === than
    case '<':
      return value < than
    case '<=':
      return value <= than
    case '>':
      return value > than
    case '>=':
      return value >= than
    default:
      return operator satisfies never
  }
}

function wordsPredicate(text: string, unmasked: boolean): Predicate {
  const words = wordsOf(text)
  const whole = text.toLowerCase()
  const groups = unmasked ? [wordFields.open, wordFields.sealed] : [wordFields.open]
  return (transaction) =>
    groups.some((fields) => {
      const texts = fields
        .map((field) => textIn(transaction[field]))
        .join('\n')
        .toLowerCase()
      if (!texts.includes(whole)) return false
      const there = new Set(wordsOf(texts))
      return words.every((word) => there.has(word))
    })
}

function textIn(value: Transaction[FieldName]): string {
  return typeof value === 'string' ? value : ''
}

/** What stands between the stars of a pattern. */
export function piecesOf(pattern: string): string[] {
  const pieces = ['']
  for (const [part = ''] of pattern.matchAll(/\\[^]|[^]/gu)) {
    if (part === '*') pieces.push('')
    else pieces[pieces.length - 1] += part.startsWith('\\') ? part.slice(1) : part
  }
  return pieces
}

/** Each piece at its first place behind the one before: linear, whatever the pattern. */
function isLike(value: string, pieces: readonly string[]): boolean {
  const first = pieces[0] ?? ''
  const last = pieces.at(-1) ?? ''
  if (value.length < first.length + last.length) return false
  if (!value.startsWith(first) || !value.endsWith(last)) return false
  let at = first.length
  const end = value.length - last.length
  for (const piece of pieces.slice(1, -1)) {
    const found = value.indexOf(piece, at)
    if (found === -1 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}
