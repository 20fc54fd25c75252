/**
 * One request through a reverse listener, from the journey's decision to the last byte of the answer. The head
 * that goes upstream is built from `Captured.request` and from nothing else; the answer's last piece waits for `release`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Addendum } from '@countersign/record/leaf'
import type { Captured, Decision } from '@countersign/record/vocabulary'
import type { Dispatcher } from 'undici'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../platform.ts'
import { type BodyTap, bodyAddenda, headersAddendum, openTap, pairHeaders, tap } from './addenda.ts'
import type { Connection, Occupant } from './connection.ts'
import type { Exchange, Held, Observed, RecordReference } from './exchange.ts'
import { type FailureReason, failureStatus, upstreamFailure } from './failure.ts'
import {
  type OwnAnswer,
  failureAnswer,
  pushReference,
  refusalAnswer,
  unavailableAnswer,
} from './refusal.ts'
import { BodyBroken, RequestBody, wholeBodyBytesMax } from './request-body.ts'
import { type UpstreamHeaders, responseHead } from './response-head.ts'
import { formatTraceparent } from './trace-context.ts'
import type { Upstreams } from './upstreams.ts'

/** What all exchanges of a listener share. */
export interface InboundShared {
  readonly clock: Clock
  readonly upstreams: Upstreams
  readonly limits: Config['limits']
  readonly realm: string
  /** Called once the answer is on its way, or will never be. */
  readonly answered: (connection: Connection) => void
}

/** One request as node:http gave it, and what was made of it. */
export interface InboundRequest {
  readonly connection: Connection
  readonly captured: Captured
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly expectsContinue: boolean
}

// Up to here the body travels with the head as one string: one write, no second buffer.
const oneWriteBytesMax = 16_384

// How long a client may go on sending what nobody reads, once it has its answer.
const lingerNs = 2_000_000_000n

/** See the head of this file. It is its own `Held` and its own undici handler: one object a request. */
export class InboundExchange implements Exchange, Held, Occupant, Dispatcher.DispatchHandler {
  readonly captured: Captured
  readonly #shared: InboundShared
  readonly #connection: Connection
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #expectsContinue: boolean
  readonly #startNs: bigint
  readonly #body: RequestBody

  #resolve: ((held: Held) => void) | undefined
  #decision: Decision | undefined
  #record: RecordReference
  #hold = true
  #controller: Dispatcher.DispatchController | undefined
  #observed: Observed | undefined
  #requestTap: BodyTap | undefined
  #responseTap: BodyTap | undefined

  #status = 0
  #headers: string[] | undefined
  #bytesExpected: number | undefined
  #responseBytes = 0
  #firstByteNs = 0
  /** The piece that waits: the last one as far as we know. */
  #piece: Buffer | undefined
  #pieceIsDue = false
  #headSent = false
  #awaitsDrain = false
  #stalledSinceNs = 0n
  #own: OwnAnswer | undefined
  #lost: 'client_gone' | 'body_framing' | undefined
  #ended = false

  constructor(from: InboundRequest, shared: InboundShared) {
    this.captured = from.captured
    this.#connection = from.connection
    this.#request = from.request
    this.#response = from.response
    this.#expectsContinue = from.expectsContinue
    this.#shared = shared
    this.#startNs = shared.clock.monotonicNs()
    this.#body = new RequestBody(from.request, shared.limits.bodyBytesMax)
    this.#record = { id: from.captured.id }
  }

