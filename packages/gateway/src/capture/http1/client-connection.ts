/**
 * One connection to an upstream: one request at a time, and the next only if the answer before ended exactly where its
 * framing said, without a byte to spare. Everything else ends the connection.
 */
import { type OnReadOpts, type Socket, connect as connectTcp } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { BodyDecoder } from './body-decoder.ts'
import type { CallCarrier, ClientCall } from './client-call.ts'
import { type ClientErrorCode, connectFailure } from './client-errors.ts'
import { type Deadlines, type Timed, never } from './deadlines.ts'
import { incomplete, refused } from './field-lines.ts'
import type { ChunkLimits, HeadLimits } from './limits.ts'
import { type ResponseHead, ResponseHeadReader } from './response-head.ts'
import { chunkLine, lastChunk, writePiece } from './writer.ts'

/** Where an upstream is. */
export interface ConnectTarget {
  /** A name, or the literal address that was pinned. */
  readonly host: string
  readonly port: number
  /** A Unix socket, instead of host and port. */
  readonly socketPath?: string
  /** TLS, with the name that the certificate must hold. */
  readonly tls?: { readonly servername: string } & Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>
}

/** What one connection may take of us. */
export interface ClientLimits extends HeadLimits, ChunkLimits {
  readonly connectTimeoutMs: number
  /** From the last byte of the request to the head's end. */
  readonly headTimeoutMs: number
  /** An answer, or a request's body, that does not move at all. */
  readonly bodyIdleTimeoutMs: number
  /** How long a connection is kept between requests: less than upstreams keep it. */
  readonly idleTimeoutMs: number
  /** Interim answers (100 to 199) before the final one. */
  readonly interimMax: number
}

/** The pool, as a connection sees it. */
export interface ConnectionPool {
  readonly target: ConnectTarget
  readonly limits: ClientLimits
  readonly deadlines: Deadlines
  /** It takes another request. */
  idle(connection: ClientConnection): void
  /** It takes none any more. Called once. */
  ended(connection: ClientConnection): void
  /** A request that may be sent again, on a new connection. */
  retry(call: ClientCall): void
}

// A read that fills this much of the buffer gives the buffer away with it; a smaller one is copied out.
const ownedBytesMin = 32_768
const readBytesMax = 65_536

type State = 'connecting' | 'idle' | 'head' | 'body' | 'closed'

/** See the head of this file. */
export class ClientConnection implements Timed, CallCarrier {
  readonly #pool: ConnectionPool
  readonly #socket: Socket
  readonly #reader: ResponseHeadReader
  readonly #decoder: BodyDecoder
  #state: State = 'connecting'
  #call: ClientCall | undefined
  #head: ResponseHead | undefined
  #used = false
  #answered = false
  #interim = 0
  #bodySent = true
  #bodyLeft: number | undefined
  #buffer: Buffer
  /** What was read while nobody wanted it. */
  readonly #held: Buffer[] = []
  #reading = false
  #flowing = true
  #deadlineMs: number
  #writeDeadlineMs: number = never
  #error: Error | undefined
  #ended = false

  /** Opens a connection for a first request. */
  constructor(pool: ConnectionPool, call: ClientCall) {
    this.#pool = pool
    this.#call = call
    call.carrier = this
    this.#reader = new ResponseHeadReader(pool.limits)
    this.#decoder = new BodyDecoder(pool.limits)
    this.#buffer = Buffer.allocUnsafeSlow(readBytesMax)
    this.#deadlineMs = this.#in(pool.limits.connectTimeoutMs)
    this.#socket = this.#open(pool.target)
    pool.deadlines.watch(this)
  }

  /** Sends a request; only on an idle connection. */
  send(call: ClientCall): void {
    this.#call = call
    call.carrier = this
    this.#used = true
    this.#begin(call)
  }

