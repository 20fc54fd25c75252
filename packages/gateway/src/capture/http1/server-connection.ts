/**
 * One accepted connection: heads, bodies and answers in turn, one exchange at a time. Holds what the client sent and
 * nobody has read yet, up to `inputBytesMax`, then stops reading. Guarantees that no byte is read as the start of a request
 * unless everything before it was understood. Lost when the connection ends.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { DefectName } from '../defects.ts'
import { BodyDecoder } from './body-decoder.ts'
import { type Deadlines, type Timed, never } from './deadlines.ts'
import { incomplete, refused } from './field-lines.ts'
import type { ChunkLimits, HeadLimits } from './limits.ts'
import { type RequestHead, RequestHeadReader } from './request-head.ts'
import { type ExchangeOwner, type GoneReason, ServerExchange } from './server-exchange.ts'
import { contentLengthLine, headerLines, statusLine } from './writer.ts'

/** What one connection may take of us. */
export interface ConnectionLimits extends HeadLimits, ChunkLimits {
  /** From the first byte of a head (or the start of the connection) to the head's end, milliseconds. */
  readonly headTimeoutMs: number
  /** Between an answer and the next request. */
  readonly idleTimeoutMs: number
  /** A body that moves less than `bodyBytesPerSecondMin` over this time, or an answer that does not leave at all. */
  readonly bodyIdleTimeoutMs: number
  readonly bodyBytesPerSecondMin: number
  /** How long a client that was answered may go on sending, and how much. */
  readonly lingerMs: number
  readonly lingerBytesMax: number
  /** Of a body or of later requests that wait here unread. One read of the socket may go beyond it. */
  readonly inputBytesMax: number
  /** Requests on one connection; 0 for any number. */
  readonly requestsMax: number
}

/**
 * Bytes that are no request. Nothing more is read until it is answered or destroyed; behind a last answer, nothing more is
 * read at all, and `answer` does nothing.
 */
export interface Refusal {
  readonly socket: Socket
  readonly defect: DefectName
  /** As it came, cut at 1 KiB; latin1. */
  readonly requestLine: string
  /** Answers, then ends the connection. @param headers as for `writeHead`. */
  answer(status: number, headers: readonly string[], body: string): void
  destroy(): void
}

/** What a connection tells. */
export interface ConnectionHandler {
  onRequest(exchange: ServerExchange): void
  onDefect(refusal: Refusal): void
}

/** What a connection shares with the others of its server. */
export interface ConnectionShared {
  readonly limits: ConnectionLimits
  readonly deadlines: Deadlines
  readonly handler: ConnectionHandler
  /** The Date header line, of this second. */
  readonly date: string
  closed(connection: ServerConnection): void
}

const surplusBytesMax = 1_024

/** See the head of this file. */
export class ServerConnection implements Timed, ExchangeOwner {
  readonly socket: Socket
  readonly #shared: ConnectionShared
  readonly #reader: RequestHeadReader
  readonly #decoder: BodyDecoder
  #state: 'head' | 'exchange' | 'refused' | 'lingering' | 'closed' = 'head'
  #exchange: ServerExchange | undefined
  #requests = 0
  #closing = false

  #input: Buffer | undefined
  #at = 0
  readonly #more: Buffer[] = []
  #moreBytes = 0
  #running = false
  #flowing = false
  #paused = false
  #halfClosed = false
  #halfClosedTold = false
  #lingerBytes = 0

  #readDeadlineMs: number
  #writeDeadlineMs: number = never
  #sentBytes = 0
  #windowBytes = 0

