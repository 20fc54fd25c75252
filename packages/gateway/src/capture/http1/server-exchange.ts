/** One request on a server's connection, and the answer to it. After `onGone` its methods do nothing. */
import assert from 'node:assert'
import type { Socket } from 'node:net'
import { type RequestHead } from './request-head.ts'
import {
  type Piece,
  chunkLine,
  contentLengthLine,
  headerLines,
  holdsDate,
  lastChunk,
  statusLine,
  writePiece,
} from './writer.ts'

/** Why a request's body ended before its end. */
export type BodyFailure = 'body_framing' | 'body_timeout' | 'client_gone'

/** Why there is nobody to answer any more. */
export type GoneReason = 'client_gone' | 'client_stalled'

/** What happens to an exchange after it was handed out. Nothing is called after `onGone`. */
export interface ExchangeHandler {
  /** A piece of the body, owned by the receiver. Only after `readBody`. */
  onBody(piece: Buffer): void
  onBodyEnd(): void
  /** The rest of the body will not come. The answer may still be written; the connection ends after it. */
  onBodyFailure(reason: BodyFailure): void
  /** What was written has left; only after `write` returned false. */
  onDrain(): void
  /** The connection has ended before the answer did. */
  onGone(reason: GoneReason): void
  /** The client has sent its last byte and may be waiting, or gone: TCP does not tell which. */
  onHalfClosed?(): void
}

/** What an exchange needs of its connection. */
export interface ExchangeOwner {
  readonly socket: Socket
  /** Whether the request's last byte was read. */
  readonly received: boolean
  /** Whether another request may follow on the connection. */
  readonly keepsAlive: boolean
  readonly date: string
  demand(flowing: boolean): void
  takeBody(): Buffer | undefined
  wrote(more: boolean): void
  answered(whole: boolean): void
}

/** See the head of this file. */
export class ServerExchange {
  readonly head: RequestHead
  readonly socket: Socket
  /** Set by whoever takes the exchange, at once. */
  handler: ExchangeHandler | undefined
  /** Set to false to end the connection after the answer. */
  keepsAlive: boolean
  readonly #owner: ExchangeOwner
  #before = ''
  #chunked = false
  #bodiless = false
  #left: number | undefined
  #state: 'waiting' | 'head' | 'body' | 'ended' | 'gone' = 'waiting'

  constructor(head: RequestHead, owner: ExchangeOwner) {
    this.head = head
    this.socket = owner.socket
    this.keepsAlive = !head.close
    this.#owner = owner
  }

  /** Whether the client's last byte has been read. A body that nobody reads stays where it is, up to a limit. */
  get received(): boolean {
    return this.#owner.received
  }

  /** Whether `writeHead` was called. */
  get headWritten(): boolean {
    return this.#state !== 'waiting'
  }

  // Request

  /** The whole of a body of known length, if it is here already; then `onBody` and `onBodyEnd` are not called. */
  takeBody(): Buffer | undefined {
    return this.#owner.takeBody()
  }

  /** Begins to call `onBody`. Pieces that are here already come before this returns. */
  readBody(): void {
    this.#owner.demand(true)
  }

  /** No `onBody` until `resumeBody`. */
  pauseBody(): void {
    this.#owner.demand(false)
  }

  resumeBody(): void {
    this.#owner.demand(true)
  }

  // Answer

  /** Tells a client that expects it to send its body. */
  writeContinue(): void {
    if (this.#state === 'gone') return
    assert(this.#state === 'waiting')
    this.#owner.wrote(this.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1'))
  }

  /**
   * The head of the answer. It leaves with the first piece of the body, with `end`, or with `flush`.
   * @param headers name, value, name, value; neither Connection, Content-Length nor Transfer-Encoding.
   * @param bytes of the body, when known; for HEAD and 304, what it would be. Without it the body is chunked
   * (or, for HTTP/1.0, ends with the connection).
   */
  writeHead(status: number, headers: readonly string[], bytes?: number): void {
    if (this.#state === 'gone') return
    assert(this.#state === 'waiting' && status >= 200)
    this.#state = 'head'
    const old = this.head.httpVersionMinor === 0
    this.#bodiless = this.head.method === 'HEAD' || status === 204 || status === 304
    let framing = ''
    if (bytes !== undefined) {
      // RFC 9110, section 8.6: not with 204.
      if (status !== 204) framing = contentLengthLine(bytes)
      this.#left = bytes
    } else if (!this.#bodiless) {
      this.#chunked = !old
      if (this.#chunked) framing = 'transfer-encoding: chunked\r\n'
      else this.keepsAlive = false
    }
    // What is left of the request would be read as the next one.
    if (!this.#owner.received || !this.#owner.keepsAlive) this.keepsAlive = false
    const close = this.keepsAlive ? '' : 'connection: close\r\n'
    const date = holdsDate(headers) ? '' : this.#owner.date
    this.#before = `${statusLine(status)}${headerLines(headers)}${date}${framing}${close}\r\n`
  }

  /** Sends the head before there is a body to go with it. */
  flush(): void {
    if (this.#state === 'head') this.#write(undefined, '')
  }

  /** A piece of the body; kept by the socket until it has left. @returns false to wait for `onDrain`. */
  write(piece: Buffer): boolean {
    if (this.#state === 'gone') return true
    assert(this.#state === 'head' || this.#state === 'body')
    if (this.#bodiless || piece.length === 0) return true
    this.#count(piece.length)
    if (!this.#chunked) return this.#write(piece, '')
    this.#before += chunkLine(piece.length)
    return this.#write(piece, '\r\n')
  }

  /** The end of the answer, in one write with a last piece. */
  end(piece?: Buffer): void {
    if (this.#state === 'gone') return
    assert(this.#state === 'head' || this.#state === 'body')
    const last = this.#bodiless || piece === undefined || piece.length === 0 ? undefined : piece
    if (last !== undefined) this.#count(last.length)
    if (!this.#bodiless) assert(this.#left === undefined || this.#left === 0, 'a body cut short')
    let after = ''
    if (this.#chunked) {
      if (last === undefined) after = lastChunk
      else {
        this.#before += chunkLine(last.length)
        after = `\r\n${lastChunk}`
      }
    }
    this.#write(last, after)
    this.#state = 'ended'
    this.#owner.answered(true)
  }

  /** @internal The connection has ended. */
  abandon(): void {
    this.#state = 'gone'
  }

  /** Cuts the connection, so that what was sent does not look whole. */
  destroy(): void {
    if (this.#state === 'ended' || this.#state === 'gone') return
    this.#state = 'gone'
    this.#owner.answered(false)
  }

  #count(bytes: number): void {
    if (this.#left === undefined) return
    this.#left -= bytes
    assert(this.#left >= 0, 'a body longer than its head says')
  }

  #write(body: Piece['body'], after: string): boolean {
    const before = this.#before
    this.#before = ''
    this.#state = 'body'
    const more = writePiece(this.socket, { before, body, after })
    this.#owner.wrote(more)
    return more
  }
}
