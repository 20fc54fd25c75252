/**
 * The sockets of the forward proxy: takes connections, keeps them within their limits, and hands over what
 * arrives on each, one request at a time. Holds every open connection; what is lost with the process is those.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Connection } from '../connection.ts'
import type { DefectName } from '../defects.ts'
import type { ListenerTls } from '../listening.ts'
import { type ClientError, requestLineOf, syntaxDefect } from '../parse-error.ts'
import { openServer } from '../server.ts'
import type { FullEgressLimits } from './limits.ts'

// Requests that may wait behind the running one.
const pipelinedMax = 64

/** A request that node:http could read. */
export type Arrival =
  | {
      readonly kind: 'http'
      readonly connection: Connection
      readonly req: IncomingMessage
      readonly res: ServerResponse
    }
  | {
      readonly kind: 'connect'
      readonly connection: Connection
      readonly req: IncomingMessage
      readonly head: Buffer
    }

/** Bytes that it could not, or that came where they may not. */
export interface Unreadable {
  readonly connection: Connection
  readonly defect: DefectName | 'pipelined_connect'
  readonly requestLine: string | undefined
  /** True when another answer may be half-way out on the connection: then it can not carry one to this. */
  readonly busy: boolean
}

/** Takes what arrives; resolves when it is answered. */
export interface Reception {
  arrived(arrival: Arrival): Promise<void>
  unreadable(unreadable: Unreadable): Promise<void>
}

interface Line {
  readonly connection: Connection
  /** Requests on the connection that are not answered yet, the running one included. */
  queued: number
  last: Promise<void>
  /** The request that arrived last. */
  newest: IncomingMessage | undefined
}

/** See the head of this file. */
export class EgressSockets {
  readonly server: Server
  readonly #reception: Reception
  readonly #lines = new Map<Socket, Line>()
  readonly #perAddress = new Map<string, number>()
  readonly #raw = new Set<Socket>()
  /** Whose body stopped being HTTP while its exchange was under way. */
  readonly #broken = new WeakSet<Socket>()
  /** On which nothing more is looked at. */
  readonly #refused = new WeakSet<Socket>()
  readonly #running = new Set<Promise<void>>()
  #limits: FullEgressLimits
  #closing = false

  constructor(limits: FullEgressLimits, tls: ListenerTls | undefined, reception: Reception) {
    this.#reception = reception
    this.#limits = limits
    this.server = openServer({ limits, tls })
    this.apply(limits)
    this.server.on('connection', (socket: Socket) => this.#accept(socket))
    const accepted = tls === undefined ? 'connection' : 'secureConnection'
    this.server.on(accepted, (socket: Socket) => this.#open(socket))
    const arrived = (req: IncomingMessage, res: ServerResponse): void => this.#request(req, res)
    this.server.on('request', arrived).on('checkContinue', arrived).on('checkExpectation', arrived)
    this.server.on('connect', (req: IncomingMessage, _socket, head: Buffer) =>
      this.#connect(req, head),
    )
    this.server.on('clientError', (error: ClientError, socket) => this.#clientError(error, socket))
  }

  /** Limits of what is accepted from now on; the size of a header section stays what it was. */
  apply(limits: FullEgressLimits): void {
    this.#limits = limits
    this.server.maxConnections = limits.connectionsMax
    this.server.headersTimeout = limits.headerTimeout
  }

  /** Whether the bytes on a connection stopped being HTTP. */
  isBroken(socket: Socket): boolean {
    return this.#broken.has(socket)
  }

  /** Accepts no more connections; those that stand carry no request after the one they have. */
  close(): void {
    this.#closing = true
    this.server.close()
    this.server.closeIdleConnections()
  }

  /** Resolves when everything that has arrived is answered. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  /** Breaks every connection. */
  destroy(): void {
    for (const socket of this.#raw) socket.destroy()
  }

  /** Before TLS: whoever opens too many connections gets no handshake for them either. */
  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    const count = (this.#perAddress.get(address) ?? 0) + 1
    if (count > this.#limits.connectionsPerAddressMax) {
      socket.destroy()
      return
    }
    this.#perAddress.set(address, count)
    this.#raw.add(socket)
    socket.once('close', () => {
      this.#raw.delete(socket)
      const left = (this.#perAddress.get(address) ?? 1) - 1
      if (left === 0) this.#perAddress.delete(address)
      else this.#perAddress.set(address, left)
    })
  }

  #open(socket: Socket): void {
    if (socket.destroyed) return
    // A tunnel's two directions end one after the other, also inside TLS.
    socket.allowHalfOpen = true
    this.#lines.set(socket, {
      connection: new Connection(socket),
      queued: 0,
      last: Promise.resolve(),
      newest: undefined,
    })
    socket.once('close', () => this.#lines.delete(socket))
  }

  /** Requests of one connection run one after the other, so their order on the log is the client's. */
  #request(req: IncomingMessage, res: ServerResponse): void {
    const line = this.#lines.get(req.socket)
    if (line === undefined || this.#refused.has(req.socket)) return
    const { connection } = line
    line.newest = req
    if (line.queued > pipelinedMax) {
      this.#unreadable(line, 'pipeline_too_deep', undefined)
      return
    }
    if (this.#closing) res.shouldKeepAlive = false
    this.#enqueue(line, () => this.#reception.arrived({ kind: 'http', connection, req, res }))
  }

  #connect(req: IncomingMessage, head: Buffer): void {
    const { socket } = req
    // From here on node:http no longer listens to this socket: an error without a listener would end the process.
    socket.on('error', () => {})
    const line = this.#lines.get(socket)
    if (line === undefined || this.#refused.has(socket)) return
    const { connection } = line
    // The answers ahead of it would be written into the tunnel, or behind its 200.
    if (line.queued > 0) this.#unreadable(line, 'pipelined_connect', undefined)
    else
      this.#enqueue(line, () => this.#reception.arrived({ kind: 'connect', connection, req, head }))
  }

  #clientError(error: ClientError, socket: Duplex): void {
    const line = socket instanceof Socket ? this.#lines.get(socket) : undefined
    const defect = syntaxDefect(error)
    // A socket that failed, not its syntax: an exchange on it learns so from its close.
    if (defect === undefined || line === undefined || this.#refused.has(line.connection.socket)) {
      socket.destroy()
      return
    }
    // Inside a body, the exchange it belongs to says on record what happened; a request of its own it is not.
    if (line.queued > 0 && line.newest?.complete === false) {
      this.#broken.add(line.connection.socket)
      socket.destroy()
      return
    }
    // Behind another request, the first line of what was read last is that one's.
    const first = line.queued === 0 ? requestLineOf(error.rawPacket) : undefined
    this.#unreadable(line, defect, first)
  }

  #unreadable(line: Line, defect: Unreadable['defect'], requestLine: string | undefined): void {
    const { connection, queued } = line
    this.#refused.add(connection.socket)
    this.#track(this.#reception.unreadable({ connection, defect, requestLine, busy: queued > 0 }))
  }

  #enqueue(line: Line, answer: () => Promise<void>): void {
    line.queued += 1
    line.last = line.last.then(async () => {
      try {
        await answer()
      } finally {
        line.queued -= 1
      }
    })
    this.#track(line.last)
  }

  /** What is not foreseen is a fault of ours: the promise is left to fail, and the process stops for want of a handler. */
  #track(running: Promise<void>): void {
    this.#running.add(running)
    void running.finally(() => this.#running.delete(running))
  }
}
