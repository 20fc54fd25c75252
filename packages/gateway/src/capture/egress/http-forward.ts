/**
 * Carries one plain HTTP request to its pinned address and streams the answer back, holding back the end of it.
 * It holds at most one chunk a direction, guarantees that what the client has looks complete only after
 * `finish`, and never rejects: whatever goes wrong is a word in the result.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type Dispatcher, type Pool, errors } from 'undici'
import { type FailureReason, upstreamFailure } from '../failure.ts'
import { responseHead } from '../response-head.ts'

// A body may be slow, but not so slow that a connection is held for its own sake.
const bodyBytesPerSecondMin = 64
const msPerSecond = 1_000
const nsPerMs = 1e6

/** Why an answer did not come, or did not come whole. */
export type ForwardFailure = FailureReason | 'gateway_stopping'

export interface ForwardOptions {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly pool: Pool
  readonly method: string
  /** Canonical path and query. */
  readonly path: string
  /** Flat: name, value, name, value. */
  readonly headers: string[]
  readonly hasBody: boolean
  readonly expectsContinue: boolean
  /** Headers of ours that the answer carries. Flat. */
  readonly ownHeaders: readonly string[]
  readonly bodyBytesMax: number
  readonly bodyIdleTimeoutMs: number
  readonly upstreamTimeoutMs: number
  readonly nowNs: () => bigint
  readonly signal: AbortSignal
  readonly seeRequest: (chunk: Buffer) => void
  readonly seeResponse: (chunk: Buffer) => void
  /** Whether the client's connection was found to break its framing. */
  readonly isBroken: (socket: Socket) => boolean
}

/** An answer that is over but for its end. */
export interface ForwardResult {
  readonly failure?: ForwardFailure
  /** The server's; absent when there was no answer. */
  readonly status?: number
  readonly responseHeaders: readonly string[]
  readonly requestBytes: number
  /** True when the request's body was read to its end. */
  readonly requestComplete: boolean
  readonly responseBytes: number
  readonly firstByteAtNs?: bigint
  /** True once part of the answer is with the client: it can no longer be replaced by one of ours. */
  readonly started: boolean
  /** Sends the end of the answer; only for a result without a failure. */
  finish(): void
}

/** Forwards one request. Never rejects. */
export function forwardHttp(options: ForwardOptions): Promise<ForwardResult> {
  return new Forward(options).run()
}

class Stopped extends Error {
  readonly failure: ForwardFailure

  constructor(failure: ForwardFailure) {
    super(failure)
    this.failure = failure
  }
}

class Forward implements Dispatcher.DispatchHandler {
  readonly #options: ForwardOptions
  readonly #over: PromiseWithResolvers<ForwardResult> = Promise.withResolvers()
  #isOver = false
  #controller: Dispatcher.DispatchController | undefined
  #stall: NodeJS.Timeout | undefined
  #requestBytes = 0
  #requestComplete: boolean
  /** How long the client has been waited for, and what it sent, since it last kept up with the minimum rate. */
  #owing = { waitedMs: 0, bytes: 0 }
  #status: number | undefined
  #responseHeaders: string[] = []
  #responseBytes = 0
  #firstByteAtNs: bigint | undefined
  /** Of the body when its length is known; 0 when there is none; undefined when only its end will tell. */
  #length: number | undefined
  #held: Buffer | undefined
  readonly #gone = (): void => this.#stop('client_gone')
  readonly #stopping = (): void => this.#stop('gateway_stopping')

  constructor(options: ForwardOptions) {
    this.#options = options
    this.#requestComplete = !options.hasBody
  }