  get observed(): Observed {
    if (this.#observed === undefined) throw new Error('an exchange was looked at before it ended')
    return this.#observed
  }

  get received(): boolean {
    return this.#body.received
  }

  forward(decision: Decision, options: { record: RecordReference; hold: boolean }): Promise<Held> {
    this.#decision = decision
    this.#record = options.record
    this.#hold = options.hold
    if (decision.depth === 'body') {
      this.#requestTap = openTap(this.#shared.limits.bodyRecordBytesMax)
      this.#responseTap = openTap(this.#shared.limits.bodyRecordBytesMax)
      this.#body.watch(this.#requestTap)
    }
    return new Promise((resolve) => {
      this.#resolve = resolve
      this.#begin(decision)
    })
  }

  refuse(decision: Decision, record: RecordReference): Held {
    this.#decision = decision
    this.#record = record
    this.#own = refusalAnswer(decision, record, this.#shared.realm)
    this.#observe('denied', decision.reason, this.#own.status)
    return this
  }

  unavailable(reason: string): void {
    this.#own = unavailableAnswer(reason)
    this.#observe('error', reason, this.#own.status)
    this.release()
  }

  /** Sends what was held back. Without `hold` it has been sent already. */
  release(): void {
    if (this.#connection.current !== this) return
    this.#connection.current = undefined
    if (this.#lost !== 'client_gone') this.#send()
    this.#shared.answered(this.#connection)
  }

  abort(): void {
    if (this.#connection.current !== this) return
    this.#connection.current = undefined
    this.#connection.cut()
  }

  lost(reason: 'client_gone' | 'body_framing'): void {
    this.#lost ??= reason
    if (this.#resolve !== undefined) this.#fail(reason)
  }

  sweep(nowNs: bigint): void {
    if (this.#resolve === undefined || this.#ended) return
    const idleMs = this.#shared.limits.bodyIdleTimeout
    const { framing } = this.captured.request.body
    if (framing !== 'none' && this.#body.isStalled(nowNs, idleMs)) this.#fail('body_timeout')
    if (!this.#awaitsDrain) this.#stalledSinceNs = 0n
    else if (this.#stalledSinceNs === 0n) this.#stalledSinceNs = nowNs
    else if (nowNs - this.#stalledSinceNs > BigInt(idleMs) * 1_000_000n)
      this.#fail('client_stalled')
  }

  // Request

  #begin(decision: Decision): void {
    const pool =
      decision.service === undefined ? undefined : this.#shared.upstreams.get(decision.service)
    if (this.#lost !== undefined) return this.#fail(this.#lost)
    if (pool === undefined) return this.#fail('no_upstream')
    const { framing, bytes = 0 } = this.captured.request.body
    if (framing === 'none' || (framing === 'length' && bytes === 0))
      return this.#dispatch(pool, null)
    // Only now: an unauthorised client keeps its body.
    if (this.#expectsContinue) this.#response.writeContinue()
    if (framing === 'chunked' || bytes > wholeBodyBytesMax)
      return this.#dispatch(pool, this.#body.stream())
    const whole = this.#body.takeNow(bytes)
    if (whole !== undefined) return this.#dispatch(pool, whole)
    this.#body.take().then(
      (late) => this.#dispatch(pool, late),
      (error: unknown) => this.#fail(error instanceof BodyBroken ? error.reason : 'client_gone'),
    )
  }

  #dispatch(pool: Dispatcher, body: NonNullable<Dispatcher.DispatchOptions['body']> | null): void {
    if (this.#ended) return
    const { method, path, query } = this.captured.request
    const target = query === undefined ? path : `${path}?${query}`
    pool.dispatch({ method, path: target, headers: this.#head(), body }, this)
  }

  /** The head that goes upstream: what was decided on and recorded, and what we assert ourselves. */
  #head(): string[] {
    const { request, client, trace, requestId } = this.captured
    const { authority, forwarded } = this.#connection.hostHeaders(request, client.address)
    const head = ['host', authority]
    for (const [name, value] of request.headers) head.push(name, value)
    head.push(
      'forwarded',
      forwarded,
      'traceparent',
      formatTraceparent(trace),
      'x-request-id',
      requestId,
    )
    if (trace.state !== undefined) head.push('tracestate', trace.state)
    const { framing, bytes } = request.body
    if (framing === 'length' && bytes !== undefined && bytes > 0)
      head.push('content-length', String(bytes))
    return head
  }

  // Answer: undici's handler

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#ended) controller.abort(new Error('the exchange has ended'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    from: UpstreamHeaders,
  ): void {
    // 100 and 103 are between the upstream and us.
    if (this.#ended || status < 200) return
    this.#firstByteNs = Number(this.#shared.clock.monotonicNs() - this.#startNs)
    const head = responseHead(status, from)
    if (head === undefined) {
      this.#fail('upstream_protocol')
      return
    }
    this.#status = status
    this.#headers = head.headers
    this.#bytesExpected = head.bytes
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#ended) return
    this.#responseBytes += chunk.length
    if (this.#responseTap !== undefined) tap(this.#responseTap, chunk)
    if (this.#piece !== undefined) this.#write(this.#piece)
    this.#piece = chunk
    if (this.#bytesExpected !== undefined) {
      // Of a known length only the piece that completes it has to wait.
      if (this.#responseBytes < this.#bytesExpected) this.#writePiece()
    } else if (!this.#pieceIsDue && this.#request.httpVersionMinor === 1) {
      // A chunked answer is not complete before its last, empty chunk. Events of a stream must not wait for each
      // other, so the piece waits no longer than for what arrived together with it.
      this.#pieceIsDue = true
      setImmediate(writeDuePiece, this)
    }
  }

  onResponseEnd(): void {
    if (this.#ended) return
    this.#end(this.#status < 400 ? 'success' : 'failure', undefined)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#ended) return
    if (error instanceof BodyBroken) this.#fail(error.reason)
    else this.#fail(upstreamFailure(error, this.#controller !== undefined))
  }

  /** @internal The piece that no later one pushed out. */
  writeDue(): void {
    this.#pieceIsDue = false
    if (!this.#ended) this.#writePiece()
  }

  #writePiece(): void {
    const piece = this.#piece
    this.#piece = undefined
    if (piece !== undefined) this.#write(piece)
  }

  #write(piece: Buffer): void {
    if (!this.#headSent) this.#writeHead(this.#status, this.#headers ?? [])
    if (this.#response.write(piece) || this.#awaitsDrain) return
    this.#awaitsDrain = true
    this.#controller?.pause()
    this.#response.once('drain', () => {
      this.#awaitsDrain = false
      this.#controller?.resume()
    })
  }

  #writeHead(status: number, headers: string[]): void {
    this.#headSent = true
    // What is left of the request would be read as the next one.
    if (!this.#body.received || this.#connection.poisoned) this.#response.shouldKeepAlive = false
    if (this.#own === undefined) pushReference(headers, this.#record)
    this.#response.writeHead(status, headers)
  }

  // End

  #fail(reason: FailureReason): void {
    if (this.#ended) return
    const status = this.#headSent ? this.#status : failureStatus(reason)
    if (!this.#headSent) this.#own = failureAnswer(status, reason, this.#record)
    this.#end('error', reason, status)
    // After the end: undici reports the abort to us at once, and it is not what went wrong.
    this.#controller?.abort(new Error(reason))
  }

  #end(outcome: Observed['outcome'], reason: string | undefined, status = this.#status): void {
    this.#observe(outcome, reason, status)
    const resolve = this.#resolve
    this.#resolve = undefined
    if (!this.#hold) this.release()
    resolve?.(this)
  }

  #observe(outcome: Observed['outcome'], reason: string | undefined, status: number): void {
    this.#ended = true
    const { depth } = this.#decision ?? {}
    this.#observed = {
      outcome,
      ...(reason === undefined ? {} : { reason }),
      status,
      requestBytes: this.#body.bytes,
      responseBytes: this.#responseBytes,
      durationNs: Number(this.#shared.clock.monotonicNs() - this.#startNs),
      ...(this.#firstByteNs === 0 ? {} : { firstByteNs: this.#firstByteNs }),
      addenda: depth === 'headers' || depth === 'body' ? this.#addenda() : none,
    }
  }

  #addenda(): Addendum[] {
    const requestHeaders = this.captured.request.headers
    const responseHeaders = pairHeaders(this.#headers ?? [])
    const addenda = [headersAddendum('request', requestHeaders)]
    if (this.#headers !== undefined) addenda.push(headersAddendum('response', responseHeaders))
    if (this.#requestTap !== undefined)
      addenda.push(...bodyAddenda('request', this.#requestTap, requestHeaders))
    if (this.#responseTap !== undefined)
      addenda.push(...bodyAddenda('response', this.#responseTap, responseHeaders))
    return addenda
  }

  #send(): void {
    if (!this.#body.received) this.#lingerOn()
    if (this.#own !== undefined) return this.#sendOwn(this.#own)
    // An answer that broke off after its head was sent must not look whole.
    if (this.#observed?.outcome === 'error') return this.#connection.cut()
    const piece = this.#piece
    if (!this.#headSent) {
      const headers = this.#headers ?? []
      if (this.#bytesExpected === undefined && this.#mayHaveBody()) {
        headers.push('content-length', String(piece?.length ?? 0))
      }
      this.#writeHead(this.#status, headers)
    }
    if (piece === undefined) this.#response.end()
    else if (piece.length > oneWriteBytesMax) this.#response.end(piece)
    else this.#response.end(piece.toString('latin1'), 'latin1')
  }

  #lingerOn(): void {
    this.#connection.linger(this.#shared.clock.monotonicNs() + lingerNs)
    this.#request.resume()
  }

  #sendOwn({ status, headers, body }: OwnAnswer): void {
    this.#writeHead(status, headers)
    this.#response.end(this.captured.request.method === 'HEAD' ? undefined : body)
  }

  #mayHaveBody(): boolean {
    return this.captured.request.method !== 'HEAD' && this.#status !== 204 && this.#status !== 304
  }
}

const none: readonly Addendum[] = []

function writeDuePiece(exchange: InboundExchange): void {
  exchange.writeDue()
}
