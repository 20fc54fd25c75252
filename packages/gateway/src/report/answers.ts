/** Answers in the representation that was asked for: JSON, JSON lines, CSV; and problems. */
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import { csvLine } from './csv.ts'
import { problemOf, ReportError } from './errors.ts'

export const JSON_TYPE = 'application/json'
export const LINES_TYPE = 'application/x-ndjson'
export const CSV_TYPE = 'text/csv'
export const EVENTS_TYPE = 'text/event-stream'
export const PROBLEM_TYPE = 'application/problem+json'

/** What stands on every answer: none of it is for caches, frames or other sites, and none of it is run. */
const always = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

/** @throws {ReportError} `REPORT_NOT_ACCEPTABLE` when none of `offered` (the first is the default) may be sent */
export function negotiate<T extends string>(request: Request, offered: readonly [T, ...T[]]): T {
  const accept = request.headers.get('accept')
  if (accept === null || accept.trim() === '') return offered[0]
  const ranked = accept.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const q = parameters.find((parameter) => parameter.startsWith('q='))
    return { type, weight: q === undefined ? 1 : Number(q.slice(2)) }
  })
  let best: { type: T; weight: number } | undefined
  for (const type of offered) {
    const weight = weightOf(type, ranked)
    if (weight > 0 && (best === undefined || weight > best.weight)) best = { type, weight }
  }
  if (best === undefined)
    throw new ReportError(
      'REPORT_NOT_ACCEPTABLE',
      `could not answer so: there is ${offered.join(', ')}`,
    )
  return best.type
}

/** The most exact range that covers a type decides. */
function weightOf(type: string, ranked: readonly { type: string; weight: number }[]): number {
  const [main = ''] = type.split('/')
  for (const wanted of [type, `${main}/*`, '*/*']) {
    const range = ranked.find((one) => one.type === wanted)
    // A weight that is no number weighs nothing.
    if (range !== undefined) return range.weight > 0 ? range.weight : 0
  }
  return 0
}

export function json(
  value: unknown,
  init: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status: init.status ?? 200,
    headers: { ...always, 'content-type': JSON_TYPE, ...init.headers },
  })
}

/** Bytes or text of another type. */
export function content(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  type: string,
  init: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(body, {
    status: init.status ?? 200,
    headers: { ...always, 'content-type': type, ...init.headers },
  })
}

/** An error as problem details (RFC 9457). */
export function problem(error: unknown): Response {
  const value = problemOf(error)
  const own = error instanceof ReportError ? error.details.headers : undefined
  const headers = { ...own, ...(value.status === 503 ? { 'retry-after': '1' } : {}) }
  return content(`${JSON.stringify(value)}\n`, PROBLEM_TYPE, { status: value.status, headers })
}

/** The chosen fields of a transaction that is already as its reader may see it; where it lies is always there. */
export function picked(
  transaction: Transaction,
  fields: readonly FieldName[] | undefined,
): Transaction {
  if (fields === undefined) return transaction
  const { origin, index, id, time } = transaction
  const chosen: Record<string, unknown> = {}
  for (const name of fields) if (transaction[name] !== undefined) chosen[name] = transaction[name]
  return { ...chosen, origin, index, id, time }
}

/** Transactions as CSV with a header line. Times are RFC 3339, durations nanoseconds, lists parted by spaces. */
export function csvOf(transactions: readonly Transaction[], fields: readonly FieldName[]): string {
  const lines = transactions.map((transaction) =>
    csvLine(fields.map((name) => cell(transaction, name))),
  )
  return [csvLine(fields), ...lines].join('')
}

/** The link to the next page (RFC 8288), for a request whose question is in its URL. */
export function nextLink(request: Request, cursor: string | undefined): Record<string, string> {
  if (cursor === undefined) return {}
  const own = { 'countersign-cursor': cursor }
  if (request.method !== 'GET' && request.method !== 'HEAD') return own
  const url = new URL(request.url)
  url.searchParams.set('cursor', cursor)
  return { ...own, link: `<${url.pathname}${url.search}>; rel="next"` }
}

/** Nanoseconds since the epoch as RFC 3339 with all nine digits. */
export function timeText(ns: string): string {
  if (!/^[0-9]{1,20}$/.test(ns)) return ns
  const total = BigInt(ns)
  const date = new Date(Number(total / 1_000_000n))
  if (Number.isNaN(date.getTime())) return ns
  return `${date.toISOString().slice(0, 19)}.${String(total % 1_000_000_000n).padStart(9, '0')}Z`
}

function cell(transaction: Transaction, name: FieldName): string | number | boolean | undefined {
  const value = transaction[name]
  if (typeof value === 'object') return value.join(' ')
  if (typeof value !== 'string') return value
  const { type } = fieldSpec(name)
  if (type === 'time') return timeText(value)
  return type === 'duration' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value
}
