/**
 * How a question that is half written could go on: fields, operators and values at the place of a cursor. Reads any text, also one that
 * `parseText` refuses; what is inserted is always a word that it would read.
 */
import type { Asking, Completion } from '@countersign/record/question'
import { fieldSpec, isFieldName, transactionFields } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { aliases } from './conditions.ts'
import { QUESTION_CHARACTERS_MAX } from './limits.ts'
import { printValue } from './print.ts'

export interface CompleteOptions {
  readonly asking: Asking
  /** Values of a field that begin so, as this reader may see them. @throws {SearchError} */
  readonly valuesOf: (field: FieldName, beginning: string) => Promise<readonly string[]>
}

/** Ways to go on, at most. */
export const COMPLETIONS_MAX = 50

/** Where the cursor stands. */
type Place =
  | { readonly kind: 'word'; readonly from: number; readonly to: number; readonly text: string }
  | {
      readonly kind: 'value'
      /** As it was written: a field, an alias, `since` or `until`. */
      readonly name: string
      readonly from: number
      readonly to: number
      readonly text: string
      readonly hasOperator: boolean
      readonly isList: boolean
    }

const OPERATORS: readonly (readonly [operator: string, about: string])[] = [
  ['>=', 'at least'],
  ['<=', 'at most'],
  ['>', 'more than'],
  ['<', 'less than'],
]

const BOUNDS: readonly (readonly [name: string, about: string])[] = [
  ['since', 'From when on: 24h, today, 2026-11-26.'],
  ['until', 'Up to when: 1h, today, 2026-11-26T06:18:29Z.'],
]

const TIMES: readonly string[] = ['15m', '1h', '24h', '7d', '30d', 'today', 'yesterday']

const WORDS: readonly (readonly [word: string, about: string])[] = [
  ['OR', 'Either what stands before it or what comes.'],
  ['NOT', 'Without what comes.'],
  ['AND', 'Both; the same as nothing between them.'],
]

/**
 * Ways to go on, the best first.
 * @param at where the cursor stands, in UTF-16 units from 0; beyond the text is its end
 * @throws what `valuesOf` throws; nothing for any text
 */
export async function completeQuestion(
  text: string,
  at: number,
  options: CompleteOptions,
): Promise<readonly Completion[]> {
  if (text.length > QUESTION_CHARACTERS_MAX) return []
  const place = placeOf(text, Math.min(Math.max(0, at), text.length))
  // Half a character is the beginning of nothing.
  if (place === undefined || !place.text.isWellFormed()) return []
  const found = place.kind === 'word' ? wordsAt(place) : await valuesAt(place, options)
  return found.slice(0, COMPLETIONS_MAX)
}

function wordsAt({ from, to, text }: Extract<Place, { kind: 'word' }>): Completion[] {
  const begun = text.toLowerCase()
  const fields = Object.keys(transactionFields)
    .filter(isFieldName)
    .map((name) => [name, fieldSpec(name).about] as const)
  const others = Object.entries(aliases).map(
    ([name, field]) => [name, fieldSpec(field).about] as const,
  )
  const names = [...fields, ...others, ...BOUNDS]
  // `email` is the end of `actor.email`, which comes after what begins so.
  const starting = names.filter(([name]) => name.startsWith(begun))
  const within = names.filter(([name]) => !name.startsWith(begun) && name.includes(`.${begun}`))
  const words = text === '' ? [] : WORDS.filter(([word]) => word.startsWith(text) && word !== text)
  return [
    ...[...starting, ...within].map(([name, about]): Completion => ({
      insert: `${name}:`,
      from,
      to,
      kind: 'field',
      about,
    })),
    ...words.map(([word, about]): Completion => ({ insert: word, from, to, kind: 'word', about })),
  ]
}

async function valuesAt(
  place: Extract<Place, { kind: 'value' }>,
  { asking, valuesOf }: CompleteOptions,
): Promise<Completion[]> {
  const { name, from, to, text } = place
  if (name === 'since' || name === 'until') {
    if (place.hasOperator || place.isList) return []
    return TIMES.filter((time) => time.startsWith(text)).map((insert) => ({
      insert,
      from,
      to,
      kind: 'value',
      field: name,
    }))
  }
  const field = isFieldName(name) ? name : Object.hasOwn(aliases, name) ? aliases[name] : undefined
  if (field === undefined) return []
  const { type, values: known, sealed = false, example } = fieldSpec(field)
  const value = (insert: string): Completion => ({ insert, from, to, kind: 'value', field })
  if (type === 'number' || type === 'time' || type === 'duration') {
    const isOpen = text === '' && !place.hasOperator && !place.isList
    const operators = isOpen ? OPERATORS : []
    return [
      ...operators.map(([insert, about]): Completion => ({
        insert,
        from,
        to,
        kind: 'operator',
        field,
        about,
      })),
      ...(example.startsWith(text) ? [value(example)] : []),
    ]
  }
  if (place.hasOperator) return []
  if (type === 'bool') return ['true', 'false'].filter((one) => one.startsWith(text)).map(value)
  if (known !== undefined)
    return known.filter((one) => one.startsWith(text)).map((one) => value(printValue(field, one)))
  if (sealed && !asking.unmasked) return []
  const found = await valuesOf(field, text)
  return found
    .filter((one) => one !== '' && one.isWellFormed())
    .map((one) => value(printValue(field, one)))
}

