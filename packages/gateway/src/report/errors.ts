/** Why a request is not answered, as the room's one error; and the one table from codes to HTTP status. */
import type { Span } from '@countersign/record/question'

/** Every reason for which the API refuses. Callers, and clients, switch on it. */
export type ReportErrorCode =
  /** A parameter or header is unknown, twice there, or not what it must be. */
  | 'REPORT_PARAMETER'
  /** The body is no JSON, or not what it must be. */
  | 'REPORT_BODY'
  | 'REPORT_BODY_TOO_LARGE'
  | 'REPORT_MEDIA_TYPE'
  | 'REPORT_NOT_ACCEPTABLE'
  | 'REPORT_METHOD'
  /** There is no such thing, or none that this reader may see. */
  | 'REPORT_NOT_FOUND'
  /** The reader holds no such role, or none at all. */
  | 'REPORT_ROLE'
  /** It is outside what the role may see. */
  | 'REPORT_SCOPE'
  /** The unmasking is not there, not approved, of another question, or its time is over. */
  | 'REPORT_APPROVAL'
  /** It is there already, or is somebody else's. */
  | 'REPORT_CONFLICT'
  /** As many as may be are there. */
  | 'REPORT_FULL'
  /** As many streams as may be are open. */
  | 'REPORT_BUSY'
  /** No checkpoint covers the record yet. */
  | 'REPORT_PENDING'
  /** The question asks by a field that is masked for the reader. */
  | 'SEARCH_MASKED'
  /** Something of ours broke; what it is stands in the process's own log. */
  | 'REPORT_INTERNAL'

/** What else an error says. */
export interface ErrorDetails {
  /** The one thing to try next. */
  readonly hint?: string | undefined
  /** Where in the text of the question. */
  readonly at?: Span | undefined
  /** Headers that the answer must have: `allow`, `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** The one error of this room. The message is for whoever asked: it holds nothing internal and nothing of the log. */
export class ReportError extends Error {
  override readonly name: string = 'ReportError'
  readonly code: ReportErrorCode
  readonly details: ErrorDetails

  constructor(code: ReportErrorCode, message: string, details: ErrorDetails = {}) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** Codes of the search room whose message was written for whoever asked: it is about their own text. */
const askersCodes: ReadonlySet<string> = new Set([
  'SEARCH_SYNTAX',
  'SEARCH_MASKED',
  'SEARCH_CURSOR',
  'SEARCH_LIMIT',
])

interface Answer {
  readonly status: number
  readonly title: string
  /** For codes whose message stays inside: what is said in its place. */
  readonly detail?: string
  readonly hint?: string
}

const RETRY =
  'try again in a moment; the records themselves are safe, and what is missing is read then'

/** Every code that leaves, with its status. */
export const problems: Readonly<Record<ReportErrorCode | SearchCode, Answer>> = {
  REPORT_PARAMETER: { status: 400, title: 'A parameter is wrong' },
  REPORT_BODY: { status: 400, title: 'The body is wrong' },
  REPORT_BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  REPORT_MEDIA_TYPE: { status: 415, title: 'The body is of another type' },
  REPORT_NOT_ACCEPTABLE: { status: 406, title: 'No such representation' },
  REPORT_METHOD: { status: 405, title: 'No such method' },
  REPORT_NOT_FOUND: { status: 404, title: 'Not found' },
  REPORT_ROLE: { status: 403, title: 'No such role' },
  REPORT_SCOPE: { status: 403, title: 'Outside the scope of the role' },
  REPORT_APPROVAL: { status: 403, title: 'Not approved' },
  REPORT_CONFLICT: { status: 409, title: 'In conflict with what is there' },
  REPORT_FULL: { status: 409, title: 'Full' },
  REPORT_BUSY: { status: 503, title: 'Busy' },
  REPORT_PENDING: { status: 503, title: 'Not proved yet' },
  REPORT_INTERNAL: {
    status: 500,
    title: 'Something broke',
    detail: 'could not answer: something of the reader broke',
    hint: 'its own log says what; the request is on record under the id in countersign-record',
  },
  SEARCH_SYNTAX: { status: 400, title: 'The question cannot be understood' },
  SEARCH_MASKED: { status: 403, title: 'The question asks by a masked field' },
  SEARCH_CURSOR: { status: 400, title: 'The cursor is of another question' },
  SEARCH_LIMIT: { status: 422, title: 'The question takes too much' },
  SEARCH_UNAVAILABLE: {
    status: 503,
    title: 'The index does not answer',
    detail: 'could not ask the index: it does not answer',
    hint: RETRY,
  },
  SEARCH_FULL: {
    status: 507,
    title: 'The disk of the index is full',
    detail: 'could not write to the index: its disk is full',
    hint: 'make room on it; records are still written, and are read once there is room',
  },
  SEARCH_SCHEMA: {
    status: 503,
    title: 'The index is of another version',
    detail: 'could not use the index: it is of another version, or broken',
    hint: 'countersign reindex makes it anew from the logs',
  },
  SEARCH_IN_USE: {
    status: 409,
    title: 'The index is in use',
    detail: 'could not use the index: another reader writes it',
    hint: 'stop the other reader, or give this one an index of its own',
  },
}

type SearchCode =
  | 'SEARCH_SYNTAX'
  | 'SEARCH_MASKED'
  | 'SEARCH_CURSOR'
  | 'SEARCH_LIMIT'
  | 'SEARCH_UNAVAILABLE'
  | 'SEARCH_FULL'
  | 'SEARCH_SCHEMA'
  | 'SEARCH_IN_USE'

/** A problem (RFC 9457) as data. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly hint?: string
  readonly at?: Span
}

/** What of an error leaves: the message of our own and of those about the asker's text, of all others only the table's words. */
export function problemOf(error: unknown): Problem {
  const code = codeOf(error)
  const { status, title, detail, hint } = problems[code]
  const own = error instanceof ReportError ? error.details : searchDetails(error)
  const isOurs = error instanceof ReportError && code !== 'REPORT_INTERNAL'
  const message = isOurs || askersCodes.has(code) ? messageOf(error) : undefined
  const shownHint = message === undefined ? hint : own.hint
  const shownAt = message === undefined ? undefined : own.at
  return {
    type: `urn:countersign:problem:${code.toLowerCase()}`,
    title,
    status,
    code,
    detail: message ?? detail ?? title,
    ...(shownHint === undefined ? {} : { hint: shownHint }),
    ...(shownAt === undefined ? {} : { at: shownAt }),
  }
}

/** Whether an error is somebody's to look at in the process's own log. */
export function isInternal(error: unknown): boolean {
  return !(error instanceof ReportError) && !askersCodes.has(codeOf(error))
}

function codeOf(error: unknown): keyof typeof problems {
  if (!(error instanceof Error) || !('code' in error)) return 'REPORT_INTERNAL'
  return isKnown(error.code) ? error.code : 'REPORT_INTERNAL'
}

function isKnown(code: unknown): code is keyof typeof problems {
  return typeof code === 'string' && Object.hasOwn(problems, code)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

function searchDetails(error: unknown): ErrorDetails {
  if (!(error instanceof Error)) return {}
  const hint = 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined
  const at =
    'at' in error && isSpan(error.at) ? { from: error.at.from, to: error.at.to } : undefined
  return { hint, at }
}

function isSpan(value: unknown): value is Span {
  return (
    typeof value === 'object' &&
    value !== null &&
    'from' in value &&
    typeof value.from === 'number' &&
    'to' in value &&
    typeof value.to === 'number'
  )
}
