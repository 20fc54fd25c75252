/**
 * Asks the HTTP API. One connection, no redirects (a key goes to nobody else), and nothing of an answer is believed before its kind is
 * looked at. What the API refuses becomes the one error of the command line, with the place in the question that is to blame.
 */
import { once } from 'node:events'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { apiProblem, unreachable } from './api-errors.ts'
import type { ApiPlace } from './api-place.ts'
import { CommandError } from './errors.ts'

/** The version of the API that is spoken here: the first part of its paths. */
const API_VERSION = 'v1'

/** An answer that is read in whole: a thousand rows with everything in them. */
export const ANSWER_BYTES_MAX: number = 128 * 1024 ** 2

/** The API bounds its queries itself; after so long nobody is there who would answer. */
const ANSWER_TIMEOUT_MS = 120_000

/** As whom, why, and with whose approval one asks: on record with the question. */
export interface Asker {
  readonly role?: string | undefined
  readonly purpose?: string | undefined
  readonly ticket?: string | undefined
  readonly approval?: string | undefined
}

/** The options that say so. */
export const askerOptions = {
  role: { type: 'string' },
  purpose: { type: 'string' },
  ticket: { type: 'string' },
  approval: { type: 'string' },
} as const

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below the version: `search`, `records/17`. Each part is encoded by the caller. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
  readonly accept?: string
  readonly signal?: AbortSignal
  /** The question that is asked, for errors that point into it. */
  readonly question?: string
}

/** An answer whose status is good. */
export interface ApiAnswer {
  readonly type: string
  header(name: string): string | undefined
  /** Pieces of its body, as they come. */
  pieces(): AsyncIterable<Buffer>
  /** @throws {CommandError} `CANNOT_RUN` when it is no JSON, or over `ANSWER_BYTES_MAX` */
  json(): Promise<unknown>
}

export interface Api {
  readonly name: string
  /** @throws {CommandError} `CANNOT_RUN`, `USAGE` (the question), `DENIED` */
  ask(request: ApiRequest): Promise<ApiAnswer>
  close(): void
}

export interface ApiClientOptions {
  readonly asker?: Asker
  readonly answerBytesMax?: number
  readonly timeoutMs?: number
}

/** Opens nothing yet: the first question connects. */
export function openApi(
  place: ApiPlace,
  {
    asker = {},
    answerBytesMax = ANSWER_BYTES_MAX,
    timeoutMs = ANSWER_TIMEOUT_MS,
  }: ApiClientOptions = {},
): Api {
  const { url, ca } = place
  const isTls = url.protocol === 'https:'
  const trust = ca === undefined ? {} : { ca }
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, ...trust })
    : new HttpAgent({ keepAlive: true })
  const send = isTls ? httpsRequest : httpRequest
  const common = { ...askerHeaders(asker), ...headersOf(place), 'user-agent': 'countersign' }
  return {
    name: url.origin,
    async ask(wanted) {
      const target = targetOf(url, wanted)
      const text = wanted.body === undefined ? undefined : JSON.stringify(wanted.body)
      const headers = {
        ...common,
        accept: wanted.accept ?? 'application/json',
        ...bodyHeaders(text),
      }
      const { method = 'GET', signal } = wanted
      const options: RequestOptions = { agent, method, headers, signal }
      const answer = await exchange(() => send(target, options), {
        text,
        timeoutMs,
        name: url.origin,
      })
      const body = { answer, name: url.origin, bytesMax: answerBytesMax }
      const status = answer.statusCode ?? 0
      if (status >= 200 && status < 300) return openAnswer(body)
      throw apiProblem(status, await readWhole(body), { name: url.origin, asked: wanted })
    },
    close: () => agent.destroy(),
  }
}

type Sent = ReturnType<typeof httpRequest>

async function exchange(
  start: () => Sent,
  { text, timeoutMs, name }: { text: string | undefined; timeoutMs: number; name: string },
): Promise<IncomingMessage> {
  let answer: IncomingMessage | undefined
  try {
    const sent = start()
    // Whoever waits for the answer, or reads it, is told; the request itself is told once more.
    sent.on('error', () => undefined)
    // Between two pieces, too: a stream of live records says something all the while.
    sent.setTimeout(timeoutMs, () => {
      ;(answer ?? sent).destroy(new Error(`no answer within ${timeoutMs / 1000} s`))
    })
    const answered: Promise<IncomingMessage[]> = once(sent, 'response')
    sent.end(text)
    ;[answer] = await answered
    if (answer === undefined) throw new Error('it did not answer')
    return answer
  } catch (cause) {
    throw unreachable(name, cause)
  }
}

interface Body {
  readonly answer: IncomingMessage
  readonly name: string
  readonly bytesMax: number
}

function openAnswer(body: Body): ApiAnswer {
  const { answer } = body
  return {
    type: mediaType(answer),
    header: (name) => headerOf(answer, name),
    pieces: () => piecesOf(body),
    async json() {
      const text = await readWhole(body)
      try {
        return JSON.parse(text) as unknown
      } catch (cause) {
        throw new CommandError(
          'CANNOT_RUN',
          `could not read the answer of ${body.name}: it is no JSON`,
          {
            cause,
            hint: 'is it the API of a countersign reader?',
          },
        )
      }
    },
  }
}

async function* piecesOf({ answer, name }: Body): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const piece of answer)
      yield Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece))
  } catch (cause) {
    throw unreachable(name, cause)
  }
}

async function readWhole(body: Body): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of piecesOf(body)) {
    bytes += piece.length
    if (bytes > body.bytesMax) {
      body.answer.destroy()
      throw new CommandError(
        'CANNOT_RUN',
        `could not read the answer of ${body.name}: it is over ${body.bytesMax} bytes`,
        { hint: 'ask for less at a time: --limit, or --fields' },
      )
    }
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

function targetOf(base: URL, { path, query = {} }: ApiRequest): URL {
  const target = new URL(`${base.pathname.replace(/\/+$/, '')}/${API_VERSION}/${path}`, base)
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) target.searchParams.set(name, value)
  return target
}

function headersOf({ credential }: ApiPlace): Record<string, string> {
  return credential === undefined ? {} : { [credential[0]]: credential[1] }
}

/** Purposes are written by people: what is not ASCII is spelt as RFC 8187 spells it. */
function askerHeaders(asker: Asker): Record<string, string> {
  const { role, purpose, ticket, approval } = asker
  const named = Object.entries({ role, purpose, ticket, approval })
  return Object.fromEntries(
    named.flatMap(([name, value]) =>
      value === undefined ? [] : [[`countersign-${name}`, headerText(value)]],
    ),
  )
}

function headerText(text: string): string {
  const isPlain = /^[\x20-\x7e]*$/.test(text) && !/^utf-8''/i.test(text)
  return isPlain ? text : `UTF-8''${encodeURIComponent(text.toWellFormed())}`
}

function bodyHeaders(text: string | undefined): Record<string, string> {
  if (text === undefined) return {}
  return { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }
}

function mediaType(answer: IncomingMessage): string {
  return (headerOf(answer, 'content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

function headerOf(answer: IncomingMessage, name: string): string | undefined {
  const value = answer.headers[name]
  return typeof value === 'string' ? value : undefined
}
