/** The reverse listener: takes connections, parses requests, hands each to the journey, one at a time a connection. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { CanonicalRequest, Captured } from '@countersign/record/vocabulary'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../platform.ts'
import { defaultPort, parseAuthority } from './authority.ts'
import { parseHead } from './canonical-request.ts'
import { Connection, type Waiting, pipelinedMax } from './connection.ts'
import { type DefectName, defectAnswer } from './defects.ts'
import { CaptureError } from './errors.ts'
import type { Journey, Malformed, RecordMalformed } from './exchange.ts'
import { type IsTrusted, rawChain, resolveClient, trustRanges } from './forwarded.ts'
import type { HeaderFacts } from './headers.ts'
import { InboundExchange, type InboundShared } from './inbound-exchange.ts'
import {
  type Listening,
  type ListenerOptions,
  type ListenerTls,
  splitAddress,
} from './listening.ts'
import { type ClientError, requestLineOf, syntaxDefect } from './parse-error.ts'
import { type OwnAnswer, malformedAnswer } from './refusal.ts'
import { checkMs, checkTls, openServer, rawAnswer, renewTls, requestLine } from './server.ts'
import { type Tracer, isRequestId, openTracer } from './trace-context.ts'
import { type ServiceTargets, openUpstreams } from './upstreams.ts'

/** What a reverse listener is built from. */
export interface InboundOptions {
  readonly listener: ListenerOptions
  readonly limits: Config['limits']
  /** CIDR ranges of proxies whose Forwarded and X-Forwarded-For count. */
  readonly trustedHops: readonly string[]
  readonly services: ServiceTargets
  readonly clock: Clock
  /** Record ids: UUIDv7. */
  readonly ids: () => string
  readonly journey: Journey
  readonly recordMalformed: RecordMalformed
  /** Shown as the realm of a 401. */
  readonly gatewayName: string
}

/** What may change while it listens. What is left out stays. */
export interface InboundUpdate {
  readonly services?: ServiceTargets
  readonly trustedHops?: readonly string[]
  readonly limits?: Config['limits']
  /** A renewed certificate; connections that stand keep theirs. */
  readonly tls?: ListenerTls
}

/** A reverse listener; `update` takes over a new configuration without dropping a connection. */
export interface InboundListening extends Listening {
  /** @throws {CaptureError} `UPSTREAM_INVALID`, `HOPS_INVALID`, `TLS_INVALID`; then nothing has changed. */
  update(change: InboundUpdate): void
}

const graceMsDefault = 5_000
const lingerNs = 2_000_000_000n

/** Opens a reverse listener. @throws {CaptureError} `LISTEN_FAILED`, `TLS_INVALID`, `UPSTREAM_INVALID`, `HOPS_INVALID` */
export async function listenInbound(options: InboundOptions): Promise<InboundListening> {
  const inbound = new Inbound(options)
  await inbound.listen()
  return inbound
}

class Inbound implements InboundListening {
  address = ''
  port = 0
  readonly #options: InboundOptions
  readonly #scheme: 'http' | 'https'
  readonly #server: Server | TlsServer
  readonly #connections = new Map<Socket, Connection>()
  readonly #perAddress = new Map<string, number>()
  readonly #trace: Tracer = openTracer()
  #shared: InboundShared
  #trusted: IsTrusted
  #sweeper: NodeJS.Timeout | undefined
  #closing = false

