/**
 * Rows as ClickHouse's RowBinary: the values of each row in the order of the columns, integers little-endian, texts as UTF-8 behind
 * their length as LEB128, lists behind their number, and before a value that may be NULL a byte that says whether it is.
 *
 * Rows as JSON take three times as long to write, and twice as long to read.
 */
import type { Column } from './columns.ts'

/** Room at first; twice what is needed is made where it is not enough. */
const BYTES = 64 * 1024
/** The largest value that is no text, and the length of one: what each column has room for without asking. */
const FIXED_BYTES_MAX = 9
const INTEGER_BYTES = 8
const UTF8_BYTES_MAX = 3
const MS_PER_DAY = 86_400_000
const DAYS_MAX = 0xff_ff
const TWO_TO_THE_32 = 0x1_00_00_00_00

const DECIMAL = /^-?\d{1,19}$/

/** What is being written. */
interface Sheet {
  bytes: Buffer
  at: number
  /** Bytes that a row takes beside its texts, at most. */
  readonly fixedBytes: number
}

type Write = (sheet: Sheet, value: unknown) => void

/** How the values of a column are written. */
interface Writer {
  /** What stands for no value: so many bytes of zero, or the byte of NULL. */
  readonly absent: number | 'null'
  readonly write: Write
}

const TEXT: Writer = { absent: 1, write: writeText }
const INTEGER: Writer = { absent: INTEGER_BYTES, write: writeInteger }

const WRITERS: Readonly<Record<string, Writer>> = {
  String: TEXT,
  'LowCardinality(String)': TEXT,
  'Array(LowCardinality(String))': { absent: 1, write: writeList },
  Int64: INTEGER,
  UInt64: INTEGER,
  UInt32: { absent: 4, write: writeUInt32 },
  UInt8: { absent: 1, write: writeByte },
  'Nullable(Int64)': { absent: 'null', write: notNull(writeInteger) },
  'Nullable(Bool)': { absent: 'null', write: notNull(writeBool) },
  Date: { absent: 2, write: writeDate },
}

/**
 * @param rows values in the order of the columns; undefined is the empty text, the empty list, zero or NULL
 * @throws {TypeError} for a value that its column cannot hold
 */
export function rowBinary(columns: readonly Column[], rows: Iterable<readonly unknown[]>): Buffer {
  const writers = columns.map(({ type }) => {
    const writer = WRITERS[type]
    if (writer === undefined) throw new TypeError(`could not write rows: no column is a ${type}`)
    return writer
  })
  const sheet: Sheet = {
    bytes: Buffer.allocUnsafe(BYTES),
    at: 0,
    fixedBytes: columns.length * FIXED_BYTES_MAX,
  }
  for (const row of rows) {
    reserve(sheet, 0)
    writeRow(sheet, writers, row)
  }
  return sheet.bytes.subarray(0, sheet.at)
}

function writeRow(sheet: Sheet, writers: readonly Writer[], values: readonly unknown[]): void {
  let place = 0
  for (const { absent, write } of writers) {
    const value = values[place++]
    if (value !== undefined) write(sheet, value)
    else if (absent === 'null') sheet.bytes[sheet.at++] = 1
    else for (let zero = 0; zero < absent; zero++) sheet.bytes[sheet.at++] = 0
  }
}

function notNull(write: Write): Write {
  return (sheet, value) => {
    sheet.bytes[sheet.at++] = 0
    write(sheet, value)
  }
}

/** Makes room for bytes of a text, and for what may come before the next one. */
function reserve(sheet: Sheet, textBytes: number): void {
  const needed = sheet.at + textBytes + sheet.fixedBytes
  if (needed <= sheet.bytes.length) return
  const larger = Buffer.allocUnsafe(2 * needed)
  sheet.bytes.copy(larger, 0, 0, sheet.at)
  sheet.bytes = larger
}

function writeText(sheet: Sheet, value: unknown): void {
  if (typeof value !== 'string') throw unwritable(value, 'a string')
  reserve(sheet, UTF8_BYTES_MAX * value.length)
  if (value.length < 0x80 && writeAscii(sheet, value)) return
  writeLength(sheet, Buffer.byteLength(value))
  sheet.at += sheet.bytes.write(value, sheet.at)
}

/** Most texts are short and plain: a call into Node's own code takes longer than writing them. @returns whether it was one */
function writeAscii(sheet: Sheet, text: string): boolean {
  const { bytes, at } = sheet
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return false
    bytes[at + 1 + index] = unit
  }
  bytes[at] = text.length
  sheet.at = at + 1 + text.length
  return true
}

function writeList(sheet: Sheet, value: unknown): void {
  if (!Array.isArray(value)) throw unwritable(value, 'a list')
  writeLength(sheet, value.length)
  for (const text of value) {
    // The length of each.
    reserve(sheet, FIXED_BYTES_MAX)
    writeText(sheet, text)
  }
}

function writeLength(sheet: Sheet, length: number): void {
  let rest = length
  while (rest > 0x7f) {
    sheet.bytes[sheet.at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  sheet.bytes[sheet.at++] = rest
}

/** @param value a whole number, or one in decimal: those past 2^53 */
function writeInteger(sheet: Sheet, value: unknown): void {
  const number = Number(value)
  if (Number.isSafeInteger(number)) {
    sheet.bytes.writeInt32LE(number | 0, sheet.at)
    sheet.bytes.writeInt32LE(Math.floor(number / TWO_TO_THE_32), sheet.at + 4)
  } else {
    if (typeof value !== 'string' || !DECIMAL.test(value)) throw unwritable(value, 'an integer')
    const large = BigInt(value)
    if (BigInt.asIntN(64, large) !== large) throw unwritable(value, 'an integer of 64 bits')
    sheet.bytes.writeBigInt64LE(large, sheet.at)
  }
  sheet.at += INTEGER_BYTES
}

function writeUInt32(sheet: Sheet, value: unknown): void {
  if (typeof value !== 'number') throw unwritable(value, 'a number')
  sheet.at = sheet.bytes.writeUInt32LE(value, sheet.at)
}

function writeByte(sheet: Sheet, value: unknown): void {
  if (typeof value !== 'number') throw unwritable(value, 'a number')
  sheet.at = sheet.bytes.writeUInt8(value, sheet.at)
}

function writeBool(sheet: Sheet, value: unknown): void {
  if (typeof value !== 'boolean') throw unwritable(value, 'a boolean')
  sheet.bytes[sheet.at++] = value ? 1 : 0
}

/** @param value `YYYY-MM-DD`, up to 2149-06-06 */
function writeDate(sheet: Sheet, value: unknown): void {
  const days = Date.parse(`${String(value)}T00:00:00Z`) / MS_PER_DAY
  if (!(Number.isInteger(days) && days >= 0 && days <= DAYS_MAX)) throw unwritable(value, 'a day')
  sheet.at = sheet.bytes.writeUInt16LE(days, sheet.at)
}

/** A defect of ours: transactions are checked when they are read. Says no value of a row. */
function unwritable(value: unknown, wanted: string): TypeError {
  return new TypeError(`could not write a row: a ${typeof value} is not ${wanted}`)
}