  tick(nowMs: number): void {
    const late = nowMs > this.#deadlineMs
    if (!late && nowMs <= this.#writeDeadlineMs) return
    if (!late) this.#fail('STALLED')
    else if (this.#state === 'connecting') this.#fail('CONNECT_TIMEOUT')
    else this.#fail(this.#state === 'body' ? 'BODY_TIMEOUT' : 'HEAD_TIMEOUT')
  }

  /** Ends it whatever it does. */
  destroy(code: ClientErrorCode): void {
    this.#fail(code)
  }

  // Of the call

  writeBody(call: ClientCall, piece: Buffer): boolean {
    if (this.#state === 'connecting') return false
    if (call !== this.#call || this.#bodySent || piece.length === 0) return true
    if (this.#bodyLeft === undefined)
      return this.#write({ before: chunkLine(piece.length), body: piece, after: '\r\n' })
    this.#bodyLeft -= piece.length
    if (this.#bodyLeft >= 0) return this.#write({ before: '', body: piece, after: '' })
    this.#fail('REQUEST_FRAMING')
    return true
  }

  endBody(call: ClientCall): void {
    if (call !== this.#call || this.#bodySent) return
    if (this.#bodyLeft === undefined) this.#write({ before: lastChunk, body: undefined, after: '' })
    else if (this.#bodyLeft > 0) return this.#fail('REQUEST_FRAMING')
    this.#bodySent = true
    if (this.#state === 'head') this.#deadlineMs = this.#in(this.#pool.limits.headTimeoutMs)
  }

  flow(call: ClientCall, flowing: boolean): void {
    if (call !== this.#call || flowing === this.#flowing || this.#state !== 'body') return
    this.#flowing = flowing
    if (!flowing) {
      this.#deadlineMs = never
      this.#socket.pause()
      return
    }
    this.#deadlineMs = this.#in(this.#pool.limits.bodyIdleTimeoutMs)
    this.#drain()
    if (this.#held.length > 0 || !this.#flowing || this.#isClosed()) return
    if (this.#ended) this.#onEnd()
    else this.#socket.resume()
  }

  abort(call: ClientCall): void {
    if (call === this.#call) this.#close()
  }

  // Of the socket

  #open({ host, port, socketPath, tls }: ConnectTarget): Socket {
    const onread = {
      buffer: () => this.#buffer,
      callback: (bytes: number) => this.#onRead(bytes),
    }
    const socket =
      tls === undefined
        ? connectTcp(
            socketPath === undefined ? { host, port, onread } : { path: socketPath, onread },
          )
        : connectTls(secured({ host, port, tls }, onread))
    if (socketPath === undefined) socket.setNoDelay(true)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => this.#onConnect())
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.#onEnd())
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('close', () => this.#onEnd())
    return socket
  }

  #onConnect(): void {
    if (this.#state === 'closed') return
    const call = this.#call
    if (call === undefined) this.#rest()
    else this.#begin(call)
  }

  #onRead(bytes: number): boolean {
    const buffer = this.#buffer
    const owned = bytes >= ownedBytesMin
    if (owned) this.#buffer = Buffer.allocUnsafeSlow(readBytesMax)
    const chunk = buffer.subarray(0, bytes)
    // TLS gives all it has decrypted, paused or not.
    if (this.#flowing && !this.#reading && this.#held.length === 0) this.#read(chunk, owned)
    else this.#held.push(owned ? chunk : Buffer.from(chunk))
    if (this.#held.length > 0) this.#drain()
    return this.#flowing
  }

  #onDrain(): void {
    this.#writeDeadlineMs = never
    const call = this.#call
    if (!this.#bodySent && call !== undefined) call.handler.onReady?.(call)
  }

  #onEnd(): void {
    if (this.#state === 'closed') return
    this.#ended = true
    if (this.#state === 'connecting') {
      const error = this.#error
      return this.#fail(error === undefined ? 'CONNECT_FAILED' : connectFailure(error), error)
    }
    if (this.#held.length > 0) return
    // RFC 9112, section 8: only an answer that ends with its connection may end like this, and not with an error.
    if (this.#state === 'body' && this.#error === undefined && this.#decoder.close())
      return this.#complete()
    const call = this.#call
    if (call !== undefined && this.#used && !this.#answered && call.mayRetry && !call.settled) {
      call.retried = true
      this.#pool.retry(call)
      this.#close()
      return
    }
    this.#fail('CLOSED', this.#error)
  }

  // The request

  #begin(call: ClientCall): void {
    const { head, body } = call.request
    this.#state = 'head'
    this.#answered = false
    this.#interim = 0
    this.#deadlineMs = this.#in(this.#pool.limits.headTimeoutMs)
    const whole = Buffer.isBuffer(body) ? body : undefined
    this.#bodySent = body === undefined || whole !== undefined
    this.#bodyLeft =
      body === undefined || body === 'chunked' || Buffer.isBuffer(body) ? undefined : body.bytes
    // While the body is on its way, only its standing still is too slow.
    if (!this.#bodySent) this.#deadlineMs = never
    const more = this.#write({ before: head, body: whole, after: '' })
    if (!this.#bodySent && more) call.handler.onReady?.(call)
  }

  #write(piece: Parameters<typeof writePiece>[1]): boolean {
    const more = writePiece(this.#socket, piece)
    if (!more && this.#writeDeadlineMs === never)
      this.#writeDeadlineMs = this.#in(this.#pool.limits.bodyIdleTimeoutMs)
    return more
  }

  // The answer

  #read(chunk: Buffer, owned: boolean): void {
    let at = 0
    this.#reading = true
    while (at < chunk.length && this.#flowing) {
      if (this.#state === 'head') at = this.#readHead(chunk, at)
      else if (this.#state === 'body') at = this.#readBody(chunk, at, owned)
      // Nobody asked for these bytes.
      else at = this.#break('PROTOCOL')
      if (at === refused) break
    }
    this.#reading = false
    if (at === refused || at === chunk.length) return
    const rest = chunk.subarray(at)
    this.#held.unshift(owned ? rest : Buffer.from(rest))
  }

  #drain(): void {
    while (this.#flowing && !this.#reading && !this.#isClosed()) {
      const held = this.#held.shift()
      if (held === undefined) break
      this.#read(held, true)
    }
  }

  #readHead(chunk: Buffer, at: number): number {
    this.#answered = true
    const offset = this.#reader.feed(chunk, at)
    if (offset === incomplete) return chunk.length
    if (offset === refused) {
      const large = this.#reader.defect.startsWith('headers_too_')
      return this.#break(large ? 'HEAD_TOO_LARGE' : 'PROTOCOL')
    }
    const head = this.#reader.take(this.#call?.request.method ?? '')
    // What an upgrade leads to is not HTTP.
    if (head === undefined || head.status === 101) return this.#break('PROTOCOL')
    if (head.status < 200) {
      this.#interim += 1
      return this.#interim > this.#pool.limits.interimMax ? this.#break('PROTOCOL') : offset
    }
    this.#state = 'body'
    this.#head = head
    this.#decoder.start(head.framing)
    this.#deadlineMs = this.#in(this.#pool.limits.bodyIdleTimeoutMs)
    // More bytes than the answer has: whatever they are, the answer can not be told from them.
    if (this.#decoder.done && offset < chunk.length) return this.#break('PROTOCOL')
    const call = this.#call
    call?.handler.onHead(head)
    if (this.#call !== call || call?.settled !== false) return refused
    if (this.#decoder.done) this.#complete()
    return offset
  }

  #readBody(chunk: Buffer, at: number, owned: boolean): number {
    const decoder = this.#decoder
    const call = this.#call
    let piece = decoder.read(chunk, at)
    if (decoder.broken || (decoder.done && decoder.at < chunk.length))
      return this.#break('PROTOCOL')
    this.#deadlineMs = this.#in(this.#pool.limits.bodyIdleTimeoutMs)
    if (piece !== undefined && piece.length > 0) {
      if (!owned) piece = Buffer.from(piece)
      if (call?.handler.onData(piece) === false) this.flow(call, false)
      if (this.#call !== call || call?.settled !== false) return refused
    }
    const stop = decoder.at
    if (decoder.done) this.#complete()
    return stop
  }

  // Ends

  /** The answer is whole. */
  #complete(): void {
    const call = this.#call
    const reusable =
      this.#head?.keepsAlive === true && this.#bodySent && this.#held.length === 0 && !this.#ended
    this.#call = undefined
    this.#head = undefined
    if (call !== undefined) call.settled = true
    if (!reusable) this.#close()
    else this.#rest()
    call?.handler.onEnd()
  }

  #rest(): void {
    this.#state = 'idle'
    this.#deadlineMs = this.#in(this.#pool.limits.idleTimeoutMs)
    if (!this.#flowing) this.#socket.resume()
    this.#flowing = true
    this.#pool.idle(this)
  }

  #break(code: ClientErrorCode): number {
    this.#fail(code)
    return refused
  }

  #fail(code: ClientErrorCode, cause?: Error): void {
    const call = this.#call
    this.#call = undefined
    this.#close()
    call?.fail(code, cause)
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#call = undefined
    this.#held.length = 0
    this.#pool.deadlines.forget(this)
    this.#socket.destroy()
    this.#pool.ended(this)
  }

  // Asked after calls that may have closed it.
  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #in(ms: number): number {
    return this.#pool.deadlines.nowMs + ms
  }
}

/** tls.connect takes `onread` too; the types have not heard of it. */
function secured(
  { host, port, tls }: ConnectTarget,
  onread: OnReadOpts,
): ConnectionOptions & { readonly onread: OnReadOpts } {
  return { host, port, ...tls, ALPNProtocols: ['http/1.1'], onread }
}
