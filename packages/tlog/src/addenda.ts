import { checkEntrySize } from './bundle.ts'
import { TlogError } from './errors.ts'
import { HASH_BYTES } from './hash.ts'

/** An entry that names addenda: `digests[i]` are the 32 raw bytes of `content` at `offsets[i]`. */
export interface AddendaEntry {
  readonly content: Uint8Array
  readonly digests: readonly Uint8Array[]
  readonly offsets: readonly number[]
}

/** Addenda of one entry; what the count byte can say. */
export const ADDENDA_MAX = 255

const OFFSET_BYTES = 4

/**
 * An entry that names its addenda: content with raw SHA-256 digests in it, then their offsets (u32 big-endian), then their count (u8).
 * @param offsets where in `content` each digest lies: ascending, not overlapping, in range.
 * @throws {TlogError} `ADDENDA_MALFORMED`; `ENTRY_TOO_LARGE` when the whole is over 65,535 bytes
 */
export function encodeAddendaEntry(content: Uint8Array, offsets: readonly number[]): Uint8Array {
  checkOffsets(content.length, offsets)
  const entry = new Uint8Array(content.length + offsets.length * OFFSET_BYTES + 1)
  checkEntrySize(entry.length)
  const view = new DataView(entry.buffer)
  entry.set(content)
  for (const [at, offset] of offsets.entries())
    view.setUint32(content.length + at * OFFSET_BYTES, offset)
  entry[entry.length - 1] = offsets.length
  return entry
}

/** Reads an entry that names its addenda; all parts are views into `entry`. @throws {TlogError} `ADDENDA_MALFORMED`, `ENTRY_TOO_LARGE` */
export function decodeAddendaEntry(entry: Uint8Array): AddendaEntry {
  checkEntrySize(entry.length)
  const count = entry.at(-1)
  if (count === undefined) throw malformed('it is empty')
  const contentLength = entry.length - 1 - count * OFFSET_BYTES
  if (contentLength < 0) throw malformed('it is too short for its offsets')
  const view = new DataView(entry.buffer, entry.byteOffset, entry.length)
  const offsets = Array.from({ length: count }, (_, at) =>
    view.getUint32(contentLength + at * OFFSET_BYTES),
  )
  checkOffsets(contentLength, offsets)
  const content = entry.subarray(0, contentLength)
  return {
    content,
    digests: offsets.map((offset) => content.subarray(offset, offset + HASH_BYTES)),
    offsets,
  }
}

/**
 * Where an addendum is served, below the log's prefix: `addenda/ab/cd/<64 hex digits>`.
 * @param digest SHA-256 of the addendum in lowercase hexadecimal.
 * @throws {TlogError} `HEX_MALFORMED`
 */
export function addendumPath(digest: string): string {
  // It becomes a path on disk: anything but hexadecimal could leave the directory.
  if (!/^[0-9a-f]{64}$/.test(digest)) {
    throw new TlogError(
      'HEX_MALFORMED',
      'could not name an addendum: its digest is 64 lowercase hexadecimal digits',
    )
  }
  return `addenda/${digest.slice(0, 2)}/${digest.slice(2, 4)}/${digest}`
}

function checkOffsets(contentLength: number, offsets: readonly number[]): void {
  if (offsets.length > ADDENDA_MAX) throw malformed(`it names over ${ADDENDA_MAX} addenda`)
  let free = 0
  for (const offset of offsets) {
    if (!Number.isInteger(offset) || offset < free)
      throw malformed('its offsets must ascend and its digests must not overlap')
    free = offset + HASH_BYTES
    if (free > contentLength) throw malformed('a digest lies outside its content')
  }
}

function malformed(why: string): TlogError {
  return new TlogError('ADDENDA_MALFORMED', `could not use an entry with addenda: ${why}`)
}
