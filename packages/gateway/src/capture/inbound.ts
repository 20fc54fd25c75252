/** The reverse listener: takes connections, parses requests, hands each to the journey, one at a time a connection. */
import type { Server, Socket } from 'node:net'
import type { CanonicalRequest, Captured } from '@countersign/record/vocabulary'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../platform.ts'
import { defaultPort, parseAuthority } from './authority.ts'
import { parseHead } from './canonical-request.ts'
import { Connection } from './connection.ts'
import { type DefectName, defectAnswer } from './defects.ts'
import { CaptureError } from './errors.ts'
import type { Journey, Malformed, RecordMalformed } from './exchange.ts'
import { type IsTrusted, rawChain, resolveClient, trustRanges } from './forwarded.ts'
import type { HeaderFacts } from './headers.ts'
import { type Deadlines, openDeadlines } from './http1/deadlines.ts'
import type { RequestHead } from './http1/request-head.ts'
import type { ConnectionLimits, Refusal } from './http1/server-connection.ts'
import type { ServerExchange } from './http1/server-exchange.ts'
import { type Http1Server, openHttp1Server } from './http1/server.ts'
import { InboundExchange, type InboundShared } from './inbound-exchange.ts'
import {
  type Listening,
  type ListenerOptions,
  type ListenerTls,
  splitAddress,
} from './listening.ts'
import { type OwnAnswer, malformedAnswer } from './refusal.ts'
import { checkMs, checkTls, openSocketServer, renewTls } from './server.ts'
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
  /** Whether `countersign-` headers of clients pass, as they do to the gateway's own API; they never reach a service. */
  readonly ownHeaders?: boolean
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
const tickMsMax = 250
const requestLineBytesMax = 1_024

/** Opens a reverse listener. @throws {CaptureError} `LISTEN_FAILED`, `TLS_INVALID`, `UPSTREAM_INVALID`, `HOPS_INVALID` */
export async function listenInbound(options: InboundOptions): Promise<InboundListening> {
  const deadlines = openDeadlines({ tickMs: tickMs(options.limits) })
  try {
    const inbound = new Inbound(options, deadlines)
    await inbound.listen()
    return inbound
  } catch (error) {
    deadlines.close()
    throw error
  }
}

class Inbound implements InboundListening {
  address = ''
  port = 0
  readonly #options: InboundOptions
  readonly #scheme: 'http' | 'https'
  readonly #server: Server
  readonly #http: Http1Server
  readonly #deadlines: Deadlines
  /** As they were accepted: those whose TLS handshake is not done are among them. */
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Map<Socket, Connection>()
  readonly #perAddress = new Map<string, number>()
  readonly #trace: Tracer = openTracer()
  #shared: InboundShared
  #trusted: IsTrusted
  #closing = false

