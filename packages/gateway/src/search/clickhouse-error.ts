/** What went wrong in ClickHouse, or on the way to it, in the words of this room. No message holds a value of a row or a secret. */
import { SearchError } from './errors.ts'

interface Circumstances {
  /** It was given up after so long without an answer. */
  readonly silentMs?: number | undefined
  /** Whoever asked is gone. */
  readonly gaveUp?: boolean
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

const FULL_HINT = 'nothing is lost: the log has it all. Free some space, and the reader goes on'

/** What to try next, by ClickHouse's name of the error. */
const HINTS: Readonly<Record<string, string>> = {
  AUTHENTICATION_FAILED: 'check reader.index.user, and the file that reader.index.password names',
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
  { silentMs, gaveUp = false }: Circumstances = {},
): SearchError {
  if (cause instanceof SearchError) return cause
  if (gaveUp) {
    return new SearchError('SEARCH_LIMIT', 'could not answer: whoever asked gave up', { cause })
  }
  if (silentMs !== undefined) {
    return unavailable(`it did not answer within ${silentMs} ms`, cause)
  }
  return isClickHouseError(cause) ? fromClickHouse(cause) : fromTheWay(cause)
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

function fromClickHouse(cause: ClickHouseError): SearchError {
  const { type, code, message } = cause
  if (LIMITS.has(type)) {
    return new SearchError('SEARCH_LIMIT', `could not answer: ${limitOf(type)}`, {
      cause,
      hint: 'ask about less time, or fewer groups',
    })
  }
  if (type === 'NOT_ENOUGH_SPACE' || /No space left on device|errno: 28\b/.test(message)) {
    return new SearchError('SEARCH_FULL', 'could not write the index: its disk is full', {
      cause,
      hint: FULL_HINT,
    })
  }
  const said = QUOTED.has(type) ? `: ${firstLine(message)}` : ''
  return unavailable(`it said ${type} (${code})${said}`, cause, HINTS[type])
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
function fromTheWay(cause: unknown): SearchError {
  const code = codeOf(cause)
  const text = cause instanceof Error ? cause.message : String(cause)
  if (code !== undefined && NOBODY.test(code))
    return unavailable(`nobody answers there (${code})`, cause)
  if (code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) {
    return unavailable(
      `its certificate is not trusted (${code})`,
      cause,
      'check reader.index.ca and the name in reader.index.url',
    )
  }
  if (code !== undefined && /^(EPROTO|ERR_SSL_|HPE_)/.test(code)) {
    return unavailable(
      `what answers there does not speak the protocol (${code})`,
      cause,
      'check scheme and port of reader.index.url',
    )
  }
  if (code === undefined && text.startsWith('Timeout error'))
    return unavailable('it did not answer in time', cause)
  if (/aborted|socket hang up|premature/i.test(text))
    return unavailable('it hung up before its answer ended', cause)
  // Attacker-controlled: whatever stands at that address may answer anything, also what this process must not repeat.
  return unavailable(
    'what answered is no ClickHouse',
    cause,
    'check reader.index.url: it names the HTTP interface, usually port 8123 or 8443',
  )
}

function codeOf(cause: unknown): string | undefined {
  for (let error: unknown = cause; error instanceof Error; error = error.cause)
    if ('code' in error && typeof error.code === 'string') return error.code
  return undefined
}

function unavailable(what: string, cause: unknown, hint?: string): SearchError {
  return new SearchError('SEARCH_UNAVAILABLE', `could not use ClickHouse: ${what}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.trim().slice(0, 300) ?? ''
}
