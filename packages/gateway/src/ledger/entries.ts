/**
 * Sections of entries (as in a bundle: uint16 length, bytes) and of addenda (uint32 length, bytes), all big-endian. They are
 * made once by the client, and then only copied: to the socket, the WAL frame, the bundle and the pack.
 */
import { ADDENDUM_BYTES_MAX } from './limits.ts'

const ENTRY_LENGTH_BYTES = 2
const ADDENDUM_LENGTH_BYTES = 4
const DIGEST_BYTES = 32
const OFFSET_BYTES = 4

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

/** The addenda of a section, as views. */
export function addendaOf(addenda: Buffer): Buffer[] {
  const list: Buffer[] = []
  for (let at = 0; at < addenda.length;) {
    const end = at + ADDENDUM_LENGTH_BYTES + addenda.readUInt32BE(at)
    list.push(addenda.subarray(at + ADDENDUM_LENGTH_BYTES, end))
    at = end
  }
  return list
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
export function sectionBytes(entry: Uint8Array, addenda: readonly Uint8Array[]): number {
  let bytes = ENTRY_LENGTH_BYTES + entry.length
  for (const addendum of addenda) bytes += ADDENDUM_LENGTH_BYTES + addendum.length
  return bytes
}

/** Writes one entry into a section at `at`; returns where it ends. */
export function putEntry(section: Buffer, at: number, entry: Uint8Array): number {
  section.writeUInt16BE(entry.length, at)
  section.set(entry, at + ENTRY_LENGTH_BYTES)
  return at + ENTRY_LENGTH_BYTES + entry.length
}

/** Writes one addendum into a section at `at`; returns where it ends. */
export function putAddendum(section: Buffer, at: number, addendum: Uint8Array): number {
  section.writeUInt32BE(addendum.length, at)
  section.set(addendum, at + ADDENDUM_LENGTH_BYTES)
  return at + ADDENDUM_LENGTH_BYTES + addendum.length
}

function faultOfAddenda(addenda: Buffer, named: number): string | undefined {
  let at = 0
  for (let n = 0; n < named; n++) {
    if (at + ADDENDUM_LENGTH_BYTES > addenda.length) return `addendum ${n} of ${named} is missing`
    const bytes = addenda.readUInt32BE(at)
    if (bytes > ADDENDUM_BYTES_MAX) return `addendum ${n} is over ${ADDENDUM_BYTES_MAX} bytes`
    at += ADDENDUM_LENGTH_BYTES + bytes
    if (at > addenda.length) return `addendum ${n} of ${named} ends outside its section`
  }
  return at === addenda.length ? undefined : `there are more than the ${named} addenda named`
}
