/**
 * An upstream's access log, a line at a time. Attacker-controlled: whoever sends requests chooses parts of each line. A line that
 * cannot be read is counted and named, never skipped in silence; only the last one may be torn, since the upstream may be writing it.
 */
import { createReadStream } from 'node:fs'
import { ReconcileError } from './errors.ts'

/** How the lines are written. */
export type AccessLogFormat = 'nginx-json'

/** One request as the upstream saw it. */
export interface AccessLine {
  /** Of the file, from 1. */
  readonly line: number
  /** Milliseconds since the epoch, when the upstream had answered. */
  readonly timeMs: number
  /** The header `x-request-id`; empty when there was none. */
  readonly requestId: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
}

/** A line that is none: `why` says what is wrong with it. */
export interface BadLine {
  readonly line: number
  readonly why: string
  /** The last line, without its newline: the upstream was writing it. */
  readonly isTorn: boolean
}

/** Longer lines are not read. */
const LINE_BYTES_MAX = 64 * 1024
const NEWLINE = 0x0a

/**
 * Reads an access log as it is now.
 * @throws {ReconcileError} `RECONCILE_UNREADABLE`
 */
export async function* readAccessLog(
  file: string,
  format: AccessLogFormat,
): AsyncGenerator<AccessLine | BadLine, void, undefined> {
  const parse = parsers[format]
  let line = 0
  for await (const { bytes, isWhole, isTooLong } of readLines(file)) {
    line += 1
    if (isTooLong) {
      yield { line, why: `it is over ${LINE_BYTES_MAX} bytes`, isTorn: false }
      continue
    }
    if (bytes.length === 0) continue
    const read = parse(bytes.toString('utf8'))
    if ('why' in read) yield { line, ...read, isTorn: !isWhole }
    else yield { line, ...read }
  }
}

interface RawLine {
  readonly bytes: Buffer
  /** It ends in a newline. */
  readonly isWhole: boolean
  readonly isTooLong: boolean
}

/** Lines in bounded memory: of one that is too long only its end is looked for. */
async function* readLines(file: string): AsyncGenerator<RawLine, void, undefined> {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  const take = (isWhole: boolean): RawLine => {
    const isTooLong = waitingBytes > LINE_BYTES_MAX
    const bytes = isTooLong ? Buffer.alloc(0) : Buffer.concat(waiting)
    waiting = []
    waitingBytes = 0
    return { bytes, isWhole, isTooLong }
  }
  const keep = (piece: Buffer): void => {
    waitingBytes += piece.length
    if (waitingBytes > LINE_BYTES_MAX) waiting = []
    else if (piece.length > 0) waiting.push(piece)
  }
  for await (const chunk of chunksOf(file)) {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, end))
      from = end + 1
      yield take(true)
    }
    keep(chunk.subarray(from))
  }
  if (waitingBytes > 0) yield take(false)
}

async function* chunksOf(file: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) yield chunk
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ReconcileError('RECONCILE_UNREADABLE', `could not read ${file}: ${why}`, { cause })
  }
}

type Read = Omit<AccessLine, 'line'> | { readonly why: string }

const parsers: Readonly<Record<AccessLogFormat, (text: string) => Read>> = {
  'nginx-json': parseNginxJson,
}

/** What `log_format ... escape=json` writes: see docs/how-to/prove-completeness.md. */
function parseNginxJson(text: string): Read {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { why: 'it is not JSON' }
  }
  if (typeof value !== 'object' || value === null) return { why: 'it is not a JSON object' }
  const timeMs = timeOf(value)
  if (timeMs === undefined) return { why: "it has neither a 'msec' nor a 'time' that is one" }
  const [method, uri] = [textOf(value, 'method'), textOf(value, 'uri')]
  if (method === undefined || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method))
    return { why: "its 'method' is none" }
  if (uri === undefined || !uri.startsWith('/')) return { why: "its 'uri' is no path" }
  const status = Number(textOf(value, 'status') ?? Number.NaN)
  if (!Number.isInteger(status) || status < 0 || status > 999)
    return { why: "its 'status' is none" }
  const requestId = textOf(value, 'request_id') ?? ''
  if (requestId.length > REQUEST_ID_MAX) return { why: "its 'request_id' is too long" }
  const [path = ''] = uri.split('?', 1)
  // nginx writes a header that is absent as a hyphen in its default format.
  return { timeMs, method, path, status, requestId: requestId === '-' ? '' : requestId }
}

/** Longer ones never come from the gateway. */
const REQUEST_ID_MAX = 1024

function textOf(value: object, name: string): string | undefined {
  const member: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
  if (typeof member === 'string') return member
  return typeof member === 'number' ? String(member) : undefined
}

/** `msec` is seconds with milliseconds, `time` is ISO 8601 with a zone. */
function timeOf(value: object): number | undefined {
  const msec = textOf(value, 'msec')
  if (msec !== undefined && /^\d{1,12}(\.\d{1,6})?$/.test(msec))
    return Math.round(Number(msec) * 1000)
  const time = textOf(value, 'time')
  if (time === undefined || !/^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(time))
    return undefined
  const ms = Date.parse(time)
  return Number.isNaN(ms) ? undefined : ms
}
