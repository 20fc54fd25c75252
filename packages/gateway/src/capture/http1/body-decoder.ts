/**
 * Takes the framing off a body. A piece of the body is a slice of what was fed, never a copy. Chunk extensions and
 * trailers are checked, then thrown away, both within limits. Attacker-controlled.
 */
import { cr, equals, hexValue, isToken, lf, semicolon } from './characters.ts'
import { FieldLines, incomplete, refused } from './field-lines.ts'
import type { BodyFraming } from './framing.ts'
import type { ChunkLimits } from './limits.ts'

const sizeDigitsMax = 12
const trailersMax = 64

/** Where in a chunked body the next byte stands. */
type Place =
  | 'size_first'
  | 'size'
  | 'extension_name'
  | 'extension_name_more'
  | 'extension_value'
  | 'extension_value_more'
  | 'size_lf'
  | 'data'
  | 'data_cr'
  | 'data_lf'
  | 'trailers'

/** See the head of this file. One for a connection; `start` begins the next body. */
export class BodyDecoder {
  /** The whole body has been read. */
  done = true
  /** The framing is broken: nothing after it can be trusted. */
  broken = false
  /** Where `read` stopped. */
  at = 0
  readonly #limits: ChunkLimits
  #framing: BodyFraming = 0
  #left = 0
  #place: Place = 'size_first'
  #digits = 0
  #lineBytes = 0
  #trailerBytes: Buffer | undefined
  #trailerTo = 0

  constructor(limits: ChunkLimits) {
    this.#limits = limits
  }

  /** Begins a body. */
  start(framing: BodyFraming): void {
    this.#framing = framing
    this.#left = typeof framing === 'number' ? framing : 0
    this.#beginLine('size_first')
    this.#trailerTo = 0
    this.done = framing === 0
    this.broken = false
  }

  /**
   * Reads from `from` up to the end of one piece of the body; `at` tells where it stopped. @returns the piece, or
   * undefined when there was none. Read again while `at` is before the end and neither `done` nor `broken` is set.
   */
  read(chunk: Buffer, from: number): Buffer | undefined {
    this.at = from
    if (this.done || this.broken) return undefined
    if (this.#framing === 'chunked') return this.#readChunked(chunk)
    if (this.#framing === 'until_close') return this.#take(chunk, chunk.length - from)
    const piece = this.#take(chunk, this.#left)
    this.done = this.#left === 0
    return piece
  }

  /** The connection has ended. @returns whether that completes the body. */
  close(): boolean {
    if (this.#framing === 'until_close') this.done = true
    return this.done
  }

  #take(chunk: Buffer, bytes: number): Buffer {
    const to = Math.min(chunk.length, this.at + bytes)
    const piece = this.at === 0 && to === chunk.length ? chunk : chunk.subarray(this.at, to)
    this.#left -= piece.length
    this.at = to
    return piece
  }

  #readChunked(chunk: Buffer): Buffer | undefined {
    while (this.at < chunk.length) {
      if (this.#place === 'data') {
        const piece = this.#take(chunk, this.#left)
        if (this.#left === 0) this.#place = 'data_cr'
        return piece
      }
      if (this.#place === 'trailers') {
        this.#readTrailers(chunk)
        return undefined
      }
      if (!this.#step(chunk[this.at] ?? 0)) {
        this.broken = true
        return undefined
      }
      this.at += 1
    }
    return undefined
  }

  /** One byte of what stands between the data. @returns whether it may stand there. */
  #step(code: number): boolean {
    const place = this.#place
    if (place === 'data_cr') {
      this.#place = 'data_lf'
      return code === cr
    }
    if (place === 'data_lf') {
      this.#beginLine('size_first')
      return code === lf
    }
    if (place === 'size_lf') {
      this.#place = this.#left === 0 ? 'trailers' : 'data'
      return code === lf
    }
    this.#lineBytes += 1
    if (this.#lineBytes > this.#limits.chunkLineBytesMax) return false
    return place === 'size_first' || place === 'size'
      ? this.#stepSize(code)
      : this.#stepExtension(code)
  }

  #stepSize(code: number): boolean {
    const digit = hexValue[code] ?? 255
    if (digit < 16) {
      this.#place = 'size'
      this.#left = this.#left * 16 + digit
      this.#digits += 1
      return this.#digits <= sizeDigitsMax
    }
    return this.#place === 'size' && this.#endOrExtend(code)
  }

  /** `;name` or `;name=value`, both tokens; a quoted value is not taken. */
  #stepExtension(code: number): boolean {
    const token = isToken[code] === 1
    const place = this.#place
    if (place === 'extension_name' || place === 'extension_value') {
      this.#place = `${place}_more`
      return token
    }
    if (place === 'extension_name_more' && code === equals) {
      this.#place = 'extension_value'
      return true
    }
    return token || this.#endOrExtend(code)
  }

  #endOrExtend(code: number): boolean {
    this.#place = code === cr ? 'size_lf' : 'extension_name'
    return code === cr || code === semicolon
  }

  #beginLine(place: Place): void {
    this.#place = place
    if (this.#framing === 'chunked') this.#left = 0
    this.#digits = 0
    this.#lineBytes = 0
  }

  /** The trailer section is read when it is whole: an empty line alone, nearly always. */
  #readTrailers(chunk: Buffer): void {
    const { trailerBytesMax } = this.#limits
    if (this.#trailerTo === 0 && chunk[this.at] === cr && chunk[this.at + 1] === lf) {
      this.at += 2
      this.done = true
      return
    }
    const bytes = (this.#trailerBytes ??= Buffer.allocUnsafe(trailerBytesMax))
    const copied = chunk.copy(bytes, this.#trailerTo, this.at)
    const before = this.#trailerTo
    this.#trailerTo += copied
    const end = bytes.lastIndexOf(lf, this.#trailerTo - 1) + 1
    const text = bytes.toString('latin1', 0, end)
    // Read anew only when another line has come to its end.
    const offset =
      end > before ? new FieldLines(trailersMax).read({ bytes, from: 0, end, text }, 0) : incomplete
    if (offset >= 0) {
      this.at += offset - before
      this.done = true
      return
    }
    this.at += copied
    this.broken = offset === refused || (offset === incomplete && this.#trailerTo === bytes.length)
  }
}
