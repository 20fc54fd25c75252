/**
 * Sections of entries (as in a bundle: uint16 length, bytes) and of addenda (uint32 length, bytes), all big-endian. They are
 * made once by the client, and then only copied: to the socket, the WAL frame, the bundle and the pack. The highest bit of an
 * addendum's length says that it is sealed: an envelope stands before its content.
 */
import { envelopeBytes } from '@countersign/record/envelope'
import { ADDENDUM_BYTES_MAX, ENVELOPE_BYTES_MAX } from './limits.ts'

const ENTRY_LENGTH_BYTES = 2
const ADDENDUM_LENGTH_BYTES = 4
const DIGEST_BYTES = 32
const OFFSET_BYTES = 4

/** In the length of a stored addendum: sealed. */
const SEALED = 0x80_00_00_00

/** An addendum as it is stored. What a leaf names by digest is the content alone: of a sealed one, the ciphertext. */
export interface StoredAddendum {
  readonly content: Uint8Array
  /** Only of a sealed one. @see docs/spec/sealing.md */
  readonly envelope?: Uint8Array | undefined
}

/** What a section is checked against. */
export interface Sections {
  readonly count: number
  readonly entries: Buffer
  readonly addenda: Buffer
}

/**
 * Checks that the sections hold `count` entries, and as many addenda as their trailers name.
 * @returns what is wrong, or undefined.
 */
export function faultOf({ count, entries, addenda }: Sections): string | undefined {
  let at = 0
  let named = 0
  for (let n = 0; n < count; n++) {
    const end = entryEnd(entries, at)
    if (end > entries.length) return `entry ${n} of ${count} ends outside its section`
    const addendaOfEntry = addendaCount(entries.subarray(at + ENTRY_LENGTH_BYTES, end))
    if (addendaOfEntry < 0) return `entry ${n} of ${count} does not end in a tlog-addenda trailer`
    named += addendaOfEntry
    at = end
  }
  if (at !== entries.length) return `the entries section holds more than ${count} entries`
  return faultOfAddenda(addenda, named)
}

/** Where the entry that starts at `at` ends; past the section when it is cut short. */
export function entryEnd(entries: Buffer, at: number): number {
  if (at + ENTRY_LENGTH_BYTES > entries.length) return Number.POSITIVE_INFINITY
  return at + ENTRY_LENGTH_BYTES + entries.readUInt16BE(at)
}

/** Calls back with every entry of a section, as a view. */
export function eachEntry(entries: Buffer, visit: (entry: Buffer) => void): void {
  for (let at = 0; at < entries.length;) {
    const end = entryEnd(entries, at)
    visit(entries.subarray(at + ENTRY_LENGTH_BYTES, end))
    at = end
  }
}

/** The entries of a section, as views. */
export function entriesOf(entries: Buffer): Buffer[] {
  const list: Buffer[] = []
  eachEntry(entries, (entry) => list.push(entry))
  return list
}

/** The addenda of a section that was checked, as views. */
export function addendaOf(addenda: Buffer): StoredAddendum[] {
  const list: StoredAddendum[] = []
  for (let at = 0; at < addenda.length;) {
    const { isSealed, bytes } = storedLength(addenda.readUInt32BE(at))
    const start = at + ADDENDUM_LENGTH_BYTES
    list.push(storedAddendum(addenda.subarray(start, start + bytes), isSealed))
    at = start + bytes
  }
  return list
}

/** What the length of a stored addendum says. */
export function storedLength(length: number): { isSealed: boolean; bytes: number } {
  return length >= SEALED
    ? { isSealed: true, bytes: length - SEALED }
    : { isSealed: false, bytes: length }
}

/** What may stand behind a length: envelope and content, or content alone. A sealed one without a whole envelope has no content either. */
export function storedAddendum(stored: Buffer, isSealed: boolean): StoredAddendum {
  if (!isSealed) return { content: stored }
  const split = envelopeBytes(stored) ?? stored.length
  return { content: stored.subarray(split), envelope: stored.subarray(0, split) }
}

/** Bytes of an addendum behind its length. */
export function storedBytes({ content, envelope }: StoredAddendum): number {
  return content.length + (envelope?.length ?? 0)
}

/** Writes length, envelope and content at `at`; returns where they end. */
export function putAddendum(section: Buffer, at: number, addendum: StoredAddendum): number {
  const { content, envelope } = addendum
  const bytes = storedBytes(addendum)
  section.writeUInt32BE(envelope === undefined ? bytes : SEALED + bytes, at)
  const start = at + ADDENDUM_LENGTH_BYTES
  if (envelope !== undefined) section.set(envelope, start)
  section.set(content, start + (envelope?.length ?? 0))
  return start + bytes
}

/** How many addenda the trailer of an entry names; -1 when there is no such trailer. @see c2sp.org/tlog-addenda */
export function addendaCount(entry: Buffer): number {
  const count = entry[entry.length - 1]
  if (count === undefined) return -1
  const content = entry.length - 1 - count * OFFSET_BYTES
  if (content < 0) return -1
  let free = 0
  for (let n = 0; n < count; n++) {
    const offset = entry.readUInt32BE(content + n * OFFSET_BYTES)
    if (offset < free || offset + DIGEST_BYTES > content) return -1
    free = offset + DIGEST_BYTES
  }
  return count
}

/** Bytes that a record takes in the two sections. */
export function sectionBytes(entry: Uint8Array, addenda: readonly StoredAddendum[]): number {
  let bytes = ENTRY_LENGTH_BYTES + entry.length
  for (const addendum of addenda) bytes += ADDENDUM_LENGTH_BYTES + storedBytes(addendum)
  return bytes
}

/** Writes one entry into a section at `at`; returns where it ends. */
export function putEntry(section: Buffer, at: number, entry: Uint8Array): number {
  section.writeUInt16BE(entry.length, at)
  section.set(entry, at + ENTRY_LENGTH_BYTES)
  return at + ENTRY_LENGTH_BYTES + entry.length
}

function faultOfAddenda(addenda: Buffer, named: number): string | undefined {
  let at = 0
  for (let n = 0; n < named; n++) {
    if (at + ADDENDUM_LENGTH_BYTES > addenda.length) return `addendum ${n} of ${named} is missing`
    const { isSealed, bytes } = storedLength(addenda.readUInt32BE(at))
    at += ADDENDUM_LENGTH_BYTES
    if (bytes > ADDENDUM_BYTES_MAX + (isSealed ? ENVELOPE_BYTES_MAX : 0))
      return `addendum ${n} is over ${ADDENDUM_BYTES_MAX} bytes`
    const stored = addenda.subarray(at, at + bytes)
    if (stored.length < bytes) return `addendum ${n} of ${named} ends outside its section`
    if (isSealed && envelopeBytes(stored) === undefined)
      return `addendum ${n} of ${named} has no whole envelope`
    at += bytes
  }
  return at === addenda.length ? undefined : `there are more than the ${named} addenda named`
}