  constructor(options: InboundOptions, deadlines: Deadlines) {
    const { limits, listener, services } = options
    this.#options = options
    this.#deadlines = deadlines
    this.#scheme = listener.tls === undefined ? 'http' : 'https'
    this.#trusted = trust(options.trustedHops)
    this.#shared = {
      clock: options.clock,
      upstreams: openUpstreams(services, limits, deadlines),
      limits,
      realm: options.gatewayName,
    }
    this.#http = openHttp1Server({
      deadlines,
      limits: connectionLimits(limits),
      onRequest: (exchange) => this.#take(exchange),
      onDefect: (refusal) => this.#refuseUnreadable(refusal),
    })
    this.#server = openSocketServer({ limits, tls: listener.tls })
    this.#server.on('connection', (socket: Socket) => this.#onSocket(socket))
    if (this.#scheme === 'https')
      this.#server.on('secureConnection', (socket: Socket) => this.#onOpen(socket))
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
  }

  update({ services, trustedHops, limits = this.#shared.limits, tls }: InboundUpdate): void {
    const trusted = trustedHops === undefined ? this.#trusted : trust(trustedHops)
    if (tls !== undefined) checkTls(tls)
    this.#shared.upstreams.update(services, limits)
    // From here on nothing fails.
    if (tls !== undefined) renewTls(this.#server, tls)
    this.#trusted = trusted
    this.#shared = { ...this.#shared, limits }
    this.#http.update(connectionLimits(limits))
    this.#server.maxConnections = limits.connectionsMax
  }

  async close({ graceMs = graceMsDefault }: { graceMs?: number } = {}): Promise<void> {
    this.#closing = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const overdue = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, graceMs)
    // An exchange that runs is its connection's last.
    this.#http.close()
    await closed
    clearTimeout(overdue)
    this.#shared.upstreams.close()
    this.#deadlines.close()
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
    this.#sockets.add(socket)
    socket.once('close', () => this.#release(socket, address))
    if (this.#scheme === 'http') this.#onOpen(socket)
  }

  #release(socket: Socket, address: string): void {
    this.#sockets.delete(socket)
    const left = (this.#perAddress.get(address) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
  }

  #onOpen(socket: Socket): void {
    this.#connections.set(socket, new Connection(socket))
    socket.once('close', () => this.#connections.delete(socket))
    this.#http.accept(socket)
  }

  // Requests

  #take(exchange: ServerExchange): void {
    const connection = this.#connections.get(exchange.socket)
    if (connection === undefined) return exchange.destroy()
    const { bodyBytesMax } = this.#shared.limits
    const { ownHeaders = false } = this.#options
    const options = { listener: 'origin', scheme: this.#scheme, bodyBytesMax, ownHeaders } as const
    const parsed = parseHead(exchange.head, options)
    if (typeof parsed === 'string') return this.#refuse(connection, exchange, parsed)
    const captured = this.#capture(connection, parsed.request, parsed.facts)
    if (typeof captured === 'string') return this.#refuse(connection, exchange, captured)
    const { expectsContinue } = parsed
    const offered = new InboundExchange(
      { connection, captured, exchange, expectsContinue },
      this.#shared,
    )
    exchange.handler = offered
    // A journey that fails is a fault of ours: the client is cut off, and the process stops for want of a handler.
    this.#options.journey(offered).catch((error: unknown) => {
      exchange.destroy()
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

  /** Puts a request that the codec could read, and we could not, on record; then answers it. */
  #refuse(connection: Connection, exchange: ServerExchange, defect: DefectName): void {
    void this.#record(connection, defect, requestLine(exchange.head)).then(() => {
      const { status, headers, body } = answerTo(defect)
      const bytes = Buffer.from(body)
      exchange.keepsAlive = false
      exchange.writeHead(status, headers, bytes.length)
      exchange.end(bytes)
    })
  }

  /** The same for bytes that the codec could not read. */
  #refuseUnreadable(refusal: Refusal): void {
    const { socket, defect } = refusal
    const connection = this.#connections.get(socket)
    if (connection === undefined) return refusal.destroy()
    void this.#record(connection, defect, refusal.requestLine).then(() => {
      const { status, headers, body } = answerTo(defect)
      refusal.answer(status, headers, body)
    })
  }

  async #record(connection: Connection, defect: DefectName, line: string): Promise<void> {
    const { ids, recordMalformed, clock } = this.#options
    const malformed: Malformed = {
      id: ids(),
      direction: 'inbound',
      occurredNs: clock.nowNs(),
      peer: connection.peer,
      defect,
      ...defectAnswer(defect),
      requestLine: line,
    }
    try {
      await recordMalformed(malformed)
    } catch {
      // Nothing is forwarded either way; whoever records counts what it could not.
    }
  }
}

function connectionLimits(limits: Config['limits']): Partial<ConnectionLimits> {
  return {
    headBytesMax: limits.headerBytesMax,
    lineBytesMax: limits.headerBytesMax,
    headTimeoutMs: limits.headerTimeout,
    bodyIdleTimeoutMs: limits.bodyIdleTimeout,
  }
}

/** A time-out is off by a quarter of it at most. */
function tickMs(limits: Config['limits']): number {
  const { headerTimeout, bodyIdleTimeout, upstreamTimeout, connectTimeout } = limits
  const shortest = Math.min(headerTimeout, bodyIdleTimeout, upstreamTimeout, connectTimeout)
  return Math.min(tickMsMax, checkMs(shortest))
}

/** Cut at 1 KiB. */
function requestLine({ method, url, httpVersionMinor }: RequestHead): string {
  return `${method} ${url} HTTP/1.${httpVersionMinor}`.slice(0, requestLineBytesMax)
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
