/** A question as the API takes it: `{text}`, or `{filter, since?, until?}` with the filter's structure spelt out. Strict. */
import type { Filter, Question } from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { conditionOf, fieldOf, listOf, NOWHERE, shown, textOf } from './conditions.ts'
import type { Operator, Written } from './conditions.ts'
import { allOf, anyOf, conditionsOf, depthOf, every, notOf } from './filter.ts'
import { DEPTH_MAX, LIST_VALUES_MAX, QUESTION_CHARACTERS_MAX, TERMS_MAX } from './limits.ts'
import { parseText, tooDeep } from './parse.ts'
import { printQuestion } from './print.ts'
import { problem } from './problem.ts'

/**
 * Reads a question: its text, or what JSON.parse made of its JSON form.
 * @param asked a text; `{text}`; or `{filter, since?, until?}`, where `filter` is `{kind: 'and', parts: [...]}` and so on, and values
 * are texts as in the language (`"250ms"`, `"1MiB"`), numbers or bools.
 * @param nowNs nanoseconds since the epoch: what `since:24h` counts back from
 * @throws {SearchError} `SEARCH_SYNTAX`, with `at` where a text is to blame
 * @see docs/spec/questions.md
 */
export function parseQuestion(asked: unknown, nowNs: bigint): Question {
  if (typeof asked === 'string') return parseText(asked, nowNs)
  const given = members(asked, 'the question', ['text', 'filter', 'since', 'until'])
  if ('text' in given) {
    if (Object.keys(given).length > 1) throw problem('it has a text, and so nothing beside it')
    return parseText(textIn(given, 'text', 'the question'), nowNs)
  }
  // Bounds have one reader, that of the text.
  const bounds = (['since', 'until'] as const).flatMap((name) =>
    name in given
      ? [`${name}:"${textIn(given, name, 'the question').replaceAll(/["\\]/g, '\\$&')}"`]
      : [],
  )
  const { sinceNs, untilNs, since, until } = parseText(bounds.join(' '), nowNs)
  const filter = 'filter' in given ? decodeFilter(given['filter']) : every
  const question = {
    filter,
    ...(sinceNs === undefined ? {} : { sinceNs }),
    ...(untilNs === undefined ? {} : { untilNs }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
  return { text: printQuestion(question), ...question }
}

function decodeFilter(value: unknown): Filter {
  const budget = { characters: QUESTION_CHARACTERS_MAX, conditions: TERMS_MAX }
  const filter = partOf(value, { path: 'filter', depth: 0, budget })
  if (depthOf(filter) > DEPTH_MAX) throw tooDeep()
  return filter
}

/** Where in the JSON, and what is left of what a question may hold. */
interface Place {
  readonly path: string
  readonly depth: number
  readonly budget: { characters: number; conditions: number }
}

const MEMBERS: Readonly<Record<Filter['kind'], readonly string[]>> = {
  every: [],
  and: ['parts'],
  or: ['parts'],
  not: ['part'],
  compare: ['field', 'operator', 'value'],
  in: ['field', 'values'],
  like: ['field', 'pattern'],
  has: ['field'],
  words: ['text'],
}

function isKind(kind: unknown): kind is Filter['kind'] {
  return typeof kind === 'string' && Object.hasOwn(MEMBERS, kind)
}

function partOf(value: unknown, place: Place): Filter {
  const { path, depth, budget } = place
  if (depth > DEPTH_MAX) throw tooDeep()
  const { kind } = members(value, path, undefined)
  if (!isKind(kind)) throw problem(`${path}.kind is none of ${Object.keys(MEMBERS).join(', ')}`)
  const given = members(value, path, ['kind', ...MEMBERS[kind]])
  const inner = (part: unknown, name: string): Filter =>
    partOf(part, { budget, path: `${path}.${name}`, depth: depth + 1 })
  switch (kind) {
    case 'every':
      return every
    case 'and':
    case 'or': {
      const parts = arrayIn(given, 'parts', { path, max: TERMS_MAX })
      const read = parts.map((part, at) => inner(part, `parts[${at}]`))
      return kind === 'and' ? allOf(read) : anyOf(read)
    }
    case 'not':
      return notOf(inner(given['part'], 'part'))
    case 'compare':
    case 'in':
    case 'like':
    case 'has':
    case 'words': {
      const filter = conditionIn(kind, given, place)
      budget.conditions -= [...conditionsOf(filter)].length
      if (budget.conditions < 0) throw problem(`it has more than ${TERMS_MAX} conditions`)
      return filter
    }
    default:
      return kind satisfies never
  }
}

type Given = Readonly<Record<string, unknown>>

function conditionIn(
  kind: 'compare' | 'in' | 'like' | 'has' | 'words',
  given: Given,
  place: Place,
): Filter {
  const { path } = place
  if (kind === 'words') return textOf(spend(textIn(given, 'text', path), place), NOWHERE)
  const field = fieldOf(textIn(given, 'field', path))
  if (kind === 'has') return { kind, field, at: NOWHERE }
  if (kind === 'like') return likeOf(field, spend(textIn(given, 'pattern', path), place), path)
  if (kind === 'in') {
    const values = arrayIn(given, 'values', { path, max: LIST_VALUES_MAX })
    return listOf(
      field,
      values.map((value, at) => literal(value, `${path}.values[${at}]`, place)),
      NOWHERE,
    )
  }
  return conditionOf(field, {
    operator: operatorIn(given, path),
    value: literal(given['value'], `${path}.value`, place),
    at: NOWHERE,
  })
}

/** A pattern is escaped as it is in the text. */
function likeOf(field: FieldName, pattern: string, path: string): Filter {
  const { type } = fieldSpec(field)
  if (type !== 'text' && type !== 'list') throw problem(`${path}.field: a ${type} has no wildcards`)
  if (!/^(?:\\[\\*]|[^\\])+$/.test(pattern))
    throw problem(`${path}.pattern: a backslash stands before a star or another backslash`)
  const bare = pattern.replaceAll(/\\[^]/g, '')
  if (!bare.includes('*')) throw problem(`${path}.pattern has no star`)
  if (/^\*+$/.test(pattern)) return { kind: 'has', field, at: NOWHERE }
  return { kind: 'like', field, pattern, at: NOWHERE }
}

/** A value is what it says: no star in it is a wildcard. */
function literal(value: unknown, path: string, place: Place): Written {
  const isValue =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  if (!isValue) throw problem(`${path} is no text, number or bool`)
  const text = spend(String(value), place)
  if (!text.isWellFormed()) throw problem(`${path} holds half a character`)
  return {
    text,
    pattern: text.replaceAll(/[\\*]/g, '\\$&'),
    hasStars: false,
    isQuoted: true,
    at: NOWHERE,
  }
}

function spend(text: string, { budget }: Place): string {
  budget.characters -= text.length
  if (budget.characters < 0)
    throw problem(`its values have more than ${QUESTION_CHARACTERS_MAX} characters`)
  return text
}

function operatorIn(given: Given, path: string): Operator {
  const { operator } = given
  switch (operator) {
    case '=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return operator
    default:
      throw problem(`${path}.operator is none of =, <, <=, >, >=`)
  }
}

function isGiven(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @param known all members there are; any, where it is undefined */
function members(value: unknown, path: string, known: readonly string[] | undefined): Given {
  if (!isGiven(value)) throw problem(`${path} is no object`)
  const unknown =
    known === undefined ? undefined : Object.keys(value).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw problem(
      `${path} has a member '${shown(unknown)}', which is none of ${known?.join(', ') ?? ''}`,
    )
  return value
}

function textIn(given: Given, name: string, path: string): string {
  const value = Object.hasOwn(given, name) ? given[name] : undefined
  if (typeof value !== 'string') throw problem(`${path}: '${name}' is no text`)
  if (!value.isWellFormed()) throw problem(`${path}: '${name}' holds half a character`)
  return value
}

function arrayIn(
  given: Given,
  name: string,
  { path, max }: { path: string; max: number },
): readonly unknown[] {
  const value = given[name]
  if (!Array.isArray(value) || value.length === 0)
    throw problem(`${path}.${name} is no list, or empty`)
  if (value.length > max) throw problem(`${path}.${name} has more than ${max} members`)
  return value
}
