/** What went wrong in ClickHouse, or on the way to it, in the words of this room. No message holds a value of a row or a secret. */
import { SearchError } from './errors.ts'
import { FREE_BYTES_MIN } from './schema.ts'

interface Circumstances {
  /** It was given up after so long without an answer. */
  readonly silentMs?: number | undefined
  /** Whoever asked is gone. */
  readonly gaveUp?: boolean
  /** Somebody asked it, with limits: what takes too long then is theirs to ask otherwise. */
  readonly isQuestion?: boolean
  /** Host and port of ClickHouse; absent in process. */
  readonly place?: string | undefined
}

/** Too much was asked. */
const LIMITS: ReadonlySet<string> = new Set([
  'MEMORY_LIMIT_EXCEEDED',
  'TIMEOUT_EXCEEDED',
  'TOO_SLOW',
  'TOO_MANY_ROWS',
  'TOO_MANY_BYTES',
  'TOO_MANY_ROWS_OR_BYTES',
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'SET_SIZE_LIMIT_EXCEEDED',
  'QUERY_WAS_CANCELLED',
])

/** What it wrote cannot be read any more. */
const DAMAGED: ReadonlySet<string> = new Set([
  'CORRUPTED_DATA',
  'CHECKSUM_DOESNT_MATCH',
  'CANNOT_READ_ALL_DATA',
  'BAD_SIZE_OF_FILE_IN_DATA_PART',
  'NO_FILE_IN_DATA_PART',
])

const FULL_HINT = `nothing is lost: the log has it all. Free some space, ${FREE_BYTES_MIN / 1024 ** 2} MiB at least, and the reader goes on`

const AWAY_HINT =
  'requests pass and are recorded as ever; the reader goes on by itself when ClickHouse is back'

const AUTHENTICATION_HINT = 'check reader.index.user, and the file that reader.index.password names'

/** Unknown user, wrong password. */
const OLD_AUTHENTICATION: ReadonlySet<string> = new Set(['192', '193', '194'])

/** What to try next, by ClickHouse's name of the error. */
const HINTS: Readonly<Record<string, string>> = {
  AUTHENTICATION_FAILED: AUTHENTICATION_HINT,
  ACCESS_DENIED: 'the rights that the user needs are in docs/how-to/use-a-clickhouse-server.md',
  UNKNOWN_DATABASE: 'check reader.index.database',
  UNKNOWN_TABLE: "'countersign reindex' makes the index anew",
  READONLY: 'a user with readonly may not write the index',
  TABLE_IS_READ_ONLY: 'its replica has lost ClickHouse Keeper; it goes on when Keeper is back',
}

/** ClickHouse's messages about these quote only names: users, databases, tables, settings. Others may quote what was inserted. */
const QUOTED: ReadonlySet<string> = new Set([
  ...Object.keys(HINTS),
  'UNKNOWN_SETTING',
  'CLUSTER_DOESNT_EXIST',
])

/** Names of Node's errors that mean that nobody is there. */
const NOBODY =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/

export function errorOf(
  cause: unknown,
  { silentMs, gaveUp = false, isQuestion = true, place }: Circumstances = {},
): SearchError {
  if (cause instanceof SearchError) return cause
  if (gaveUp) {
    return new SearchError('SEARCH_LIMIT', 'could not answer: whoever asked gave up', { cause })
  }
  if (silentMs !== undefined) {
    return unavailable(`it did not answer within ${silentMs} ms`, { cause, place, hint: AWAY_HINT })
  }
  return isClickHouseError(cause)
    ? fromClickHouse(cause, { isQuestion, place })
    : fromTheWay(cause, place)
}

/** Whether ClickHouse itself said that it failed. Otherwise nobody knows what became of the statement. */
export function isAnswered({ cause }: SearchError): boolean {
  return isClickHouseError(cause)
}

/** The client's class; chdb has one of its own of the same shape. */
interface ClickHouseError extends Error {
  /** Such as `UNKNOWN_TABLE`. */
  readonly type: string
  /** Its number, in decimal. */
  readonly code: string
}

function isClickHouseError(cause: unknown): cause is ClickHouseError {
  return (
    cause instanceof Error &&
    'type' in cause &&
    typeof cause.type === 'string' &&
    'code' in cause &&
    typeof cause.code === 'string'
  )
}

