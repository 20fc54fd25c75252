/** The filter language: text -> `Question`. docs/spec/questions.md is the same for people. */
import type { Filter, Question, Span } from '@countersign/record/question'
import { conditionOf, fieldOf, listOf, textOf } from './conditions.ts'
import type { Operator, Written } from './conditions.ts'
import { allOf, anyOf, conditionsOf, depthOf, every, notOf } from './filter.ts'
import { DEPTH_MAX, LIST_VALUES_MAX, QUESTION_CHARACTERS_MAX, TERMS_MAX } from './limits.ts'
import type { SearchError } from '../errors.ts'
import { problem } from './problem.ts'
import { QuantityError, readBound } from './quantities.ts'

/**
 * Reads the text of a question. The empty text asks for everything.
 * @param nowNs what `24h` and `today` count back from
 * @throws {SearchError} `SEARCH_SYNTAX`, with `at`
 */
export function parseText(text: string, nowNs: bigint): Question {
  if (text.length > QUESTION_CHARACTERS_MAX)
    throw problem(`it has more than ${QUESTION_CHARACTERS_MAX} characters`, {
      from: QUESTION_CHARACTERS_MAX,
      to: text.length,
    })
  if (!text.isWellFormed()) throw problem('it holds half a character', halfOf(text))
  return new Reader(text, nowNs).question()
}

function halfOf(text: string): Span {
  let from = 0
  for (const point of text) {
    if (!point.isWellFormed()) break
    from += point.length
  }
  return { from, to: from + 1 }
}

type BoundName = 'since' | 'until'

interface Bound {
  readonly ns: bigint
  readonly relative?: string
  readonly at: Span
}

/** Where a term stands: how deep, and whether something is around it that `since:` may not be in. */
interface Place {
  readonly depth: number
  readonly isNegated: boolean
}

/** Reads one text, once, from left to right. */
class Reader {
  readonly #text: string
  readonly #nowNs: bigint
  readonly #bounds = new Map<BoundName, Bound>()
  #at = 0
  #conditions = 0

  constructor(text: string, nowNs: bigint) {
    this.#text = text
    this.#nowNs = nowNs
  }

