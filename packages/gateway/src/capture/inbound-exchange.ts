/**
 * One request through a reverse listener, from the journey's decision to the last byte of the answer. The head
 * that goes upstream is built from `Captured.request` and from nothing else; the answer's last piece waits for `release`.
 */
import type { Addendum } from '@countersign/record/leaf'
import type { Captured, Decision } from '@countersign/record/vocabulary'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../platform.ts'
import { type BodyTap, bodyAddenda, headersAddendum, openTap, pairHeaders, tap } from './addenda.ts'
import type { Connection } from './connection.ts'
import type { Exchange, Held, Observed, RecordReference } from './exchange.ts'
import { type FailureReason, clientFailure, failureStatus } from './failure.ts'
import type { ClientCall, ClientHandler, ClientRequest } from './http1/client-call.ts'
import type { ClientErrorCode } from './http1/client-errors.ts'
import type { Http1Pool } from './http1/client.ts'
import type { ResponseHead } from './http1/response-head.ts'
import type {
  BodyFailure,
  ExchangeHandler,
  GoneReason,
  ServerExchange,
} from './http1/server-exchange.ts'
import {
  type OwnAnswer,
  failureAnswer,
  pushReference,
  refusalAnswer,
  unavailableAnswer,
} from './refusal.ts'
import { answerHeaders } from './response-head.ts'
import { upstreamHead } from './upstream-head.ts'
import type { Upstreams } from './upstreams.ts'

/** What all exchanges of a listener share. */
export interface InboundShared {
  readonly clock: Clock
  readonly upstreams: Upstreams
  readonly limits: Config['limits']
  readonly realm: string
}

/** One request as the codec gave it, and what was made of it. */
export interface InboundRequest {
  readonly connection: Connection
  readonly captured: Captured
  readonly exchange: ServerExchange
  readonly expectsContinue: boolean
}

// Bodies up to this size travel as one piece: one write upstream, and a broken one never gets that far.
const wholeBodyBytesMax = 65_536

/** See the head of this file. It is its own `Held` and the handler of both its sides: one object a request. */
export class InboundExchange implements Exchange, Held, ExchangeHandler, ClientHandler {
  readonly captured: Captured
  readonly #shared: InboundShared
  readonly #connection: Connection
  readonly #exchange: ServerExchange
  readonly #expectsContinue: boolean
  readonly #startNs: bigint

  #resolve: ((held: Held) => void) | undefined
  #decision: Decision | undefined
  #record: RecordReference
  #hold = true
  #pool: Http1Pool | undefined
  #call: ClientCall | undefined
  #observed: Observed | undefined
  #requestTap: BodyTap | undefined
  #responseTap: BodyTap | undefined

  #requestBytes = 0
  /** Of a body that goes upstream in one piece. */
  #pieces: Buffer[] | undefined

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
  #own: OwnAnswer | undefined
  #clientGone = false
  #released = false

  constructor(from: InboundRequest, shared: InboundShared) {
    this.captured = from.captured
    this.#connection = from.connection
    this.#exchange = from.exchange
    this.#expectsContinue = from.expectsContinue
    this.#shared = shared
    this.#startNs = shared.clock.monotonicNs()
    this.#record = from.captured
  }

