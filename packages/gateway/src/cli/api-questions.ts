/** What the commands ask the API, and how its answers are read: the one place that knows the members of both. */
import { READ_ROWS_MAX } from '@countersign/record/reading'
import type { Api, ApiAnswer, ApiRequest } from './api-client.ts'
import { CommandError } from './errors.ts'
import { readEvents } from './event-stream.ts'
import { countIn, memberOf, parseJson, textIn } from './json.ts'
import { isRow, readRows } from './rows.ts'
import type { Row } from './rows.ts'

/** A question, and how much of its answer is wanted. */
export interface Search {
  readonly question: string
  /** Rows over all pages. */
  readonly limit: number
  readonly order?: 'newest' | 'oldest'
  readonly fields?: readonly string[] | undefined
  readonly signal?: AbortSignal
}

/** One page of rows. */
export interface RowPage {
  readonly rows: readonly Row[]
  /** Whether more is there than was asked for. */
  readonly isMore: boolean
  /** As whom it was asked, and whether sealed content stayed masked. */
  readonly role: string | undefined
  readonly masked: boolean
}

/** The header in which an answer that is no JSON says where the next page begins. */
const CURSOR_HEADER = 'countersign-cursor'

/** Pages until the limit is reached or nothing more is there: an answer holds `READ_ROWS_MAX` rows at most. */
export async function* searchPages(
  api: Api,
  search: Search,
): AsyncGenerator<RowPage, void, undefined> {
  let left = search.limit
  let cursor: string | undefined
  do {
    const limit = Math.min(left, READ_ROWS_MAX)
    const value = await (await api.ask(searchRequest(search, { limit, cursor }))).json()
    const rows = readRows(value, 'transactions') ?? notUnderstood(api)
    cursor = rows.length === 0 ? undefined : textIn(value, 'cursor')
    left -= rows.length
    const masked = memberOf(value, 'masked') === true
    yield { rows, isMore: cursor !== undefined, role: textIn(value, 'role'), masked }
  } while (cursor !== undefined && left > 0)
}

/** The same as CSV, as the API writes it: of the pages after the first without their heading. */
export async function* searchCsv(
  api: Api,
  search: Search,
): AsyncGenerator<CsvPage, void, undefined> {
  let left = search.limit
  let cursor: string | undefined
  let isFirst = true
  do {
    const limit = Math.min(left, READ_ROWS_MAX)
    const answer = await api.ask(searchRequest(search, { limit, cursor, accept: 'text/csv' }))
    if (answer.type !== 'text/csv') notUnderstood(api)
    cursor = answer.header(CURSOR_HEADER)
    yield { answer, isFirst }
    isFirst = false
    // What cannot be counted without reading CSV: a page that goes on is full.
    left -= limit
  } while (cursor !== undefined && left > 0)
}

export interface CsvPage {
  readonly answer: ApiAnswer
  readonly isFirst: boolean
}

interface PageWanted {
  readonly limit: number
  readonly cursor: string | undefined
  readonly accept?: string
}

function searchRequest(
  { question, order, fields, signal }: Search,
  { limit, cursor, accept }: PageWanted,
): ApiRequest {
  return {
    method: 'POST',
    path: 'search',
    question,
    body: { q: question, limit, order, cursor, fields },
    ...(accept === undefined ? {} : { accept }),
    ...(signal === undefined ? {} : { signal }),
  }
}

/** An aggregate as the API takes it; measures are spelt as on the command line. */
export interface Aggregate {
  readonly question: string
  readonly by: readonly string[]
  readonly measures: readonly string[]
  readonly every?: string | undefined
  readonly limit: number
}

/** One line of an aggregate. */
export interface GroupRow {
  /** Nanoseconds, decimal: where its step of time begins. */
  readonly time: string | undefined
  readonly by: readonly string[]
  readonly measures: readonly (number | null)[]
}