/** Reads up to the cursor, from left to right. @returns undefined where nothing can be completed: in quoted free text */
function placeOf(text: string, at: number): Place | undefined {
  let list: string | undefined
  let pos = 0
  while (pos < at) {
    const unit = text.charAt(pos)
    if (/\s/.test(unit)) pos += 1
    else if (unit === ')') {
      list = undefined
      pos += 1
    } else if (unit === '(' || (unit === '-' && list === undefined)) pos += 1
    else {
      const term = termAt(text, pos, list)
      if (term.opens !== undefined) list = term.opens
      if (term.end >= at && term.opens === undefined) return placeIn(text, at, term)
      pos = term.end
    }
  }
  return list === undefined
    ? { kind: 'word', from: at, to: wordEnd(text, at), text: '' }
    : valueOf(text, at, { name: list, from: at, isList: true, hasOperator: false })
}

interface Term {
  readonly from: number
  readonly end: number
  /** The field before a colon, or of the list that it is in. */
  readonly name?: string
  readonly operator?: string
  readonly valueFrom: number
  /** The field of the list that begins here. */
  readonly opens?: string
  readonly isList: boolean
}

function termAt(text: string, from: number, list: string | undefined): Term {
  if (list !== undefined)
    return { from, end: endOf(text, from), name: list, valueFrom: from, isList: true }
  const name = matchAt(/[A-Za-z_][\w.]*(?=:)/y, text, from)
  if (name === undefined) return { from, end: endOf(text, from), valueFrom: from, isList: false }
  const colon = from + name.length
  const operator = matchAt(/>=|<=|>|<|=/y, text, colon + 1)
  const valueFrom = colon + 1 + (operator?.length ?? 0)
  if (operator === undefined && text.charAt(valueFrom) === '(')
    return { from, end: valueFrom + 1, valueFrom, opens: name, isList: false }
  const end = endOf(text, valueFrom)
  return {
    from,
    end,
    name,
    ...(operator === undefined ? {} : { operator }),
    valueFrom,
    isList: false,
  }
}

function placeIn(text: string, at: number, term: Term): Place | undefined {
  const { from, name, operator, valueFrom, isList } = term
  if (name === undefined || at < valueFrom) {
    // Before the colon it is the name that is completed, and after an operator begins what is compared with.
    if (name !== undefined && at > from + name.length) return undefined
    const begun = text.slice(from, at)
    return /^[A-Za-z_.]*$/.test(begun)
      ? { kind: 'word', from, to: wordEnd(text, at), text: begun }
      : undefined
  }
  return valueOf(text, at, { name, from: valueFrom, isList, hasOperator: operator !== undefined })
}

function valueOf(
  text: string,
  at: number,
  {
    name,
    from,
    isList,
    hasOperator,
  }: { name: string; from: number; isList: boolean; hasOperator: boolean },
): Place {
  const isQuoted = text.charAt(from) === '"' && at > from
  const raw = text.slice(isQuoted ? from + 1 : from, at)
  const begun = raw.replaceAll(/\\([^])/g, '$1')
  const to = isQuoted ? at + (text.charAt(at) === '"' ? 1 : 0) : bareEnd(text, at)
  return { kind: 'value', name, from, to, text: begun, hasOperator, isList }
}

/** Behind a value, quoted or not; of a quote that is not closed, the end of the text. */
function endOf(text: string, from: number): number {
  if (text.charAt(from) !== '"') return Math.max(bareEnd(text, from), from)
  return from + (matchAt(/"(?:\\[^]|[^"\\])*"?/y, text, from)?.length ?? 1)
}

function bareEnd(text: string, from: number): number {
  return from + (matchAt(/(?:\\[^]|[^\s()"])*/y, text, from)?.length ?? 0)
}

/** Behind a name and its colon, so that what is inserted takes its place. */
function wordEnd(text: string, from: number): number {
  return from + (matchAt(/[\w.]*:?/y, text, from)?.length ?? 0)
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}
