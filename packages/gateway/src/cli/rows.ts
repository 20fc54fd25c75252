/**
 * Transactions as an answer holds them. Untyped: an API of a later version may know more fields, and these are shown as well. Texts are
 * as an attacker may have chosen them: whatever prints them escapes them.
 */
import { isFieldName, transactionFields } from '@countersign/record/transaction'
import { memberOf } from './json.ts'
import { duration, escapeText } from './terminal.ts'

export type Cell = string | number | boolean | readonly string[]

/** One transaction: its fields by name. */
export type Row = Readonly<Record<string, Cell>>

/** The rows in a member of an answer; nothing when it holds none. */
export function readRows(answer: unknown, member: string): Row[] | undefined {
  const list = memberOf(answer, member)
  return Array.isArray(list) && list.every(isRow) ? list : undefined
}

export function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && Object.values(value).every(isCell)
}

function isCell(value: unknown): value is Cell {
  const type = typeof value
  if (type === 'string' || type === 'number' || type === 'boolean') return true
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** A field as text; empty when it does not apply. */
export function textOf(row: Row, field: string): string {
  const cell = Object.hasOwn(row, field) ? row[field] : undefined
  return cell === undefined ? '' : typeof cell === 'object' ? cell.join(', ') : String(cell)
}

/** A field as people read it: times in their zone, durations with a unit. Escaped. */
export function shownOf(row: Row, field: string): string {
  const text = textOf(row, field)
  return escapeText(humanText(field, text))
}

/** The value of a field as people read it. What is no number of nanoseconds (a mask, for example) stays as it is. */
export function humanText(field: string, text: string): string {
  const type = isFieldName(field) ? transactionFields[field].type : 'text'
  if ((type !== 'time' && type !== 'duration') || !/^\d{1,19}$/.test(text)) return text
  return type === 'time' ? localTime(text) : duration(Number(text))
}

const WHO_TYPES: ReadonlySet<string> = new Set(['user', 'service', 'agent', 'system'])

/** `user alice`, `service [masked]`, `nobody`; a pseudonym where there is no name. Escaped. */
export function whoIn(row: Row): string {
  const type = textOf(row, 'actor.type')
  if (type === 'anonymous') return 'nobody'
  if (type === '') return textOf(row, 'lifecycle') === '' ? '' : 'gateway'
  if (!WHO_TYPES.has(type)) return escapeText(type)
  const name = textOf(row, 'actor')
  return escapeText(`${type} ${name === '' ? textOf(row, 'actor.id') : name}`)
}

/** `GET /orders/17`, `> api.stripe.com:443`, `erasure`: what was done, as closely as this reader may know. Escaped. */
export function whatIn(row: Row): string {
  return escapeText(whatOf(row))
}

function whatOf(row: Row): string {
  const lifecycle = textOf(row, 'lifecycle')
  if (lifecycle !== '') return lifecycle
  const kind = textOf(row, 'class')
  if (kind === 'read') return `read ${textOf(row, 'read.question')}`.trimEnd()
  if (kind === 'http.client' && textOf(row, 'destination') !== '')
    return `> ${textOf(row, 'destination')}:${textOf(row, 'port')}`
  const path = textOf(row, 'path')
  const target = path === '' || isHidden(path) ? textOf(row, 'route') : path
  const asked = `${textOf(row, 'method')} ${target}`.trim()
  return target === '' ? textOf(row, 'action') : asked
}

/** Whether a text stands for content that is not shown. */
export function isHidden(text: string): boolean {
  return /^\[(?:masked|sealed|erased|absent|altered)\]$/.test(text)
}

/** `2026-11-26 06:18:29`, in the zone of whoever looks. */
export function localTime(ns: string): string {
  return `${localDay(ns)} ${localClock(ns)}`
}

/** `2026-11-26`, in the zone of whoever looks. */
export function localDay(ns: string): string {
  // The Swedish write dates as ISO 8601 does.
  return dateOf(ns).toLocaleDateString('sv-SE')
}

/** `06:18:29`, in the zone of whoever looks. */
export function localClock(ns: string): string {
  return dateOf(ns).toLocaleTimeString('en-GB')
}

function dateOf(ns: string): Date {
  return new Date(/^\d{1,19}$/.test(ns) ? Number(BigInt(ns) / 1_000_000n) : Number.NaN)
}