  constructor(options: InboundOptions) {
    this.#options = options
    this.#scheme = options.listener.tls === undefined ? 'http' : 'https'
    this.#trusted = trust(options.trustedHops)
    this.#shared = {
      clock: options.clock,
      upstreams: openUpstreams(options.services, options.limits),
      limits: options.limits,
      realm: options.gatewayName,
      answered: (connection) => this.#answered(connection),
    }
    this.#server = openServer({ limits: options.limits, tls: options.listener.tls })
    this.#wire()
  }

  async listen(): Promise<void> {
    const { host, port } = splitAddress(this.#options.listener.address)
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const message = `could not listen on ${this.#options.listener.address}: ${cause.message}; choose another address or stop what holds it`
        reject(new CaptureError('LISTEN_FAILED', message, { cause }))
      })
      this.#server.listen(port, host, resolve)
    })
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string')
      throw new Error('a TCP server has no TCP address')
    this.address = bound.address
    this.port = bound.port
    this.#sweeper = setInterval(
      () => this.#sweep(),
      checkMs(this.#options.limits.bodyIdleTimeout),
    ).unref()
  }

  update({ services, trustedHops, limits = this.#shared.limits, tls }: InboundUpdate): void {
    const trusted = trustedHops === undefined ? this.#trusted : trust(trustedHops)
    if (tls !== undefined) checkTls(tls)
    this.#shared.upstreams.update(services, limits)
    // From here on nothing fails.
    if (tls !== undefined) renewTls(this.#server, tls)
    this.#trusted = trusted
    this.#shared = { ...this.#shared, limits }
    this.#server.headersTimeout = limits.headerTimeout
    this.#server.maxConnections = limits.connectionsMax
  }

  async close({ graceMs = graceMsDefault }: { graceMs?: number } = {}): Promise<void> {
    this.#closing = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const overdue = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    // An exchange that runs is its connection's last.
    for (const connection of this.#connections.values()) {
      connection.poisoned = true
      if (connection.current === undefined) connection.socket.destroy()
    }
    await closed
    clearTimeout(overdue)
    clearInterval(this.#sweeper)
    await this.#shared.upstreams.close()
  }

  #wire(): void {
    const server = this.#server
    const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
      this.#onRequest(request, response)
    server.on('request', onRequest)
    server.on('checkContinue', onRequest)
    server.on('checkExpectation', onRequest)
    server.on('connection', (socket: Socket) => this.#onSocket(socket))
    if (this.#scheme === 'https')
      server.on('secureConnection', (socket: Socket) => this.#onOpen(socket))
    server.on('clientError', (error: Error, socket: Socket) => this.#onClientError(error, socket))
    server.on('connect', (request: IncomingMessage, socket: Socket) => {
      const connection = this.#connections.get(socket)
      if (connection !== undefined) this.#refuseRaw(connection, 'method', requestLine(request))
    })
  }

  // Connections

  #onSocket(socket: Socket): void {
    const address = socket.remoteAddress
    const count = (this.#perAddress.get(address ?? '') ?? 0) + 1
    // Gone already, or one too many from there: no request was made, so there is nothing to record.
    if (
      address === undefined ||
      count > this.#shared.limits.connectionsPerAddressMax ||
      this.#closing
    ) {
      socket.destroy()
      return
    }
    this.#perAddress.set(address, count)
    socket.once('close', () => this.#release(address))
    if (this.#scheme === 'http') this.#onOpen(socket)
  }

  #release(address: string): void {
    const left = (this.#perAddress.get(address) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
  }

  #onOpen(socket: Socket): void {
    const connection = new Connection(socket)
    this.#connections.set(socket, connection)
    socket.once('close', () => {
      this.#connections.delete(socket)
      connection.poisoned = true
      connection.waiting.length = 0
      connection.current?.lost('client_gone')
    })
  }

  #sweep(): void {
    const nowNs = this.#shared.clock.monotonicNs()
    const idleMs = this.#shared.limits.bodyIdleTimeout
    for (const connection of this.#connections.values()) {
      // An exchange that runs says itself what became of it.
      if (connection.current !== undefined) connection.current.sweep(nowNs)
      else if (connection.isStuck(nowNs, idleMs)) connection.socket.destroy()
    }
  }

  // Requests

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket)
    if (connection === undefined || connection.poisoned) return
    if (connection.current === undefined) this.#take(connection, request, response)
    else if (connection.waiting.length < pipelinedMax)
      connection.waiting.push({ request, response })
    else this.#refuseRaw(connection, 'pipeline_too_deep', requestLine(request))
  }

  #answered(connection: Connection): void {
    if (connection.poisoned) {
      connection.socket.destroySoon()
      return
    }
    const next = connection.waiting.shift()
    if (next !== undefined) this.#take(connection, next.request, next.response)
  }

  #take(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    const { limits } = this.#shared
    const parsed = parseHead(request, {
      listener: 'origin',
      scheme: this.#scheme,
      bodyBytesMax: limits.bodyBytesMax,
    })
    if (typeof parsed === 'string') return this.#refuse(connection, { request, response }, parsed)
    const captured = this.#capture(connection, parsed.request, parsed.facts)
    if (typeof captured === 'string')
      return this.#refuse(connection, { request, response }, captured)
    const { expectsContinue } = parsed
    const exchange = new InboundExchange(
      { connection, captured, request, response, expectsContinue },
      this.#shared,
    )
    connection.current = exchange
    // A journey that fails is a fault of ours: the client is cut off, and the process stops for want of a handler.
    this.#options.journey(exchange).catch((error: unknown) => {
      connection.cut()
      throw error
    })
  }

  #capture(
    connection: Connection,
    parsed: CanonicalRequest,
    facts: HeaderFacts,
  ): Captured | DefectName {
    const { peer } = connection
    const behind = connection.isTrusted(this.#trusted)
      ? resolveClient(peer.address, facts, this.#trusted)
      : undefined
    if (typeof behind === 'string') return behind
    const scheme = behind?.scheme
    const id = this.#options.ids()
    return {
      id,
      direction: 'inbound',
      kind: 'http',
      occurredNs: this.#shared.clock.nowNs(),
      request:
        scheme === undefined || scheme === parsed.scheme ? parsed : rescheme(parsed, facts, scheme),
      trace: this.#trace(facts.traceparent, facts.tracestate),
      requestId:
        facts.requestId !== undefined && isRequestId(facts.requestId) ? facts.requestId : id,
      peer,
      client: { address: behind?.address ?? peer.address, chain: rawChain(facts) },
      presented: presented(facts),
    }
  }

  // What is no request

  #onClientError(error: ClientError, socket: Socket): void {
    const connection = this.#connections.get(socket)
    const defect = syntaxDefect(error)
    // The socket failed, or nothing was ever said on it: no request was made.
    if (connection === undefined || defect === undefined || socket.bytesRead === 0) {
      socket.destroy()
      return
    }
    if (connection.poisoned) return
    if (connection.current === undefined || connection.current.received) {
      this.#refuseRaw(connection, defect, requestLineOf(error.rawPacket))
      return
    }
    connection.poisoned = true
    connection.current.lost(error.code === 'HPE_INVALID_EOF_STATE' ? 'client_gone' : 'body_framing')
  }

  /** Puts a request that was parsed by node:http, but not by us, on record; then answers it. */
  #refuse(connection: Connection, { request, response }: Waiting, defect: DefectName): void {
    connection.poisoned = true
    void this.#record(connection, defect, requestLine(request)).then(() => {
      const { status, headers, body } = answerTo(defect)
      response.shouldKeepAlive = false
      connection.linger(this.#shared.clock.monotonicNs() + lingerNs)
      request.resume()
      response.writeHead(status, headers)
      response.end(request.method === 'HEAD' ? undefined : body)
    })
  }

  /** The same where there is no response object to answer with; silent when an exchange is still on the connection. */
  #refuseRaw(connection: Connection, defect: DefectName, line: string | undefined): void {
    connection.poisoned = true
    const { socket } = connection
    void this.#record(connection, defect, line).then(() => {
      if (connection.current !== undefined || !socket.writable) return
      connection.linger(this.#shared.clock.monotonicNs() + lingerNs)
      socket.resume()
      socket.end(rawAnswer(answerTo(defect)))
    })
  }

  async #record(
    connection: Connection,
    defect: DefectName,
    line: string | undefined,
  ): Promise<void> {
    const { ids, recordMalformed, clock } = this.#options
    const malformed: Malformed = {
      id: ids(),
      direction: 'inbound',
      occurredNs: clock.nowNs(),
      peer: connection.peer,
      defect,
      ...defectAnswer(defect),
      ...(line === undefined ? {} : { requestLine: line }),
    }
    try {
      await recordMalformed(malformed)
    } catch {
      // Nothing is forwarded either way; whoever records counts what it could not.
    }
  }
}

