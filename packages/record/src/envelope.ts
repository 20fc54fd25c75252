/**
 * What lies beside a sealed addendum: under whose key it was sealed, and its own key, wrapped by that one. It is private, is no
 * part of what a leaf names by digest, and is worth nothing once the subject's key is destroyed. @see docs/spec/sealing.md
 */
import { RecordError } from './errors.ts'
import type { Leaf } from './leaf.ts'

/** The envelope of one addendum. */
export interface Envelope {
  readonly subject: string
  /** The addendum's key under the subject's: RFC 3394, 40 bytes. */
  readonly wrappedKey: Uint8Array
}

/** Bytes of a wrapped 32-byte key. */
export const WRAPPED_KEY_BYTES = 40
/** Characters of a subject. */
export const SUBJECT_CHARACTERS_MAX = 64

const encoder = new TextEncoder()

const VERSION = 1
const HEAD_BYTES = 2
const PRINTABLE = /^[\x21-\x7e]{1,64}$/

/**
 * What all envelopes of a subject begin with.
 * @throws {RecordError} `RECORD_MALFORMED` for a subject that is empty, over 64 characters or not printable ASCII.
 */
export function envelopeHead(subject: string): Uint8Array {
  if (!PRINTABLE.test(subject)) throw malformed('a subject is 1 to 64 printable characters')
  return Uint8Array.of(VERSION, subject.length, ...encoder.encode(subject))
}

/**
 * Writes an envelope.
 * @param head as `envelopeHead` gives it.
 * @throws {RecordError} `RECORD_MALFORMED` for another length of key.
 */
export function encodeEnvelope(head: Uint8Array, wrappedKey: Uint8Array): Uint8Array {
  if (wrappedKey.length !== WRAPPED_KEY_BYTES) throw malformed('a wrapped key is 40 bytes')
  const envelope = new Uint8Array(head.length + WRAPPED_KEY_BYTES)
  envelope.set(head)
  envelope.set(wrappedKey, head.length)
  return envelope
}

/** Bytes of the envelope at the start of `bytes`; undefined when none that we know begins there, or it is cut short. */
export function envelopeBytes(bytes: Uint8Array): number | undefined {
  const [version, subjectBytes = 0] = bytes
  if (version !== VERSION || subjectBytes === 0 || subjectBytes > SUBJECT_CHARACTERS_MAX)
    return undefined
  const end = HEAD_BYTES + subjectBytes + WRAPPED_KEY_BYTES
  return end <= bytes.length ? end : undefined
}

/** Reads an envelope that fills `envelope`. @throws {RecordError} `RECORD_MALFORMED` */
export function decodeEnvelope(envelope: Uint8Array): Envelope {
  const end = envelopeBytes(envelope)
  if (end !== envelope.length) throw malformed('it has another length than it says')
  const subject = String.fromCharCode(...envelope.subarray(HEAD_BYTES, end - WRAPPED_KEY_BYTES))
  if (!PRINTABLE.test(subject)) throw malformed('its subject is not printable')
  return { subject, wrappedKey: envelope.subarray(end - WRAPPED_KEY_BYTES) }
}

/**
 * The context under which an addendum is sealed: it opens in its own place alone.
 * @param ordinal its place among the addenda of the record, from 0.
 */
export function sealingContext(
  { id, phase }: Pick<Leaf, 'id' | 'phase'>,
  ordinal: number,
): Uint8Array {
  return encoder.encode(`${id} ${phase} ${ordinal}`)
}

function malformed(why: string): RecordError {
  return new RecordError('RECORD_MALFORMED', `could not use an envelope: ${why}`)
}