  run(): Promise<ForwardResult> {
    const { res, pool, signal, expectsContinue, hasBody } = this.#options
    res.once('close', this.#gone)
    signal.addEventListener('abort', this.#stopping)
    if (res.destroyed) this.#stop('client_gone')
    else if (signal.aborted) this.#stop('gateway_stopping')
    if (this.#isOver) return this.#over.promise
    // Only now: the request is allowed, on record, and on its way.
    if (expectsContinue) res.writeContinue()
    const { method, path, headers, upstreamTimeoutMs, bodyIdleTimeoutMs } = this.#options
    pool.dispatch(
      {
        method,
        path,
        headers,
        body: hasBody ? Readable.from(this.#body(), { objectMode: false }) : null,
        headersTimeout: upstreamTimeoutMs,
        bodyTimeout: bodyIdleTimeoutMs,
      },
      this,
    )
    return this.#over.promise
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(new Stopped('client_gone'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    from: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#isOver) return
    // 101 to a request that asked for no upgrade: what follows is not HTTP.
    if (status === 101) controller.abort(new Stopped('upstream_protocol'))
    if (status < 200) return
    this.#firstByteAtNs = this.#options.nowNs()
    const { res, method, ownHeaders } = this.#options
    const head = responseHead(status, from)
    if (head === undefined) {
      controller.abort(new Stopped('upstream_protocol'))
      return
    }
    this.#status = status
    this.#responseHeaders = head.headers
    const bodiless = method === 'HEAD' || status === 204 || status === 304
    this.#length = bodiless ? 0 : head.bytes
    res.sendDate = false
    // What is left of the request would be read as the next one.
    if (!this.#requestComplete) res.shouldKeepAlive = false
    if (this.#length === 0) return
    res.writeHead(status, [...head.headers, ...ownHeaders])
    res.flushHeaders()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return
    const { res, seeResponse, bodyIdleTimeoutMs } = this.#options
    this.#responseBytes += chunk.length
    seeResponse(chunk)
    if (res.write(this.#holdingBack(chunk))) return
    controller.pause()
    // Slow is allowed, silent is not: a client that takes nothing may not keep a server's connection.
    this.#stall = setTimeout(() => this.#stop('client_stalled'), bodyIdleTimeoutMs)
    res.once('drain', () => {
      clearTimeout(this.#stall)
      controller.resume()
    })
  }

  /** Keeps the last byte of a body of known length. Otherwise its end is a sign of its own, and that is what waits. */
  #holdingBack(chunk: Buffer): Buffer {
    if (this.#responseBytes !== this.#length) return chunk
    this.#held = chunk.subarray(-1)
    return chunk.subarray(0, -1)
  }

  onResponseEnd(): void {
    const { res, ownHeaders } = this.#options
    this.#settle({
      finish: () => {
        if (this.#length === 0)
          res.writeHead(this.#status ?? 502, [...this.#responseHeaders, ...ownHeaders])
        res.end(this.#held)
      },
    })
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error): void {
    this.#settle({ failure: this.#failureOf(cause), finish: () => {} })
  }

  /** The request's body as the server gets it: counted, capped, and never waited for too long. */
  async *#body(): AsyncGenerator<Buffer, void, undefined> {
    const { req, bodyBytesMax, seeRequest } = this.#options
    // The client's connection outlives its body: an early answer must still reach it.
    const chunks = req.iterator({ destroyOnReturn: false })
    for (;;) {
      const next = await this.#patiently(chunks.next())
      if (next.done === true) break
      this.#requestBytes += next.value.length
      if (this.#requestBytes > bodyBytesMax) throw new Stopped('body_too_large')
      seeRequest(next.value)
      yield next.value
    }
    // node:http ends a body that was cut short without an error when its socket closed.
    if (!req.complete) throw new Stopped('client_gone')
    this.#requestComplete = true
  }

  /** Waits for the client's next piece: in every `bodyIdleTimeout` of waiting it owes the minimum rate. */
  async #patiently(
    next: Promise<IteratorResult<Buffer, undefined>>,
  ): Promise<IteratorResult<Buffer, undefined>> {
    const { bodyIdleTimeoutMs, nowNs } = this.#options
    const beganNs = nowNs()
    const timer = setTimeout(
      () => this.#stop('body_timeout'),
      Math.max(0, bodyIdleTimeoutMs - this.#owing.waitedMs),
    )
    try {
      const piece = await next
      this.#owing.waitedMs += Number(nowNs() - beganNs) / nsPerMs
      this.#owing.bytes += piece.done === true ? 0 : piece.value.length
      const owed = (bodyBytesPerSecondMin * bodyIdleTimeoutMs) / msPerSecond
      if (this.#owing.bytes >= owed) this.#owing = { waitedMs: 0, bytes: 0 }
      return piece
    } finally {
      clearTimeout(timer)
    }
  }

  #failureOf(cause: Error): ForwardFailure {
    if (cause instanceof Stopped) return cause.failure
    const { req } = this.#options
    if (this.#options.isBroken(req.socket)) return 'body_framing'
    if (req.errored !== null && req.errored !== undefined) return 'client_gone'
    if (cause instanceof errors.HTTPParserError) return 'upstream_protocol'
    return upstreamFailure(cause, this.#controller !== undefined)
  }

  #stop(failure: ForwardFailure): void {
    if (this.#isOver) return
    const { req, isBroken } = this.#options
    const named = failure === 'client_gone' && isBroken(req.socket) ? 'body_framing' : failure
    this.#settle({ failure: named, finish: () => {} })
    // A request that was cut short takes its connection with it.
    this.#controller?.abort(new Stopped(named))
  }

  #settle(ending: { failure?: ForwardFailure; finish(): void }): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#stall)
    const { res, signal } = this.#options
    res.removeListener('close', this.#gone)
    signal.removeEventListener('abort', this.#stopping)
    this.#over.resolve({
      ...ending,
      ...(this.#status === undefined ? {} : { status: this.#status }),
      ...(this.#firstByteAtNs === undefined ? {} : { firstByteAtNs: this.#firstByteAtNs }),
      responseHeaders: this.#responseHeaders,
      requestBytes: this.#requestBytes,
      requestComplete: this.#requestComplete,
      responseBytes: this.#responseBytes,
      started: res.headersSent,
    })
  }
}
