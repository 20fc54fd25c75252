/** Changes to bytes, each a few numbers: so that a property can shrink them, and a run can be repeated from its seed. */

/** One change. What the numbers mean is up to `kind`; any numbers will do. */
export interface Change {
  readonly kind: number
  /** Where, modulo the length. */
  readonly at: number
  readonly value: number
}

/** Numbers at which readers have gone wrong: ends of ranges, signs, and more digits than anybody reads. */
const NUMBERS = [
  '0',
  '00',
  '01',
  '-1',
  '+1',
  '1e3',
  '0x10',
  '255',
  '256',
  '65535',
  '65536',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740992',
  '9223372036854775807',
  '18446744073709551615',
  '18446744073709551616',
  '9'.repeat(400),
]
const WORDS = [0, 1, 0x7f, 0x80, 0xff, 0x7f_ff, 0xff_ff, 0x7f_ff_ff_ff, 0xff_ff_ff_ff]
/** Pieces that mean something in one of the formats. */
const PIECES = [
  '\n',
  '\n\n',
  '\r\n',
  '\u2014 ',
  ' ',
  '+',
  '=',
  '\0',
  '\u00e9',
  '\u{1f600}',
  '\ufeff',
  '%2f',
  '"',
  '\\u0000',
  '{}',
  '[]',
]

type Mutate = (bytes: Buffer, change: Change, other: Buffer) => Buffer

/** The bytes with those of a range replaced. */
const cut = (
  bytes: Buffer,
  [from, to]: [number, number],
  between: Uint8Array = Buffer.alloc(0),
): Buffer => Buffer.concat([bytes.subarray(0, from), between, bytes.subarray(to)])
/** A short length, mostly; sometimes a long one. */
const lengthOf = (value: number): number =>
  1 + (value % 7 === 0 ? (value >>> 3) % 5000 : (value >>> 3) % 16)

const KINDS: readonly Mutate[] = [
  function flip(bytes, { at, value }) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ (1 << (value & 7))
    return changed
  },
  function set(bytes, { at, value }) {
    const changed = Buffer.from(bytes)
    changed[at] = value & 0xff
    return changed
  },
  function insert(bytes, { at, value }) {
    return cut(bytes, [at, at], Buffer.alloc(lengthOf(value), value & 0xff))
  },
  function insertPiece(bytes, { at, value }) {
    return cut(bytes, [at, at], Buffer.from(PIECES[value % PIECES.length] ?? ''))
  },
  function remove(bytes, { at, value }) {
    return cut(bytes, [at, Math.min(bytes.length, at + lengthOf(value))])
  },
  function truncate(bytes, { at }) {
    return bytes.subarray(0, at)
  },
  function duplicate(bytes, { at, value }) {
    const piece = bytes.subarray(at, at + lengthOf(value))
    return cut(bytes, [at, at], piece)
  },
  function repeat(bytes, { at, value }) {
    const piece = bytes.subarray(at, at + 1 + (value % 64))
    return cut(
      bytes,
      [at, at],
      Buffer.concat(Array.from({ length: 1 + ((value >>> 6) % 200) }, () => piece)),
    )
  },
  function splice(bytes, { at, value }, other) {
    return Buffer.concat([bytes.subarray(0, at), other.subarray(value % (other.length + 1))])
  },
  function swapLines(bytes, { at, value }) {
    const lines = bytes.toString('latin1').split('\n')
    const [a, b] = [at % lines.length, value % lines.length]
    const [first = '', second = ''] = [lines[a], lines[b]]
    lines[a] = second
    lines[b] = first
    return Buffer.from(lines.join('\n'), 'latin1')
  },
  function number(bytes, { at, value }) {
    const found = [...bytes.toString('latin1').matchAll(/\d+/g)]
    const one = found[at % Math.max(1, found.length)]
    if (one === undefined) return bytes
    const text = NUMBERS[value % NUMBERS.length] ?? ''
    return cut(bytes, [one.index, one.index + one[0].length], Buffer.from(text))
  },
  function word(bytes, { at, value }) {
    const wide = [1, 2, 4][value % 3] ?? 1
    if (bytes.length < wide) return bytes
    const changed = Buffer.from(bytes)
    const number = (WORDS[(value >>> 2) % WORDS.length] ?? 0) % 2 ** (8 * wide)
    changed.writeUIntBE(number, Math.min(at, bytes.length - wide), wide)
    return changed
  },
]

/** How many kinds of change there are. */
export const KINDS_COUNT: number = KINDS.length
/** What a mutated input may grow to. */
export const INPUT_BYTES_MAX: number = 256 * 1024

/** Applies changes in turn; `other` is what may be spliced in. */
export function mutate(seed: Uint8Array, changes: readonly Change[], other: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(seed)
  for (const { kind, at, value } of changes) {
    const change = { kind, at: at % (bytes.length + 1), value }
    bytes = KINDS[kind % KINDS.length]?.(bytes, change, Buffer.from(other)) ?? bytes
    if (bytes.length > INPUT_BYTES_MAX) bytes = bytes.subarray(0, INPUT_BYTES_MAX)
  }
  return bytes
}
