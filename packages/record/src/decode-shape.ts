/**
 * What a value of a leaf may be. Each shape says it twice: `check` walks a parsed value and names the member that is wrong;
 * `source` is the same set of values as a regular expression over canonical JSON, which a verifier runs at a million entries a second.
 * A shape without `source` is no regular language; what holds one is decoded the slow way.
 */
import { RecordError } from './errors.ts'

export interface Shape {
  readonly check: (value: unknown, path: string) => void
  readonly source?: string
}

/** A member of an object: its shape, and whether it may be absent. */
export interface Field {
  readonly shape: Shape
  readonly optional: boolean
}

/** The fields an interface asks for, every one: the compiler refuses a member forgotten or invented here. */
export type FieldsOf<T> = {
  readonly [K in keyof T]-?: Pick<T, K> extends Required<Pick<T, K>> ? RequiredField : OptionalField
}
export type OptionalField = Field & { readonly optional: true }
export type RequiredField = Field & { readonly optional: false }

// A string as JSON.stringify spells it: short escapes where they exist, others only for control characters and lone surrogates.
const ESCAPE = String.raw`\\(?:["\\bfnrt]|u00(?:0[0-7be-f]|1[0-9a-f])|ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|ud[c-f][0-9a-f]{2})`
const PLAIN = String.raw`[^"\\\u0000-\u001f]*`
const NOTHING = '(?!)'
const TEXT = `"${PLAIN}(?:${ESCAPE}${PLAIN})*"`

// What stands before a member: none before the first, a comma before the others; after optional members alone, the brace tells.
const COMMA = { yes: '', perhaps: String.raw`(?:(?<!\{),|(?<=\{))`, no: ',' }

/** Any string. */
export const text: Shape = {
  check: (value, path) => expect(typeof value === 'string', path, 'a string'),
  source: TEXT,
}

/** An integer from 0 to 2^53-1. */
export const whole: Shape = {
  check: (value, path) =>
    expect(Number.isSafeInteger(value) && Number(value) >= 0, path, 'a whole number up to 2^53-1'),
  // 15 digits are always safe; the few numbers above are decided by `check`.
  source: '(?:0|[1-9][0-9]{0,14})',
}

/** An integer from 0 to `max`. Without a source: only few records hold one. */
export function upTo(max: number): Shape {
  return {
    check: (value, path) =>
      expect(
        Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max,
        path,
        `a whole number up to ${max}`,
      ),
  }
}

/** An integer, negative ones too. */
export const integer: Shape = {
  check: (value, path) => expect(Number.isSafeInteger(value), path, 'an integer within 2^53-1'),
}

/** `true` or `false`. */
export const flag: Shape = {
  check: (value, path) => expect(typeof value === 'boolean', path, 'true or false'),
  source: '(?:true|false)',
}

/** The number of the format, nothing else. */
export const versionOne: Shape = {
  check: (value, path) => expect(value === 1, path, '1'),
  source: '1',
}

/** A string that matches; `pattern` uses no character that JSON escapes. */
export function matching(rule: string, pattern: string): Shape {
  const entire = new RegExp(`^(?:${pattern})$`)
  return {
    check: (value, path) => expect(typeof value === 'string' && entire.test(value), path, rule),
    source: `"(?:${pattern})"`,
  }
}

/** One of a closed set; given as a record, so that the compiler refuses a union member forgotten. */
export function unionOf<T extends string>(members: Readonly<Record<T, 1>>): Shape {
  const names = Object.keys(members)
  const known = new Set<unknown>(names)
  return {
    check: (value, path) => expect(known.has(value), path, `one of ${names.join(', ')}`),
    source: `"(?:${names.join('|').replaceAll('.', String.raw`\.`)})"`,
  }
}

/** An array, also an empty one. */
export function listOf(item: Shape): Shape {
  return {
    check: (value, path) => {
      if (!Array.isArray(value)) throw wrong(path, 'an array')
      for (const [at, each] of value.entries()) item.check(each, `${path}[${at}]`)
    },
    ...(item.source === undefined
      ? {}
      : { source: String.raw`\[(?:${item.source}(?:,${item.source})*)?\]` }),
  }
}