  constructor(socket: Socket, shared: ConnectionShared) {
    this.socket = socket
    this.#shared = shared
    this.#reader = new RequestHeadReader(shared.limits)
    this.#decoder = new BodyDecoder(shared.limits)
    this.#readDeadlineMs = this.#in(shared.limits.headTimeoutMs)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('end', () => this.#onEnd())
    socket.on('drain', () => this.#onDrain())
    // The end of the connection follows, and says all there is to say.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#onClose())
    shared.deadlines.watch(this)
  }

  get received(): boolean {
    return this.#decoder.done
  }

  get keepsAlive(): boolean {
    const { requestsMax } = this.#shared.limits
    const last = requestsMax !== 0 && this.#requests >= requestsMax
    return !this.#closing && !last && !(this.#halfClosed && this.#input === undefined)
  }

  get date(): string {
    return this.#shared.date
  }

  /** Lets the running exchange be the last. */
  close(): void {
    this.#closing = true
    if (this.#exchange === undefined && this.#state === 'head') this.socket.destroy()
  }

  tick(nowMs: number): void {
    if (nowMs > this.#writeDeadlineMs && !this.#moves()) this.#gone('client_stalled')
    else if (nowMs > this.#readDeadlineMs) this.#overdue()
  }

  // Of the exchange

  demand(flowing: boolean): void {
    this.#flowing = flowing
    if (this.#decoder.done || this.#decoder.broken) return
    if (!flowing) this.#readDeadlineMs = never
    else if (this.#readDeadlineMs === never) this.#openWindow()
    if (flowing) this.#run()
  }

  takeBody(): Buffer | undefined {
    const { framing } = this.#exchange?.head ?? {}
    if (this.#decoder.done || typeof framing !== 'number' || this.#input === undefined)
      return undefined
    const here = this.#input.length - this.#at
    if (here + this.#moreBytes < framing) return undefined
    if (here < framing) {
      this.#input = Buffer.concat([this.#input.subarray(this.#at), ...this.#more])
      this.#at = this.#moreBytes = this.#more.length = 0
    }
    const body = this.#decoder.read(this.#input, this.#at)
    this.#at = this.#decoder.at
    if (this.#at === this.#input.length) this.#next()
    this.#regulate()
    return body
  }

  wrote(more: boolean): void {
    if (!more && this.#writeDeadlineMs === never) this.#awaitWrites()
  }

  answered(whole: boolean): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#flowing = false
    if (this.#state === 'closed') return
    if (!whole) return this.#cut()
    if (exchange?.keepsAlive !== true || this.#closing) {
      const surplus = exchange?.head.close === true ? this.#surplus() : ''
      this.#linger()
      if (surplus !== '') this.#tell('syntax', surplus)
      return
    }
    this.#state = 'head'
    this.#readDeadlineMs = this.#in(this.#shared.limits.idleTimeoutMs)
    this.#run()
  }

  // Of the socket

  #onData(chunk: Buffer): void {
    if (this.#state === 'lingering') {
      this.#lingerBytes += chunk.length
      if (this.#lingerBytes > this.#shared.limits.lingerBytesMax) this.socket.destroy()
      return
    }
    if (this.#input === undefined) {
      this.#input = chunk
      this.#at = 0
      this.#run()
      return
    }
    this.#more.push(chunk)
    this.#moreBytes += chunk.length
    this.#regulate()
  }

  #onEnd(): void {
    this.#halfClosed = true
    this.#run()
  }

  #onDrain(): void {
    this.#writeDeadlineMs = never
    this.#exchange?.handler?.onDrain()
  }

  #onClose(): void {
    this.#gone('client_gone')
    this.#state = 'closed'
    this.#shared.deadlines.forget(this)
    this.#shared.closed(this)
  }

  // Reading

  #run(): void {
    if (this.#running) return
    this.#running = true
    while (this.#input !== undefined && this.#step(this.#input)) {
      // A step may have ended the connection, and thrown away what waits.
      if (this.#at === this.#inputLength()) this.#next()
    }
    this.#running = false
    this.#regulate()
    if (this.#halfClosed && this.#input === undefined) this.#inputEnded()
  }

  /** @returns whether it makes sense to go on. */
  #step(input: Buffer): boolean {
    if (this.#state === 'head') return this.#stepHead(input)
    return this.#state === 'exchange' && this.#stepBody(input)
  }

  #stepHead(input: Buffer): boolean {
    const reader = this.#reader
    if (!reader.begun) this.#readDeadlineMs = this.#in(this.#shared.limits.headTimeoutMs)
    const offset = reader.feed(input, this.#at)
    if (offset === refused) return this.#refuse(reader.defect)
    this.#at = offset === incomplete ? input.length : offset
    if (offset === incomplete) return true
    const head = reader.take()
    if (head === undefined) return this.#refuse(reader.defect)
    this.#begin(head)
    return true
  }

  #begin(head: RequestHead): void {
    this.#state = 'exchange'
    this.#readDeadlineMs = never
    this.#requests += 1
    this.#decoder.start(head.framing)
    const exchange = new ServerExchange(head, this)
    this.#exchange = exchange
    this.#shared.handler.onRequest(exchange)
  }

  #stepBody(input: Buffer): boolean {
    const decoder = this.#decoder
    const exchange = this.#exchange
    if (decoder.done || decoder.broken || !this.#flowing) return false
    const piece = decoder.read(input, this.#at)
    this.#at = decoder.at
    if (decoder.broken) {
      this.#failBody('body_framing')
      return false
    }
    if (piece !== undefined && piece.length > 0) {
      this.#windowBytes += piece.length
      exchange?.handler?.onBody(piece)
    }
    if (!decoder.done || this.#exchange !== exchange) return true
    this.#readDeadlineMs = never
    exchange?.handler?.onBodyEnd()
    return true
  }

  #inputLength(): number {
    return this.#input?.length ?? -1
  }

  #next(): void {
    this.#input = this.#more.length === 0 ? undefined : this.#more.shift()
    this.#moreBytes -= this.#input?.length ?? 0
    this.#at = 0
  }

  /** Stops reading from the socket while too much waits here. */
  #regulate(): void {
    const waiting = this.#input === undefined ? 0 : this.#input.length - this.#at + this.#moreBytes
    const full = waiting > this.#shared.limits.inputBytesMax
    if (full === this.#paused) return
    this.#paused = full
    if (full) this.socket.pause()
    else this.socket.resume()
  }

  /** The client has sent its last byte, and we have read it. */
  #inputEnded(): void {
    if (this.#state === 'head') {
      if (this.#reader.begun) this.#refuse('syntax')
      else this.#linger()
    } else if (this.#state === 'exchange') {
      if (!this.#decoder.done) {
        if (this.#flowing) this.#failBody('client_gone')
      } else if (!this.#halfClosedTold) {
        this.#halfClosedTold = true
        this.#exchange?.handler?.onHalfClosed?.()
      }
    }
  }

  #failBody(reason: 'body_framing' | 'body_timeout' | 'client_gone'): void {
    this.#decoder.broken = true
    this.#flowing = false
    this.#readDeadlineMs = never
    this.#exchange?.handler?.onBodyFailure(reason)
  }

  #refuse(defect: DefectName): false {
    this.#state = 'refused'
    this.#readDeadlineMs = never
    this.#tell(defect, this.#reader.requestLine)
    return false
  }

  #tell(defect: DefectName, requestLine: string): void {
    const { socket } = this
    this.#shared.handler.onDefect({
      socket,
      defect,
      requestLine,
      answer: (status, headers, body) => {
        if (this.#state !== 'refused') return
        const framing = `${contentLengthLine(Buffer.byteLength(body))}connection: close\r\n\r\n`
        const head = `${statusLine(status)}${headerLines(headers)}${this.date}${framing}`
        this.wrote(socket.write(head + body, 'utf8'))
        this.#linger()
      },
      destroy: () => void socket.destroy(),
    })
  }

  /** The first line of what stands behind a request that the client itself called its last: no request, but worth knowing. */
  #surplus(): string {
    if (!this.#decoder.done || this.#input === undefined) return ''
    const text = this.#input.toString('latin1', this.#at, this.#at + surplusBytesMax)
    return text.replace(/^[\r\n]+/, '').split(/\r?\n/, 1)[0] ?? ''
  }

  // Ends

  #openWindow(): void {
    this.#windowBytes = 0
    this.#readDeadlineMs = this.#in(this.#shared.limits.bodyIdleTimeoutMs)
  }

  #overdue(): void {
    const { limits } = this.#shared
    if (this.#state === 'exchange') {
      const bytesMin = (limits.bodyBytesPerSecondMin * limits.bodyIdleTimeoutMs) / 1_000
      if (this.#windowBytes >= Math.max(1, bytesMin)) this.#openWindow()
      else this.#failBody('body_timeout')
    } else if (this.#state === 'head' && this.#reader.begun) this.#refuse('headers_timeout')
    else this.socket.destroy()
  }

  /**
   * Ends our half and reads on for a while. Closing at once would reset the connection while the client still sends,
   * and the reset would overtake the answer.
   */
  #linger(): void {
    this.#state = 'lingering'
    this.#input = undefined
    this.#more.length = this.#moreBytes = 0
    const { lingerMs } = this.#shared.limits
    this.#readDeadlineMs = never
    this.#awaitWrites()
    this.socket.end(() => {
      this.#writeDeadlineMs = never
      this.#readDeadlineMs = this.#in(lingerMs)
    })
    if (this.#paused) this.socket.resume()
    this.#paused = false
  }

  #awaitWrites(): void {
    // Node counts as written what it was given.
    this.#sentBytes = this.socket.bytesWritten - this.socket.writableLength
    this.#writeDeadlineMs = this.#in(this.#shared.limits.bodyIdleTimeoutMs)
  }

  /** Slow is not stalled: what has left since the last look buys as much time again. */
  #moves(): boolean {
    const before = this.#sentBytes
    this.#awaitWrites()
    return this.#sentBytes !== before
  }

  #gone(reason: GoneReason): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#state = 'closed'
    if (reason === 'client_stalled') this.#cut()
    if (exchange !== undefined) {
      exchange.abandon()
      exchange.handler?.onGone(reason)
    }
  }

  #cut(): void {
    this.#state = 'closed'
    if (this.socket instanceof TLSSocket) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }

  #in(ms: number): number {
    return this.#shared.deadlines.nowMs + ms
  }
}
