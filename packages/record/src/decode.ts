/**
 * From exact bytes to a record, strictly: one record has one byte string, so nothing can hide in a second spelling.
 * Everything here is attacker-controlled: an auditor runs it over a log of unknown origin.
 */
import { leafShape } from './decode-leaf.ts'
import { ADDENDUM_BYTES_MAX, ENTRY_BYTES_MAX } from './encode-limits.ts'
import { RecordError } from './errors.ts'
import type { Leaf } from './leaf.ts'
import { SALT_BYTES } from './salt.ts'

/** A record as read: its facts, and the SHA-256 digests of its addenda in the order of `leaf.addenda`. */
export interface DecodedRecord {
  readonly leaf: Leaf
  readonly digests: readonly Uint8Array[]
}

/** What ties a record to others. */
export interface RecordHead {
  readonly id: string
  readonly phase: string
  readonly session: string
  readonly seq: number
  readonly prev?: string | undefined
}

/** What our addenda hold besides their salt. */
export interface DecodedAddendum {
  readonly salt: Uint8Array
  readonly object: Readonly<Record<string, unknown>>
}

const DIGEST_BYTES = 32
const OFFSET_BYTES = 4
const NEWLINE = 0x0a
const NAME = '{"name":'
const LEAF = new RegExp(`^${leafShape.source ?? '(?!)'}$`)
const SALT_MEMBER = /^\{"salt":"([0-9a-f]{32})"[,}]/

// The byte order mark is no part of JSON, so it must not be skipped.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads one entry of the log.
 * @param entry JSON of the leaf, a newline, 32 bytes for each addendum, 4-byte offsets, a count byte.
 * @throws {RecordError} `RECORD_MALFORMED`, with the path of the member; `ENTRY_TOO_LARGE`.
 * @see docs/spec/record.md, "The bytes"
 */
export function decodeEntry(entry: Uint8Array): DecodedRecord {
  const { json, count } = splitEntry(entry)
  const leaf = parseCanonical(decodeText(json))
  checkLeaf(leaf)
  const named = leaf.addenda?.length
  if (named === 0) throw malformed('addenda must be absent when there are none')
  if ((named ?? 0) !== count)
    throw malformed(`addenda names ${named ?? 0}, and ${count} digests follow`)
  const at = json.length + 1
  return {
    leaf,
    digests: Array.from({ length: count }, (_, nth) =>
      entry.subarray(at + nth * DIGEST_BYTES, at + (nth + 1) * DIGEST_BYTES),
    ),
  }
}

/**
 * Checks an entry as strictly as `decodeEntry`, but answers only what ties it to others: several times as fast, for whole logs.
 * @throws {RecordError} as `decodeEntry`
 */
export function scanEntry(entry: Uint8Array): RecordHead {
  const { json, count } = splitEntry(entry)
  const found = LEAF.exec(decodeText(json))
  // What the expression does not know, the decoder decides: rare records, very large numbers, and every error.
  if (found === null || countNames(found[6]) !== count) return headOf(decodeEntry(entry).leaf)
  return {
    id: found[1] ?? '',
    phase: found[2] ?? '',
    session: found[3] ?? '',
    seq: Number(found[4]),
    prev: found[5],
  }
}

/**
 * Whether a text is the JSON of a leaf as `encodeDraft` writes it, byte for byte.
 * @throws {RecordError} `RECORD_MALFORMED`, with the path of the member
 */
export function checkLeafJson(json: string): void {
  if (!LEAF.test(json)) checkLeaf(parseCanonical(json))
}

/**
 * Reads the content of an addendum that `encodeAddendum` wrote.
 * @throws {RecordError} `RECORD_MALFORMED`; `ADDENDUM_TOO_LARGE`
 */
export function decodeAddendum(content: Uint8Array): DecodedAddendum {
  checkAddendumSize(content)
  const json = decodeText(content)
  const salt = SALT_MEMBER.exec(json)?.[1]
  if (salt === undefined)
    throw malformed('an addendum starts with its salt, 32 lower-case hex digits')
  const parsed = parseCanonical(json)
  const object = Object.fromEntries(Object.entries(parsed).slice(1))
  return {
    salt: Uint8Array.from({ length: SALT_BYTES }, (_, at) =>
      Number.parseInt(salt.slice(2 * at, 2 * at + 2), 16),
    ),
    object,
  }
}

/**
 * Reads the content of a piece of a body that `encodeBody` wrote.
 * @throws {RecordError} `RECORD_MALFORMED`; `ADDENDUM_TOO_LARGE`
 */
export function decodeBody(content: Uint8Array): { salt: Uint8Array; piece: Uint8Array } {
  checkAddendumSize(content)
  if (content.length < SALT_BYTES) throw malformed(`a body starts with ${SALT_BYTES} bytes of salt`)
  return { salt: content.subarray(0, SALT_BYTES), piece: content.subarray(SALT_BYTES) }
}

function headOf({ id, phase, session, seq, prev }: Leaf): RecordHead {
  return { id, phase, session, seq, prev }
}

function checkLeaf(value: unknown): asserts value is Leaf {
  leafShape.check(value, '')
}

// The digests stand directly after the newline, so the trailer can say only one thing; anything else in it is a second spelling.
function splitEntry(entry: Uint8Array): { json: Uint8Array; count: number } {
  if (entry.length > ENTRY_BYTES_MAX)
    throw new RecordError(
      'ENTRY_TOO_LARGE',
      `could not read a record: over ${ENTRY_BYTES_MAX} bytes`,
    )
  const count = entry[entry.length - 1] ?? 0
  const jsonBytes = entry.length - 2 - count * (DIGEST_BYTES + OFFSET_BYTES)
  if (jsonBytes < 0)
    throw malformed(`its ${entry.length} bytes do not hold a newline and ${count} addenda`)
  if (entry[jsonBytes] !== NEWLINE)
    throw malformed(`byte ${jsonBytes}, before the digests of ${count} addenda, must be a newline`)
  for (let nth = 0; nth < count; nth++) {
    const at = entry.length - 1 - (count - nth) * OFFSET_BYTES
    if (uint32At(entry, at) !== jsonBytes + 1 + nth * DIGEST_BYTES)
      throw malformed(`the offset at byte ${at} does not point to the digest of addendum ${nth}`)
  }
  return { json: entry.subarray(0, jsonBytes), count }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw malformed('it is not UTF-8', cause)
  }
}

function parseCanonical(json: string): object {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw malformed('it is not JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('it must be a JSON object')
  // Duplicate members, white space, other escapes and other spellings of a number all come back different.
  const canonical = JSON.stringify(value)
  if (canonical !== json)
    throw malformed(
      `its JSON is not as we write it, from character ${firstDifference(json, canonical)} on`,
    )
  return value
}

function firstDifference(a: string, b: string): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return at
}

// Inside a JSON string a quote is escaped, so this text can only be the start of an item.
function countNames(addenda: string | undefined): number {
  if (addenda === undefined) return 0
  let count = 0
  for (let at = addenda.indexOf(NAME); at >= 0; at = addenda.indexOf(NAME, at + NAME.length))
    count += 1
  return count === 0 ? -1 : count
}

function uint32At(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  )
}

function checkAddendumSize(content: Uint8Array): void {
  if (content.length > ADDENDUM_BYTES_MAX)
    throw new RecordError(
      'ADDENDUM_TOO_LARGE',
      `could not read an addendum: over ${ADDENDUM_BYTES_MAX} bytes`,
    )
}

function malformed(why: string, cause?: unknown): RecordError {
  return new RecordError('RECORD_MALFORMED', `could not read a record: ${why}`, { cause })
}