/** An array of 1 to `max` objects, of which no two have the same text in one member. Not regular. */
export function distinct(
  member: string,
  { item, max }: { readonly item: Shape; readonly max: number },
): Shape {
  const list = listOf(item)
  return {
    check: (value, path) => {
      list.check(value, path)
      if (!Array.isArray(value)) return
      expect(value.length >= 1 && value.length <= max, path, `a list of 1 to ${max}`)
      const seen = new Set<unknown>()
      for (const [at, each] of value.entries()) {
        const named = objectAt(each, path)[member]
        expect(!seen.has(named), `${path}[${at}].${member}`, 'named once')
        seen.add(named)
      }
    },
  }
}

/** An object of names we do not list, each with a whole number. Not regular: a name may not occur twice. */
export const counts: Shape = {
  check: (value, path) => {
    for (const [name, count] of Object.entries(objectAt(value, path)))
      whole.check(count, `${path}[${JSON.stringify(name)}]`)
  },
}

/** An object with exactly these members, in this order. */
export function objectOf<T>(fields: FieldsOf<T>): Shape {
  const listed = Object.entries<Field>(fields)
  const order = new Map(listed.map(([name], at) => [name, at]))
  const source = objectSource(listed)
  return {
    check: (value, path) => checkMembers({ listed, order }, objectAt(value, path), path),
    ...(source === undefined ? {} : { source }),
  }
}

/** One of several objects, told apart by their member `kind`. */
export function byKind(cases: Readonly<Record<string, Shape>>): Shape {
  const known = new Map(Object.entries(cases))
  return {
    check: (value, path) => {
      const kind = objectAt(value, path)['kind']
      const shape = typeof kind === 'string' ? known.get(kind) : undefined
      if (shape === undefined) throw wrong(`${path}.kind`, `one of ${[...known.keys()].join(', ')}`)
      shape.check(value, path)
    },
  }
}

/** A shape whose text the regular expression captures, a string without its quotes. */
export function captured(shape: Shape): Shape {
  return { ...shape, source: (shape.source ?? NOTHING).replace(/^("?)(.*?)("?)$/s, '$1($2)$3') }
}

export function required(shape: Shape): RequiredField {
  return { shape, optional: false }
}

export function optional(shape: Shape): OptionalField {
  return { shape, optional: true }
}

interface Members {
  readonly listed: readonly (readonly [string, Field])[]
  readonly order: ReadonlyMap<string, number>
}

function checkMembers(
  { listed, order }: Members,
  value: Readonly<Record<string, unknown>>,
  path: string,
): void {
  let next = 0
  for (const [name, member] of Object.entries(value)) {
    const at = order.get(name)
    const field = at === undefined ? undefined : listed[at]
    // Attacker-controlled: the name of an unknown member is quoted and cut.
    if (at === undefined || field === undefined)
      throw malformed(
        `${path === '' ? 'it' : path} has an unknown member ${JSON.stringify(name.slice(0, 64))}`,
      )
    if (at < next) throw malformed(`${join(path, name)} is out of order`)
    checkSkipped(listed.slice(next, at), path)
    field[1].shape.check(member, join(path, name))
    next = at + 1
  }
  checkSkipped(listed.slice(next), path)
}

function checkSkipped(skipped: Members['listed'], path: string): void {
  const missing = skipped.find(([, field]) => !field.optional)
  if (missing !== undefined)
    throw malformed(`${join(path, missing[0])} is missing, or out of order`)
}

function objectSource(listed: Members['listed']): string | undefined {
  let source = ''
  let first: 'yes' | 'perhaps' | 'no' = 'yes'
  for (const [name, field] of listed) {
    // An optional member without a source just never matches; a required one makes the whole object not regular.
    if (field.shape.source === undefined && !field.optional) return undefined
    const member = `${COMMA[first]}"${name}":${field.shape.source ?? NOTHING}`
    source += field.optional ? `(?:${member})?` : member
    if (first !== 'no') first = field.optional ? 'perhaps' : 'no'
  }
  return String.raw`\{${source}\}`
}

function objectAt(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw wrong(path === '' ? 'it' : path, 'an object')
  return value
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function expect(holds: boolean, path: string, rule: string): void {
  if (!holds) throw wrong(path, rule)
}

function wrong(path: string, rule: string): RecordError {
  return malformed(`${path} must be ${rule}`)
}

function malformed(why: string): RecordError {
  return new RecordError('RECORD_MALFORMED', `could not read a record: ${why}`)
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
