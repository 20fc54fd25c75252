/**
 * From a draft to exact bytes. They are the record: encoded once, hashed, stored, and never serialised again. Nothing is ever
 * truncated; what does not fit is an error before it is sequenced.
 */
import type { Sha256 } from '@countersign/tlog/hash'

import { leafJson } from './encode-json.ts'
import type { Stamp } from './encode-leaf.ts'
import {
  ADDENDA_MAX,
  ADDENDUM_BYTES_MAX,
  ENTRY_BYTES_MAX,
  SEALING_BYTES_MAX,
} from './encode-limits.ts'
import { RecordError } from './errors.ts'
import type { Addendum, Draft } from './leaf.ts'
import { SALT_BYTES } from './salt.ts'

export type { Stamp } from './encode-leaf.ts'
export { ADDENDA_MAX, ADDENDUM_BYTES_MAX, ENTRY_BYTES_MAX } from './encode-limits.ts'

/**
 * A record in its final bytes. `addenda` are the contents of the draft, in the order of the digests inside `entry`, which shares its
 * buffer with other entries: copy it before handing the buffer itself to anyone.
 */
export interface EncodedRecord {
  readonly entry: Uint8Array
  readonly addenda: Uint8Array[]
}

/** Bytes of a body that fit one addendum beside its salt, also once it is sealed. */
export const BODY_PIECE_BYTES_MAX: number = ADDENDUM_BYTES_MAX - SALT_BYTES - SEALING_BYTES_MAX

const DIGEST_BYTES = 32
const OFFSET_BYTES = 4
const NEWLINE = 0x0a

// Entries are cut from a slab, one after the other: a buffer of its own for each would cost as much as encoding it.
const SLAB_BYTES = 8 * (ENTRY_BYTES_MAX + 1)
let slab = new Uint8Array(SLAB_BYTES)
let slabUsed = 0
const encoder = new TextEncoder()

/**
 * Encodes one record and checks it as a reader will.
 * @param stamp the writer's session, the record's number in it, and the id of the record before it (absent for number 0).
 * @throws {RecordError} `ENTRY_TOO_LARGE` over 65,535 bytes, `ADDENDUM_TOO_LARGE` over 4 MiB, `ADDENDA_TOO_MANY` over 255,
 * `RECORD_MALFORMED` when a member has a value its type does not allow.
 * @see docs/spec/record.md, "The bytes"
 */
export function encodeDraft(draft: Draft, stamp: Stamp, sha256: Sha256): EncodedRecord {
  checkAddenda(draft.addenda)
  const json = leafJson(draft, stamp)
  const trailerBytes = draft.addenda.length * (DIGEST_BYTES + OFFSET_BYTES) + 1
  const room = takeRoom()
  // A text has at least as many bytes as UTF-16 units, so what is too long here need not be encoded to know it.
  const { read, written } =
    json.length > ENTRY_BYTES_MAX ? { read: 0, written: 0 } : encoder.encodeInto(json, room)
  if (read < json.length || written + 1 + trailerBytes > ENTRY_BYTES_MAX) {
    throw new RecordError(
      'ENTRY_TOO_LARGE',
      `could not encode a record: over ${ENTRY_BYTES_MAX} bytes; move large content to an addendum`,
    )
  }
  room[written] = NEWLINE
  const contents = draft.addenda.map(({ content }) => content)
  writeAddenda(
    room,
    written + 1,
    contents.map((content) => sha256(content)),
  )
  const end = written + 1 + trailerBytes
  slabUsed += end
  return { entry: room.subarray(0, end), addenda: contents }
}

/**
 * Makes an addendum of an object. The salt comes first, so that its digest, which stays for ever, tells nothing about an erased one.
 * @param salt `SALT_BYTES` random bytes, never used before.
 * @throws {RecordError} `ADDENDUM_TOO_LARGE`; `RECORD_MALFORMED` for another length of salt, or an object with a `salt` of its own.
 */
export function encodeAddendum(
  name: string,
  object: Readonly<Record<string, unknown>>,
  salt: Uint8Array,
): Addendum {
  checkSalt(salt)
  if (Object.hasOwn(object, 'salt'))
    throw new RecordError(
      'RECORD_MALFORMED',
      `could not encode the addendum ${name}: "salt" is a name of ours`,
    )
  const json = JSON.stringify(object)
  const rest = json === '{}' ? '}' : `,${json.slice(1)}`
  const addendum = { name, content: bytesOf(`{"salt":"${hexOf(salt)}"${rest}`) }
  checkAddenda([addendum])
  return addendum
}

/**
 * Makes an addendum of raw bytes, a body or a piece of one: the salt, then the bytes as they are.
 * @param salt `SALT_BYTES` random bytes, never used before.
 * @throws {RecordError} `ADDENDUM_TOO_LARGE` over `BODY_PIECE_BYTES_MAX`; `RECORD_MALFORMED` for another length of salt.
 */
export function encodeBody(
  name: 'request.body' | 'response.body',
  piece: Uint8Array,
  salt: Uint8Array,
): Addendum {
  checkSalt(salt)
  if (piece.length > BODY_PIECE_BYTES_MAX) throw tooLarge(name, BODY_PIECE_BYTES_MAX)
  const content = new Uint8Array(SALT_BYTES + piece.length)
  content.set(salt)
  content.set(piece, SALT_BYTES)
  return { name, content }
}

function takeRoom(): Uint8Array {
  if (slabUsed + ENTRY_BYTES_MAX > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES)
    slabUsed = 0
  }
  return slab.subarray(slabUsed, slabUsed + ENTRY_BYTES_MAX)
}

/** Writes digests and trailer. @see https://c2sp.org/tlog-addenda */
function writeAddenda(room: Uint8Array, start: number, digests: readonly Uint8Array[]): void {
  let digestAt = start
  let offsetAt = start + digests.length * DIGEST_BYTES
  for (const digest of digests) {
    room.set(digest, digestAt)
    room[offsetAt] = digestAt >>> 24
    room[offsetAt + 1] = digestAt >>> 16
    room[offsetAt + 2] = digestAt >>> 8
    room[offsetAt + 3] = digestAt
    digestAt += DIGEST_BYTES
    offsetAt += OFFSET_BYTES
  }
  room[offsetAt] = digests.length
}

function checkAddenda(addenda: readonly Addendum[]): void {
  if (addenda.length > ADDENDA_MAX)
    throw new RecordError(
      'ADDENDA_TOO_MANY',
      `could not encode a record: over ${ADDENDA_MAX} addenda`,
    )
  for (const { name, content } of addenda) {
    if (content.length > ADDENDUM_BYTES_MAX) throw tooLarge(name, ADDENDUM_BYTES_MAX)
  }
}

function tooLarge(name: string, bytesMax: number): RecordError {
  return new RecordError(
    'ADDENDUM_TOO_LARGE',
    `could not encode the addendum ${name}: over ${bytesMax} bytes; use several`,
  )
}

function checkSalt(salt: Uint8Array): void {
  if (salt.length !== SALT_BYTES)
    throw new RecordError(
      'RECORD_MALFORMED',
      `could not encode an addendum: its salt must be ${SALT_BYTES} bytes`,
    )
}

/** UTF-8, cut from the slab when it surely fits: a character of UTF-16 takes three bytes at most. */
function bytesOf(json: string): Uint8Array {
  if (json.length * 3 > ENTRY_BYTES_MAX) return encoder.encode(json)
  const room = takeRoom()
  const { written } = encoder.encodeInto(json, room)
  slabUsed += written
  return room.subarray(0, written)
}

const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function hexOf(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += hexDigits[byte] ?? ''
  return hex
}