function answerTo(defect: DefectName): OwnAnswer {
  const { status, explanation } = defectAnswer(defect)
  return malformedAnswer(status, defect, explanation)
}

function trust(ranges: readonly string[]): IsTrusted {
  try {
    return trustRanges(ranges)
  } catch (cause) {
    const message = `could not read trustedHops (${ranges.join(', ')}): write addresses or CIDR ranges`
    throw new CaptureError('HOPS_INVALID', message, { cause })
  }
}

const nothingPresented: Captured['presented'] = {}

function presented({
  authorization,
  apiKey,
  proxyAuthorization,
}: HeaderFacts): Captured['presented'] {
  if (apiKey === undefined && proxyAuthorization === undefined) {
    return authorization === undefined ? nothingPresented : { authorization }
  }
  return {
    ...(authorization === undefined ? {} : { authorization }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(proxyAuthorization === undefined ? {} : { proxyAuthorization }),
  }
}

/** The request as the client spoke it to a trusted hop that ended its TLS. */
function rescheme(
  request: CanonicalRequest,
  facts: HeaderFacts,
  scheme: 'http' | 'https',
): CanonicalRequest {
  const authority = facts.host === undefined ? undefined : parseAuthority(facts.host)
  const written = typeof authority === 'object' ? authority.port : undefined
  return { ...request, scheme, port: written ?? defaultPort(scheme) }
}
