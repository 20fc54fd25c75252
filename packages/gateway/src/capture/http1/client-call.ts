/** One request to an upstream, from the queue to the last byte of its answer. */
import type { ClientErrorCode } from './client-errors.ts'
import type { ResponseHead } from './response-head.ts'

/** A request, serialised by the caller, who also answers for its framing headers. */
export interface ClientRequest {
  /** The whole head as latin1, with the empty line; its framing headers agree with `body`. */
  readonly head: string
  /** As in `head`; an answer to HEAD has no body. */
  readonly method: string
  /** None, all of it, or the promise of `write` calls: so many bytes, or chunks. */
  readonly body?: Buffer | { readonly bytes: number } | 'chunked'
}

/** What becomes of a request. One of `onEnd` and `onError` is called, once, unless the call was aborted. */
export interface ClientHandler {
  /** The final answer's head; 100 to 199 are not shown. */
  onHead(head: ResponseHead): void
  /** A piece of the body, owned by the receiver. @returns false to get no more until `resume`. */
  onData(piece: Buffer): boolean
  onEnd(): void
  /** @param cause of the connection, where there is one. */
  onError(code: ClientErrorCode, cause?: Error): void
  /** The connection takes more of the body: the first time it is ready, and after `write` returned false. */
  onReady?(call: ClientCall): void
}

/** What a call needs of the connection it is on. */
export interface CallCarrier {
  writeBody(call: ClientCall, piece: Buffer): boolean
  endBody(call: ClientCall): void
  flow(call: ClientCall, flowing: boolean): void
  abort(call: ClientCall): void
}

const idempotent: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'TRACE',
])

/** See the head of this file. */
export class ClientCall {
  readonly request: ClientRequest
  readonly handler: ClientHandler
  /** @internal Where it is; the pool while it waits. */
  carrier: CallCarrier
  /** @internal */
  retried = false
  /** @internal */
  settled = false
  /** @internal */
  queuedUntilMs = 0

  constructor(request: ClientRequest, handler: ClientHandler, carrier: CallCarrier) {
    this.request = request
    this.handler = handler
    this.carrier = carrier
  }

  /**
   * Whether sending it again does no harm and is possible: no body, and a method that may be repeated. A connection
   * that the upstream closed while it was idle shows this only once we have written to it.
   */
  get mayRetry(): boolean {
    const { body, method } = this.request
    return !this.retried && body === undefined && idempotent.has(method)
  }

  /** A piece of a body that was promised; only after `onReady`. @returns false to wait for `onReady`. */
  write(piece: Buffer): boolean {
    return this.settled || this.carrier.writeBody(this, piece)
  }

  /** The end of the body. */
  end(): void {
    if (!this.settled) this.carrier.endBody(this)
  }

  /** No `onData` until `resume`. */
  pause(): void {
    if (!this.settled) this.carrier.flow(this, false)
  }

  resume(): void {
    if (!this.settled) this.carrier.flow(this, true)
  }

  /** Gives up; nothing is called any more, and the connection it was on is never used again. */
  abort(): void {
    if (this.settled) return
    this.settled = true
    this.carrier.abort(this)
  }

  /** @internal */
  fail(code: ClientErrorCode, cause?: Error): void {
    if (this.settled) return
    this.settled = true
    this.handler.onError(code, cause)
  }
}
