/**
 * Header lines, from bytes to strings: one pass over the bytes, one decoding, no regular expression. Takes what RFC 9112
 * calls a field line and nothing else: no folding, no space before the colon, no bare CR or LF. Attacker-controlled.
 */
import type { DefectName } from '../defects.ts'
import { colon, cr, isToken, isValue, lf, space, tab } from './characters.ts'

/** More bytes are needed. */
export const incomplete: -1 = -1
/** The bytes are refused; `defect` says why. */
export const refused: -2 = -2

/**
 * Whole lines that arrived: `bytes` from `from` up to `end`, which stands just after a LF. `text` is the same bytes as
 * latin1, beginning at `from`.
 */
export interface Lines {
  readonly bytes: Buffer
  readonly from: number
  readonly end: number
  readonly text: string
}

/** A header section that is being read, and what it says about framing. */
export class FieldLines {
  /** Name, value, name, value, as node:http's `rawHeaders`. */
  raw: string[] = []
  defect: DefectName = 'syntax'
  contentLength: string | undefined
  transferEncoding: string | undefined
  connection: string | undefined
  expect: string | undefined
  readonly #fieldsMax: number

  constructor(fieldsMax: number) {
    this.#fieldsMax = fieldsMax
  }

  /** Forgets everything, for the next message. */
  clear(): void {
    this.raw = []
    this.contentLength = undefined
    this.transferEncoding = undefined
    this.connection = undefined
    this.expect = undefined
  }

  /**
   * Reads lines from `at` on. @returns the offset after the empty line, `incomplete` when there is none yet,
   * or `refused`. Offsets count in `lines.bytes`.
   */
  read(lines: Lines, at: number): number {
    const { bytes, from, end, text } = lines
    const { raw } = this
    let position = at
    while (position < end) {
      const nameFrom = position
      let code = bytes[position] ?? 0
      while (isToken[code] === 1) code = bytes[++position] ?? 0
      if (code !== colon || position === nameFrom)
        return this.#emptyLine(bytes, { from: nameFrom, to: position })
      if (raw.length >= 2 * this.#fieldsMax) return this.#refuse('headers_too_many')
      const name = text.slice(nameFrom - from, position - from)
      code = bytes[++position] ?? 0
      while (code === space || code === tab) code = bytes[++position] ?? 0
      const valueFrom = position
      while (isValue[code] === 1) code = bytes[++position] ?? 0
      if (code !== cr || bytes[position + 1] !== lf)
        return this.#refuse(code === cr || code === lf ? 'syntax' : 'header_value')
      let valueTo = position
      while (valueTo > valueFrom && isBlank(bytes[valueTo - 1])) valueTo -= 1
      const value = text.slice(valueFrom - from, valueTo - from)
      raw.push(name, value)
      if (framingLengths[name.length] === 1 && !this.#note(name, value)) return refused
      position += 2
    }
    return incomplete
  }

  /** A line without a name: the empty one, or none that we take. */
  #emptyLine(bytes: Buffer, { from, to }: { from: number; to: number }): number {
    const code = bytes[to]
    if (from === to && code === cr && bytes[to + 1] === lf) return to + 2
    return this.#refuse(code === cr || code === lf ? 'syntax' : 'header_name')
  }

  /** Keeps what frames the message. The value of a repeated `Connection` is joined, all else may stand once. */
  #note(name: string, value: string): boolean {
    // Nearly all others of these lengths end here: User-Agent, Server, Accept-Ranges...
    const first = name.charCodeAt(0) | 0x20
    if (first !== 0x63 && first !== 0x74 && first !== 0x65) return true
    switch (name.toLowerCase()) {
      case 'content-length':
        if (this.contentLength !== undefined) return this.#spoil('content_length')
        this.contentLength = value
        return true
      case 'transfer-encoding':
        if (this.transferEncoding !== undefined) return this.#spoil('transfer_encoding')
        this.transferEncoding = value
        return true
      case 'connection':
        this.connection = this.connection === undefined ? value : `${this.connection},${value}`
        return true
      case 'expect':
        if (this.expect !== undefined) return this.#spoil('expectation')
        this.expect = value
        return true
      default:
        return true
    }
  }

  #spoil(defect: DefectName): false {
    this.defect = defect
    return false
  }

  #refuse(defect: DefectName): number {
    this.defect = defect
    return refused
  }
}

// Most names are told apart from the four that frame a message by their length alone.
const framingLengths = new Uint8Array(65_536)
for (const name of ['content-length', 'transfer-encoding', 'connection', 'expect'])
  framingLengths[name.length] = 1

function isBlank(code: number | undefined): boolean {
  return code === space || code === tab
}
