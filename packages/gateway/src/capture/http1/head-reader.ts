/**
 * Finds the end of a head in bytes that come in any pieces, within a limit. Holds the lines that are not whole yet.
 * Lines are judged in the order of their bytes and only once they are whole, so that the same bytes are judged alike
 * however they were cut. Attacker-controlled.
 */
import type { DefectName } from '../defects.ts'
import { lf } from './characters.ts'
import { FieldLines, type Lines, incomplete, refused } from './field-lines.ts'
import type { HeadLimits } from './limits.ts'

// Up to here it costs less to decode what may follow the head than to look for the head's end first.
const decodedBytesMax = 2_048
const headEnd = Buffer.from('\r\n\r\n')
const pendingBytesMin = 1_024

/** What request and response heads share; the start line is the subclass's. */
export abstract class HeadReader {
  protected readonly fields: FieldLines
  readonly #limits: HeadLimits
  #started = false
  /** Of the lines that were read. */
  #bytes = 0
  #pending: Buffer | undefined
  #pendingFrom = 0
  #pendingTo = 0

  constructor(limits: HeadLimits) {
    this.#limits = limits
    this.fields = new FieldLines(limits.fieldsMax)
  }

  /** What is wrong, after `feed` said `refused`. */
  get defect(): DefectName {
    return this.fields.defect
  }

  /** Whether a part of a head has been read. */
  get begun(): boolean {
    return this.#started || this.#pendingTo > 0
  }

  /** The start line, or what there is of it; latin1, for the record of a defect. */
  startLine = ''

  /** Whether the first byte of a message may be this one. */
  protected abstract begins(byte: number): boolean

  /** Reads the start line. @returns the offset after it, or `refused`. `lineEnd` is the offset of its LF. */
  protected abstract readStart(lines: Lines, lineEnd: number): number

  /** Forgets everything, for the next message. */
  clear(): void {
    this.fields.clear()
    this.#started = false
    this.#bytes = 0
    this.#pending = undefined
    this.#pendingFrom = 0
    this.#pendingTo = 0
    this.startLine = ''
  }

  /**
   * Reads on from `at`. @returns the offset in `chunk` after the head; `incomplete` when all of `chunk` was taken and
   * more is needed; `refused` when `defect` says why no further byte must be read.
   */
  feed(chunk: Buffer, at: number): number {
    const pending = this.#pendingTo - this.#pendingFrom
    const room = this.#limits.headBytesMax - this.#bytes - pending
    const to = chunk.length - at > room ? at + room : chunk.length
    if (!this.begun && !this.begins(chunk[at] ?? 0)) return this.#refuse('syntax', chunk, at)
    const end = linesEnd(chunk, at, to)
    if (end === at) return this.#keep(chunk, at, to)
    if (pending === 0) return this.#read({ chunk, at, end, to })
    // The line that was cut, made whole.
    this.#append(chunk, at, end)
    const bytes = this.#pending ?? chunk
    const from = this.#pendingFrom
    const offset = this.#lines(bytes, from, this.#pendingTo)
    if (offset === refused) return refused
    if (offset !== incomplete) return at + (offset - from) - pending
    this.#bytes += this.#pendingTo - from
    this.#pendingFrom = this.#pendingTo
    return this.#keep(chunk, end, to)
  }

  #read({ chunk, at, end, to }: { chunk: Buffer; at: number; end: number; to: number }): number {
    const offset = this.#lines(chunk, at, end)
    if (offset !== incomplete) return offset
    this.#bytes += end - at
    return this.#keep(chunk, end, to)
  }

  #lines(bytes: Buffer, from: number, end: number): number {
    const text = bytes.toString('latin1', from, end)
    const lines = { bytes, from, end, text }
    if (this.#started) return this.fields.read(lines, from)
    let lineEnd = from
    while (bytes[lineEnd] !== lf) lineEnd += 1
    this.startLine = text
    if (lineEnd + 1 - from > this.#limits.lineBytesMax) return this.#fail('headers_too_large')
    const at = this.readStart(lines, lineEnd)
    if (at === refused) return refused
    this.#started = true
    return this.fields.read(lines, at)
  }

  /** Keeps bytes that do not end a line until the rest comes. */
  #keep(chunk: Buffer, from: number, to: number): number {
    this.#append(chunk, from, to)
    if (to === chunk.length) return incomplete
    return this.#started ? this.#fail('headers_too_large') : this.#refuse('headers_too_large')
  }

  #append(chunk: Buffer, from: number, to: number): void {
    if (from === to) return
    const needed = this.#pendingTo + to - from
    if (this.#pending === undefined || needed > this.#pending.length) {
      // Twice what is needed: pieces of one byte must not be copied again and again.
      const larger = Buffer.allocUnsafe(Math.max(pendingBytesMin, 2 * needed))
      this.#pending?.copy(larger, 0, 0, this.#pendingTo)
      this.#pending = larger
    }
    chunk.copy(this.#pending, this.#pendingTo, from, to)
    this.#pendingTo = needed
  }

  #refuse(defect: DefectName, chunk?: Buffer, at = 0): number {
    this.startLine =
      chunk?.toString('latin1', at, at + decodedBytesMax) ??
      this.#pending?.toString('latin1', this.#pendingFrom, this.#pendingTo) ??
      ''
    return this.#fail(defect)
  }

  #fail(defect: DefectName): number {
    this.fields.defect = defect
    return refused
  }

  /** The unread start of a head that never came to an end. */
  protected get unread(): string {
    return this.#pending?.toString('latin1', this.#pendingFrom, this.#pendingTo) ?? ''
  }
}

/** The offset after the last LF that may belong to the head; `at` when there is none. */
function linesEnd(chunk: Buffer, at: number, to: number): number {
  if (to - at > decodedBytesMax) {
    const end = chunk.indexOf(headEnd, at)
    if (end !== -1 && end + headEnd.length <= to) return end + headEnd.length
  } else if (chunk[to - 1] === lf) return to
  const last = to === at ? -1 : chunk.lastIndexOf(lf, to - 1)
  return last < at ? at : last + 1
}