  get observed(): Observed {
    if (this.#observed === undefined) throw new Error('an exchange was looked at before it ended')
    return this.#observed
  }

  forward(decision: Decision, options: { record: RecordReference; hold: boolean }): Promise<Held> {
    this.#decision = decision
    this.#record = options.record
    this.#hold = options.hold
    if (decision.depth === 'body') {
      this.#requestTap = openTap(this.#shared.limits.bodyRecordBytesMax)
      this.#responseTap = openTap(this.#shared.limits.bodyRecordBytesMax)
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
    if (this.#released) return
    this.#released = true
    this.#send()
  }

  abort(): void {
    if (this.#released) return
    this.#released = true
    this.#exchange.destroy()
  }

  // Request

  #begin(decision: Decision): void {
    const { service } = decision
    this.#pool = service === undefined ? undefined : this.#shared.upstreams.get(service)
    if (this.#clientGone) return this.#fail('client_gone')
    if (this.#pool === undefined) return this.#fail('no_upstream')
    const { framing, bytes = 0 } = this.captured.request.body
    if (framing !== 'chunked' && bytes === 0) return this.#dispatch(undefined)
    // Only now: an unauthorised client keeps its body.
    if (this.#expectsContinue) this.#exchange.writeContinue()
    if (framing === 'chunked') return this.#dispatch('chunked')
    if (bytes > wholeBodyBytesMax) return this.#dispatch({ bytes })
    const whole = this.#exchange.takeBody()
    if (whole === undefined) {
      this.#pieces = []
      this.#exchange.readBody()
    } else {
      this.#count(whole)
      this.#dispatch(whole)
    }
  }

  #dispatch(body: ClientRequest['body']): void {
    const { method } = this.captured.request
    const head = upstreamHead(this.captured, this.#connection)
    const request = body === undefined ? { head, method } : { head, method, body }
    this.#call = this.#pool?.dispatch(request, this)
  }

  onReady(call: ClientCall): void {
    this.#call = call
    this.#exchange.readBody()
  }

  onBody(piece: Buffer): void {
    if (this.#observed !== undefined) return
    this.#count(piece)
    if (this.#requestBytes > this.#shared.limits.bodyBytesMax) this.#fail('body_too_large')
    else if (this.#pieces !== undefined) this.#pieces.push(piece)
    else if (this.#call?.write(piece) === false) this.#exchange.pauseBody()
  }

  onBodyEnd(): void {
    if (this.#observed !== undefined) return
    const pieces = this.#pieces
    if (pieces === undefined) this.#call?.end()
    else {
      this.#pieces = undefined
      this.#dispatch(Buffer.concat(pieces))
    }
  }

  onBodyFailure(reason: BodyFailure): void {
    this.#fail(reason)
  }

  #count(piece: Buffer): void {
    this.#requestBytes += piece.length
    if (this.#requestTap !== undefined) tap(this.#requestTap, piece)
  }

  // Client

  onDrain(): void {
    if (!this.#awaitsDrain) return
    this.#awaitsDrain = false
    this.#call?.resume()
  }

  onGone(reason: GoneReason): void {
    this.#clientGone = true
    if (this.#resolve !== undefined) this.#fail(reason)
  }

  /** TCP does not tell a client that still reads from one that left, and nearly all have left: nothing more is done for it. */
  onHalfClosed(): void {
    this.onGone('client_gone')
  }

  // Answer

  onHead({ status, rawHeaders, framing, contentLength }: ResponseHead): void {
    this.#firstByteNs = Number(this.#shared.clock.monotonicNs() - this.#startNs)
    const headers = answerHeaders(rawHeaders)
    if (headers === undefined) {
      this.#fail('upstream_protocol')
      return
    }
    this.#status = status
    this.#headers = headers
    this.#bytesExpected = typeof framing === 'number' && framing > 0 ? framing : contentLength
  }

  onData(piece: Buffer): boolean {
    if (this.#observed !== undefined) return true
    this.#responseBytes += piece.length
    if (this.#responseTap !== undefined) tap(this.#responseTap, piece)
    if (this.#piece !== undefined) this.#write(this.#piece)
    this.#piece = piece
    if (this.#bytesExpected !== undefined) {
      // Of a known length only the piece that completes it has to wait.
      if (this.#responseBytes < this.#bytesExpected) this.#writePiece()
    } else if (!this.#pieceIsDue && this.#exchange.head.httpVersionMinor === 1) {
      // A chunked answer is not complete before its last, empty chunk. Events of a stream must not wait for each
      // other, so the piece waits no longer than for what arrived together with it.
      this.#pieceIsDue = true
      setImmediate(writeDuePiece, this)
    }
    return !this.#awaitsDrain
  }

  onEnd(): void {
    if (this.#observed === undefined)
      this.#end(this.#status < 400 ? 'success' : 'failure', undefined, this.#status)
  }

  onError(code: ClientErrorCode): void {
    this.#fail(clientFailure(code))
  }

  /** @internal The piece that no later one pushed out. */
  writeDue(): void {
    this.#pieceIsDue = false
    if (this.#observed !== undefined) return
    this.#writePiece()
    if (this.#awaitsDrain) this.#call?.pause()
  }

  #writePiece(): void {
    const piece = this.#piece
    this.#piece = undefined
    if (piece !== undefined) this.#write(piece)
  }

  #write(piece: Buffer): void {
    if (!this.#headSent) this.#writeHead()
    if (!this.#exchange.write(piece)) this.#awaitsDrain = true
  }

  #writeHead(): void {
    this.#headSent = true
    const headers = this.#headers ?? []
    pushReference(headers, this.#record)
    this.#exchange.writeHead(this.#status, headers, this.#bytesExpected)
  }

  // End

  #fail(reason: FailureReason): void {
    if (this.#observed !== undefined) return
    const status = this.#headSent ? this.#status : failureStatus(reason)
    if (!this.#headSent) this.#own = failureAnswer(status, reason, this.#record)
    this.#call?.abort()
    this.#end('error', reason, status)
  }

  #end(outcome: Observed['outcome'], reason: string | undefined, status: number): void {
    this.#observe(outcome, reason, status)
    const resolve = this.#resolve
    this.#resolve = undefined
    if (!this.#hold) this.release()
    resolve?.(this)
  }

  #observe(outcome: Observed['outcome'], reason: string | undefined, status: number): void {
    const { depth } = this.#decision ?? {}
    const observed: { -readonly [fact in keyof Observed]: Observed[fact] } = {
      outcome,
      status,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      durationNs: Number(this.#shared.clock.monotonicNs() - this.#startNs),
      addenda: depth === 'headers' || depth === 'body' ? this.#addenda() : none,
    }
    if (reason !== undefined) observed.reason = reason
    if (this.#firstByteNs !== 0) observed.firstByteNs = this.#firstByteNs
    this.#observed = observed
    // What is left of the body is not ours to carry any more.
    if (!this.#exchange.received) this.#exchange.pauseBody()
  }

  #addenda(): Addendum[] {
    const requestHeaders = this.captured.request.headers
    const responseHeaders = pairHeaders(this.#headers ?? [])
    if (this.#bytesExpected !== undefined)
      responseHeaders.push(['content-length', String(this.#bytesExpected)])
    const addenda = [headersAddendum('request', requestHeaders)]
    if (this.#headers !== undefined) addenda.push(headersAddendum('response', responseHeaders))
    if (this.#requestTap !== undefined)
      addenda.push(...bodyAddenda('request', this.#requestTap, requestHeaders))
    if (this.#responseTap !== undefined)
      addenda.push(...bodyAddenda('response', this.#responseTap, responseHeaders))
    return addenda
  }

  #send(): void {
    const exchange = this.#exchange
    const { outcome, reason } = this.observed
    if (this.#own !== undefined && reason !== 'client_gone') return this.#sendOwn(this.#own)
    // An answer that broke off after its head was sent must not look whole.
    if (outcome === 'error') return exchange.destroy()
    const piece = this.#piece
    if (!this.#headSent) {
      if (this.#bytesExpected === undefined && this.#mayHaveBody())
        this.#bytesExpected = piece?.length ?? 0
      this.#writeHead()
    }
    exchange.end(piece)
  }

  #sendOwn({ status, headers, body }: OwnAnswer): void {
    const bytes = Buffer.from(body)
    this.#exchange.writeHead(status, headers, bytes.length)
    this.#exchange.end(bytes)
  }

  #mayHaveBody(): boolean {
    return this.captured.request.method !== 'HEAD' && this.#status !== 204 && this.#status !== 304
  }
}

const none: readonly Addendum[] = []

function writeDuePiece(exchange: InboundExchange): void {
  exchange.writeDue()
}