export async function aggregate(api: Api, wanted: Aggregate): Promise<GroupRow[]> {
  const { question, by, ...rest } = wanted
  const body = { q: question, by, ...rest }
  const answer = await api.ask({ method: 'POST', path: 'aggregate', question, body })
  const groups = memberOf(await answer.json(), 'groups')
  if (!Array.isArray(groups)) return notUnderstood(api)
  return groups.map((group: unknown) => ({
    time: textIn(group, 'time'),
    by: by.map((name) => groupText(memberOf(memberOf(group, 'by'), name))),
    measures: measuresIn(group) ?? notUnderstood(api),
  }))
}

function groupText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : ''
}

function measuresIn(group: unknown): (number | null)[] | undefined {
  const measures = memberOf(group, 'measures')
  return Array.isArray(measures) && measures.every(isMeasured) ? measures : undefined
}

function isMeasured(value: unknown): value is number | null {
  return value === null || typeof value === 'number'
}

/** How far the index is behind a log. */
export interface Behind {
  readonly origin: string
  readonly records: number
  readonly lagMs: number
  /** Why reading it stopped, where it did. */
  readonly problem: string | undefined
}

/** The logs that the index is behind of. */
export async function behindLogs(api: Api): Promise<Behind[]> {
  const logs = memberOf(await (await api.ask({ path: 'status' })).json(), 'logs')
  if (!Array.isArray(logs)) return notUnderstood(api)
  return logs
    .map((log: unknown) => {
      const [next, size] = [countIn(log, 'next') ?? 0, countIn(log, 'size') ?? 0]
      return {
        origin: textIn(log, 'origin') ?? '',
        records: Math.max(0, size - next),
        lagMs: countIn(log, 'lagMs') ?? 0,
        problem: textIn(log, 'problem'),
      }
    })
    .filter(({ records, problem }) => records > 0 || problem !== undefined)
}

/** A trace as it was put in order: each step under what caused it. */
export interface TraceSteps {
  readonly trace: string
  readonly steps: readonly { readonly row: Row; readonly depth: number; readonly basis: string }[]
  /** Whether the trace has more than one answer holds. */
  readonly isMore: boolean
}

export async function readTrace(api: Api, id: string): Promise<TraceSteps> {
  const value = await (await api.ask({ path: `traces/${encodeURIComponent(id)}` })).json()
  const steps = memberOf(value, 'steps')
  if (!Array.isArray(steps)) return notUnderstood(api)
  return {
    trace: textIn(value, 'trace') ?? id,
    isMore: memberOf(value, 'more') === true,
    steps: steps.map((step: unknown) => {
      const row = memberOf(step, 'transaction')
      if (!isRow(row)) return notUnderstood(api)
      return { row, depth: countIn(step, 'depth') ?? 0, basis: textIn(step, 'basis') ?? 'none' }
    }),
  }
}

/** The transaction of a record, by its id. */
export async function readRecord(api: Api, id: string): Promise<Row> {
  const value = await (await api.ask({ path: `records/${encodeURIComponent(id)}` })).json()
  const row = memberOf(value, 'transaction')
  return isRow(row) ? row : notUnderstood(api)
}

export interface LiveQuestion {
  readonly question: string
  readonly signal: AbortSignal
  /** Called once the stream is there: what ends from then on is not missed. */
  readonly onOpen: () => void
  /** Called where the stream leaves transactions out. */
  readonly onGap: () => void
}

/** Transactions as they end. What the stream says besides (that it is there, how to go on) is passed over. */
export async function* liveRows(
  api: Api,
  { question, signal, onOpen, onGap }: LiveQuestion,
): AsyncGenerator<Row, void, undefined> {
  const accept = 'text/event-stream'
  const answer = await api.ask({ path: 'live', query: { q: question }, question, accept, signal })
  if (answer.type !== accept) notUnderstood(api)
  onOpen()
  for await (const { event, text } of readEvents(answer.pieces())) {
    if (event === 'gap') onGap()
    const value = event === 'transaction' ? parseJson(text) : undefined
    if (isRow(value)) yield value
  }
}

/** The error for an answer that is not of this API, or of another version of it. */
export function notUnderstood(api: Api): never {
  throw new CommandError('CANNOT_RUN', `could not read the answer of ${api.name}`, {
    hint: 'is it the API of a countersign reader, and of this version (v1)?',
  })
}
