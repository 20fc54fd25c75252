import { TlogError } from './errors.ts'
import { TILE_WIDTH } from './tile.ts'

/** Bytes of one entry; what its uint16 length can say. */
export const ENTRY_BYTES_MAX = 0xff_ff

const LENGTH_BYTES = 2

/**
 * One entry as it stands in a bundle: uint16 big-endian length, then the bytes.
 * @throws {TlogError} `ENTRY_TOO_LARGE` over 65,535 bytes: a longer one would be cut short in silence
 * @see https://c2sp.org/tlog-tiles, "Log entries"
 */
export function encodeEntry(entry: Uint8Array): Uint8Array {
  return encodeBundle([entry])
}

/** Several entries one after the other. @throws {TlogError} `ENTRY_TOO_LARGE` over 65,535 bytes in any of them */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const entry of entries) {
    checkEntrySize(entry.length)
    length += LENGTH_BYTES + entry.length
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const entry of entries) {
    bytes[at] = entry.length >>> 8
    bytes[at + 1] = entry.length
    bytes.set(entry, at + LENGTH_BYTES)
    at += LENGTH_BYTES + entry.length
  }
  return bytes
}

/**
 * The entries of a bundle, as views into `bytes`.
 * @param expectedCount 1 to 256: the width of the bundle; any other number of entries is refused.
 * @throws {TlogError} `BUNDLE_MALFORMED` when it is empty, holds over 256 entries or another count, or ends inside an entry
 */
export function decodeBundle(bytes: Uint8Array, expectedCount?: number): Uint8Array[] {
  const entries: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    const high = bytes[at]
    const low = bytes[at + 1]
    if (high === undefined || low === undefined) throw malformed('it ends inside a length')
    const start = at + LENGTH_BYTES
    const end = start + ((high << 8) | low)
    if (end > bytes.length) throw malformed('it ends inside an entry')
    if (entries.length === TILE_WIDTH) throw malformed(`it holds over ${TILE_WIDTH} entries`)
    entries.push(bytes.subarray(start, end))
    at = end
  }
  if (entries.length === 0) throw malformed('it is empty')
  if (expectedCount !== undefined && entries.length !== expectedCount) {
    throw malformed(`it holds ${entries.length} entries, not ${expectedCount}`)
  }
  return entries
}

/** @throws {TlogError} `ENTRY_TOO_LARGE` over 65,535 bytes */
export function checkEntrySize(bytes: number): void {
  if (bytes > ENTRY_BYTES_MAX) {
    throw new TlogError(
      'ENTRY_TOO_LARGE',
      `could not encode an entry of ${bytes} bytes: the limit is ${ENTRY_BYTES_MAX}`,
    )
  }
}

function malformed(why: string): TlogError {
  return new TlogError('BUNDLE_MALFORMED', `could not read an entry bundle: ${why}`)
}