  question(): Question {
    const filter = this.#alternatives({ depth: 0, isNegated: false })
    if (this.#peek() === ')')
      throw problem('this bracket closes nothing', this.#span(this.#at, this.#at + 1))
    if (depthOf(filter) > DEPTH_MAX) throw tooDeep(this.#span(0, this.#text.length))
    const since = this.#bounds.get('since')
    const until = this.#bounds.get('until')
    if (since !== undefined && until !== undefined && since.ns >= until.ns)
      throw problem('until: is not after since:, so nothing can be in between', until.at)
    return {
      text: this.#text,
      filter,
      ...(since === undefined ? {} : { sinceNs: since.ns }),
      ...(until === undefined ? {} : { untilNs: until.ns }),
      ...(since?.relative === undefined ? {} : { since: since.relative }),
      ...(until?.relative === undefined ? {} : { until: until.relative }),
    }
  }

  /** Terms with OR between them, up to a closing bracket or the end. */
  #alternatives(place: Place): Filter {
    const parts: Filter[] = []
    for (;;) {
      const from = this.#at
      const terms = this.#terms(place)
      const or = this.#keyword('OR')
      if (terms === undefined) {
        if (or === undefined && parts.length === 0) return every
        throw problem('OR needs something on both sides', or ?? this.#span(from - 2, from))
      }
      parts.push(terms)
      if (or === undefined) break
    }
    const [bound] = this.#bounds.values()
    if (parts.length > 1 && place.depth === 0 && bound !== undefined)
      throw problem(
        'since: and until: are about the whole question',
        bound.at,
        'put what stands beside OR in brackets: since:24h (a OR b)',
      )
    return anyOf(parts)
  }

  /** Terms side by side. @returns undefined where there is none */
  #terms(place: Place): Filter | undefined {
    const parts: Filter[] = []
    for (;;) {
      const and = this.#keyword('AND')
      const next = this.#peek()
      const isLast = next === '' || next === ')' || this.#sees('OR')
      if (and !== undefined && (isLast || parts.length === 0))
        throw problem('AND needs something on both sides', and)
      if (isLast) return parts.length === 0 ? undefined : allOf(parts)
      parts.push(this.#term(place))
    }
  }

  #term(place: Place): Filter {
    const from = this.#at
    if (place.depth > DEPTH_MAX) throw tooDeep(this.#span(from, from + 1))
    const not = this.#keyword('NOT') ?? this.#minus()
    if (not !== undefined) {
      const next = this.#peek()
      if (next === '' || next === ')' || this.#sees('OR') || this.#sees('AND'))
        throw problem('nothing stands behind this NOT', not)
      return notOf(this.#term({ depth: place.depth + 1, isNegated: true }))
    }
    if (this.#peek() === '(') return this.#group(place)
    const filter = this.#condition(place)
    // Counted as they are in the filter, so that what is printed can be read again.
    this.#conditions += [...conditionsOf(filter)].length
    if (this.#conditions > TERMS_MAX)
      throw problem(`it has more than ${TERMS_MAX} conditions`, this.#span(from, this.#at))
    return filter
  }

  #group(place: Place): Filter {
    const from = this.#at
    this.#at += 1
    if (this.#peek() === ')')
      throw problem('there is nothing in these brackets', this.#span(from, this.#at + 1))
    const filter = this.#alternatives({ ...place, depth: place.depth + 1 })
    if (this.#peek() !== ')')
      throw problem('this bracket is not closed', this.#span(from, from + 1))
    this.#at += 1
    return filter
  }

  #condition(place: Place): Filter {
    const from = this.#at
    if (this.#peek() === '"') {
      const { text, at } = this.#quoted()
      return textOf(text, at)
    }
    const [name] = this.#match(/[A-Za-z_][\w.]*(?=:)/y) ?? []
    if (name === undefined) return this.#freeText()
    this.#at += 1
    if (name === 'since' || name === 'until') return this.#bound(name, place, from)
    const field = fieldOf(name, this.#span(from, from + name.length))
    const [operator] = this.#match(/>=|<=|>|<|=/y) ?? []
    if (this.#text[this.#at] === '(') {
      if (operator !== undefined)
        throw problem(`a list goes with no operator`, this.#span(from, this.#at + 1))
      const open = this.#at
      const values = this.#list()
      return listOf(field, values, this.#span(open, this.#at))
    }
    const value = this.#value(`a value is missing after ${name}:`)
    return conditionOf(field, {
      operator: operatorOf(operator),
      value,
      at: this.#span(from, this.#at),
    })
  }

  #freeText(): Filter {
    const value = this.#value('there is nothing here')
    if (value.pattern === '*') return every
    if (value.hasStars)
      throw problem(
        'free text has no wildcards',
        value.at,
        'name the field, such as path:"/orders/*", or put a star that is meant in quotes',
      )
    return textOf(value.text, value.at)
  }

  #bound(name: BoundName, place: Place, from: number): Filter {
    const value = this.#value(`a time is missing after ${name}:`)
    const at = this.#span(from, this.#at)
    if (place.depth > 0 || place.isNegated)
      throw problem(
        `${name}: is about the whole question, and stands in no brackets and behind no NOT`,
        at,
      )
    if (this.#bounds.has(name)) throw problem(`${name}: is there twice`, at)
    try {
      const { ns, isRelative } = readBound(value.text, this.#nowNs)
      this.#bounds.set(name, { ns, at, ...(isRelative ? { relative: value.text } : {}) })
    } catch (cause) {
      if (!(cause instanceof QuantityError)) throw cause
      throw problem(`no time is behind ${name}: ${cause.message}`, value.at)
    }
    return every
  }

  /** Values in brackets, OR between them or not. */
  #list(): Written[] {
    const open = this.#at
    const values: Written[] = []
    this.#at += 1
    for (;;) {
      const next = this.#peek()
      if (next === '') throw problem('this bracket is not closed', this.#span(open, open + 1))
      if (next === '(')
        throw problem('a list holds values, no brackets', this.#span(this.#at, this.#at + 1))
      if (next === ')') break
      if (values.length > 0 && this.#keyword('OR') !== undefined) continue
      if (values.length === LIST_VALUES_MAX)
        throw problem(
          `this list has more than ${LIST_VALUES_MAX} values`,
          this.#span(this.#at, this.#at + 1),
        )
      values.push(this.#value('a value is missing here'))
    }
    this.#at += 1
    return values
  }

  /** What is here, up to a blank or a bracket, or in quotes. */
  #value(missing: string): Written {
    const from = this.#at
    if (this.#text[from] === '"') return this.#quoted()
    const [raw] = this.#match(/(?:\\[^]|[^\s()"\\])+/y) ?? ['']
    if (this.#text[this.#at] === '"')
      throw problem(
        'a quote begins in the middle of a word',
        this.#span(this.#at, this.#at + 1),
        'put all of it in quotes, or write \\" for a quote that is meant',
      )
    if (raw === '') throw problem(missing, this.#span(from, from + 1))
    if (/^[“”„«»]/u.test(raw))
      throw problem(
        'this is no quote of the language',
        this.#span(from, from + 1),
        'write " instead',
      )
    return this.#written(raw, { from, isQuoted: false })
  }

  #quoted(): Written {
    const from = this.#at
    const [raw] = this.#match(/"(?:\\[^]|[^"\\])*"/y) ?? []
    if (raw === undefined) throw problem('this quote is not closed', this.#span(from, from + 1))
    return this.#written(raw.slice(1, -1), { from: from + 1, isQuoted: true })
  }

  #written(raw: string, { from, isQuoted }: { from: number; isQuoted: boolean }): Written {
    let text = ''
    let pattern = ''
    let hasStars = false
    for (let at = 0; at < raw.length; at++) {
      let unit = raw.charAt(at)
      const isEscaped = unit === '\\'
      if (isEscaped) unit = raw.charAt(++at)
      if (isEscaped && !/["\\*]/.test(unit))
        throw problem(
          'a backslash stands before a quote, a star or another backslash',
          this.#span(from + at - 1, from + at),
          'write \\\\ for a backslash',
        )
      const isStar = unit === '*' && !isEscaped
      hasStars ||= isStar
      text += unit
      pattern += !isStar && (unit === '*' || unit === '\\') ? `\\${unit}` : unit
    }
    const quote = isQuoted ? 1 : 0
    return {
      text,
      pattern,
      hasStars,
      isQuoted,
      at: this.#span(from - quote, from + raw.length + quote),
    }
  }

  /** The next character that is no blank; '' at the end. */
  #peek(): string {
    this.#match(/\s+/y)
    return this.#text.charAt(this.#at)
  }

  /** A dash right before what it denies. */
  #minus(): Span | undefined {
    const from = this.#at
    return this.#match(/-(?=\S|$)/y) === undefined ? undefined : this.#span(from, from + 1)
  }

  #sees(word: string): boolean {
    this.#peek()
    return new RegExp(`${word}(?=[\\s()"]|$)`, 'y').test(
      this.#text.slice(this.#at, this.#at + word.length + 1),
    )
  }

  #keyword(word: 'AND' | 'OR' | 'NOT'): Span | undefined {
    if (!this.#sees(word)) return undefined
    this.#at += word.length
    return this.#span(this.#at - word.length, this.#at)
  }

  /** Moves on behind what matches here. */
  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return undefined
    this.#at = pattern.lastIndex
    return found
  }

  #span(from: number, to: number): Span {
    return { from: Math.max(0, from), to: Math.min(Math.max(to, from + 1), this.#text.length + 1) }
  }
}

export function tooDeep(at?: Span): SearchError {
  return problem(`more than ${DEPTH_MAX} brackets and NOTs are inside each other`, at)
}

const OPERATORS: readonly Operator[] = ['>=', '<=', '>', '<', '=']

function operatorOf(text: string | undefined): Operator | undefined {
  return OPERATORS.find((operator) => operator === text)
}
