/** A server of the codec between raw sockets and a test, on a clock that the test turns. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import type { ConnectionLimits, Refusal } from '../server-connection.ts'
import type {
  BodyFailure,
  ExchangeHandler,
  GoneReason,
  ServerExchange,
} from '../server-exchange.ts'
import { type Http1Server, openHttp1Server } from '../server.ts'
import { type ManualDeadlines, openManualDeadlines } from './manual-deadlines.ts'

/** What a test may look at and act on. */
export interface ServerBench {
  readonly port: number
  readonly http: Http1Server
  readonly deadlines: ManualDeadlines
  readonly defects: string[]
}

export type OnRequest = (exchange: ServerExchange, nth: number) => void

export async function openServerBench(
  t: TestContext,
  onRequest: OnRequest,
  limits: Partial<ConnectionLimits> = {},
): Promise<ServerBench> {
  const deadlines = openManualDeadlines()
  const defects: string[] = []
  let requests = 0
  const http = openHttp1Server({
    limits,
    deadlines,
    onRequest: (exchange) => onRequest(exchange, ++requests),
    onDefect: (refusal: Refusal) => {
      defects.push(`${refusal.defect} ${refusal.requestLine}`)
      refusal.answer(400, ['x-defect', refusal.defect], refusal.defect)
    },
  })
  const server = createServer({ allowHalfOpen: true }, (socket) => http.accept(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    http.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, http, deadlines, defects }
}

/** Answers with what was asked: method, target and body. */
export const echo: OnRequest = (exchange) => {
  const { method, url, framing } = exchange.head
  const answer = (body: string): void => {
    const bytes = Buffer.from(`${method} ${url} ${body}`, 'latin1')
    exchange.writeHead(200, ['content-type', 'text/plain'], bytes.length)
    exchange.end(bytes)
  }
  if (framing === 0) return answer('')
  if (exchange.head.expectsContinue) exchange.writeContinue()
  const recorder = record(exchange)
  recorder.onBodyEnd = () => answer(recorder.body)
  recorder.onBodyFailure = (reason) => {
    exchange.writeHead(400, [], reason.length)
    exchange.end(Buffer.from(reason))
  }
  exchange.readBody()
}

/** A handler that writes down what happens. */
export interface Recorder extends ExchangeHandler {
  body: string
  readonly events: string[]
}

export function record(exchange: ServerExchange): Recorder {
  const recorder: Recorder = {
    body: '',
    events: [],
    onBody: (piece) => {
      recorder.body += piece.toString('latin1')
    },
    onBodyEnd: () => void recorder.events.push('end'),
    onBodyFailure: (reason: BodyFailure) => void recorder.events.push(reason),
    onDrain: () => void recorder.events.push('drain'),
    onGone: (reason: GoneReason) => void recorder.events.push(reason),
    onHalfClosed: () => void recorder.events.push('half closed'),
  }
  exchange.handler = recorder
  return recorder
}

/** A client that says bytes as they are. */
export class RawClient {
  readonly socket: Socket
  received = ''
  closed = false
  #wake: () => void = () => undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', (chunk: Buffer) => (this.received += chunk.toString('latin1')))
    this.socket.on('error', () => undefined)
    this.socket.on('data', () => this.#wake())
    this.socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
    this.socket.on('end', () => this.socket.end())
  }

  say(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Resolves once the pattern was received as often as said. */
  async until(pattern: RegExp, times = 1): Promise<string> {
    const every = new RegExp(pattern.source, 'g')
    while ([...this.received.matchAll(every)].length < times) {
      if (this.closed) throw new Error(`closed after ${JSON.stringify(this.received)}`)
      await this.#news()
    }
    return this.received
  }

  async end(): Promise<string> {
    while (!this.closed) await this.#news()
    return this.received
  }

  // Not `once`: a reset is no reason to stop looking at what came before it.
  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

export function openClient(t: TestContext, port: number): RawClient {
  const client = new RawClient(port)
  t.after(() => void client.socket.destroy())
  return client
}