function fromClickHouse(
  cause: ClickHouseError,
  { isQuestion, place }: Pick<Circumstances, 'isQuestion' | 'place'>,
): SearchError {
  const { type, code, message } = cause
  if (isQuestion === true && LIMITS.has(type)) {
    return new SearchError('SEARCH_LIMIT', `could not answer: ${limitOf(type)}`, {
      cause,
      hint: 'ask about less time, or fewer groups',
    })
  }
  if (type === 'NOT_ENOUGH_SPACE' || /No space left on device|errno: 28\b/.test(message)) {
    return full(cause, place)
  }
  if (DAMAGED.has(type)) {
    return new SearchError('SEARCH_SCHEMA', `could not read the index: it is damaged (${type})`, {
      cause,
      hint: "'countersign reindex' makes it anew",
    })
  }
  const said = QUOTED.has(type) ? `: ${firstLine(message)}` : ''
  return unavailable(`it said ${type} (${code})${said}`, { cause, place, hint: HINTS[type] })
}

function full(cause: unknown, place: string | undefined): SearchError {
  const whose = place === undefined ? 'its disk' : `the disk of ClickHouse at ${place}`
  return new SearchError('SEARCH_FULL', `could not write the index: ${whose} is full`, {
    cause,
    hint: FULL_HINT,
  })
}

function limitOf(type: string): string {
  switch (type) {
    case 'MEMORY_LIMIT_EXCEEDED':
      return 'it takes more memory than a question may'
    case 'TIMEOUT_EXCEEDED':
    case 'TOO_SLOW':
      return 'it takes longer than a question may'
    case 'TOO_MANY_SIMULTANEOUS_QUERIES':
      return 'too many questions are asked at once'
    case 'QUERY_WAS_CANCELLED':
      return 'it was cancelled in ClickHouse'
    default:
      return 'it has more rows than a question may'
  }
}

/** Nobody there, no certificate, or somebody who is no ClickHouse. */
function fromTheWay(cause: unknown, place: string | undefined): SearchError {
  const code = codeOf(cause)
  const text = cause instanceof Error ? cause.message : String(cause)
  const said = (what: string, hint: string): SearchError =>
    unavailable(what, { cause, place, hint })
  // Rows on their way into this process lie in a file.
  if (code === 'ENOSPC' || code === 'EDQUOT') return full(cause, place)
  if (code !== undefined && place === undefined) {
    return said(
      `its folder cannot be written (${code})`,
      'check the folder index/ in the data folder, and how many files this process may open',
    )
  }
  if (code !== undefined && NOBODY.test(code))
    return said(`nobody answers there (${code})`, AWAY_HINT)
  if (code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) {
    return said(
      `its certificate is not trusted (${code})`,
      'check reader.index.ca and the name in reader.index.url',
    )
  }
  if (code !== undefined && /^(EPROTO|ERR_SSL_|HPE_)/.test(code)) {
    return said(
      `what answers there does not speak the protocol (${code})`,
      'check scheme and port of reader.index.url',
    )
  }
  if (code === undefined && text.startsWith('Timeout error'))
    return said('it did not answer in time', AWAY_HINT)
  if (/aborted|socket hang up|premature/i.test(text))
    return said('it hung up before its answer ended', AWAY_HINT)
  // Versions that are too old for us say no name of an error.
  const [, number] = /^Code: (\d{1,5})\b/.exec(text) ?? []
  if (number !== undefined) {
    return said(
      `it said error ${number}`,
      OLD_AUTHENTICATION.has(number) ? AUTHENTICATION_HINT : 'it may be an old version',
    )
  }
  // Attacker-controlled: whatever stands at that address may answer anything, also what this process must not repeat.
  return said(
    'what answered is no ClickHouse',
    'check reader.index.url: it names the HTTP interface, usually port 8123 or 8443',
  )
}

function codeOf(cause: unknown): string | undefined {
  for (let error: unknown = cause; error instanceof Error; error = error.cause)
    if ('code' in error && typeof error.code === 'string') return error.code
  return undefined
}

interface Unavailable {
  readonly cause: unknown
  readonly place: string | undefined
  readonly hint: string | undefined
}

function unavailable(what: string, { cause, place, hint }: Unavailable): SearchError {
  const at = place === undefined ? '' : ` at ${place}`
  return new SearchError('SEARCH_UNAVAILABLE', `could not use ClickHouse${at}: ${what}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.trim().slice(0, 300) ?? ''
}
