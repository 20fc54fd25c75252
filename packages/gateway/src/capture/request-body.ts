/** A request's body on its way from the client: counted, shown to a tap, broken off when it stands still or grows too long. */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { type BodyTap, tap } from './addenda.ts'
import type { FailureReason } from './failure.ts'

/** A body that could not be read to its end, and why. */
export class BodyBroken extends Error {
  override readonly name = 'BodyBroken'
  readonly reason: FailureReason

  constructor(reason: FailureReason) {
    super(`could not read the request body: ${reason}`)
    this.reason = reason
  }
}

/** Bodies up to this size travel as one piece: one write upstream, and a broken one never gets that far. */
export const wholeBodyBytesMax = 65_536

// Slower than this, over a whole idle time-out, is not slow but hostile.
const bytesPerSecondMin = 64

/** See the head of this file. Nothing is read before `take` or `stream`: until then the client waits. */
export class RequestBody {
  bytes = 0
  readonly #request: IncomingMessage
  readonly #bytesMax: number
  #tap: BodyTap | undefined
  #windowStartNs = 0n
  #windowBytes = 0

  constructor(request: IncomingMessage, bytesMax: number) {
    this.#request = request
    this.#bytesMax = bytesMax
  }

  /** Whether the client's last byte has arrived. */
  get received(): boolean {
    return this.#request.complete
  }

  /** Shows everything that is read from here on to `bodyTap`. */
  watch(bodyTap: BodyTap): void {
    this.#tap = bodyTap
  }

  /** The whole of a body of known length, if it is here already. */
  takeNow(bytes: number): Buffer | undefined {
    const whole: unknown = this.#request.read(bytes)
    if (!Buffer.isBuffer(whole) || whole.length !== bytes) return undefined
    this.#count(whole)
    return whole
  }

  /** The whole of a body. @throws {BodyBroken} */
  async take(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of this.#chunks()) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  /** The body as it comes, at the pace of whoever reads it. Its error is a `BodyBroken`. */
  stream(): Readable {
    return Readable.from(this.#chunks(), { objectMode: false })
  }

  /** Whether the client has stood still, or crept, for a whole idle time-out. Called about once a second. */
  isStalled(nowNs: bigint, idleMs: number): boolean {
    // What waits here unread is not the client's delay but the upstream's.
    if (this.#request.complete || this.#request.readableLength > 0 || this.#windowStartNs === 0n) {
      this.#windowStartNs = nowNs
      this.#windowBytes = this.bytes
      return false
    }
    if (nowNs - this.#windowStartNs < BigInt(idleMs) * 1_000_000n) return false
    const moved = this.bytes - this.#windowBytes
    this.#windowStartNs = nowNs
    this.#windowBytes = this.bytes
    return moved < (bytesPerSecondMin * idleMs) / 1000
  }

  async *#chunks(): AsyncGenerator<Buffer, void, undefined> {
    // The request outlives its body: destroying it would take the connection along.
    const chunks: AsyncIterable<Buffer> = {
      [Symbol.asyncIterator]: () => this.#request.iterator({ destroyOnReturn: false }),
    }
    for await (const chunk of chunks) {
      this.#count(chunk)
      if (this.bytes > this.#bytesMax) throw new BodyBroken('body_too_large')
      yield chunk
    }
    if (!this.#request.complete) throw new BodyBroken('body_framing')
  }

  #count(chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.#tap !== undefined) tap(this.#tap, chunk)
  }
}
