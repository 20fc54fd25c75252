/**
 * What lies beside a sealed addendum: under whose key it was sealed, up to which day it is kept, and its own key, wrapped by what follows
 * from both. It is private, is no part of what a leaf names by digest, and is worth nothing once the key of the subject or of the
 * period is destroyed. @see docs/spec/sealing.md
 */
import { RecordError } from './errors.ts'
import type { Leaf } from './leaf.ts'
import { DAY_PATTERN } from './retention.ts'

/** The envelope of one addendum. */
export interface Envelope {
  readonly subject: string
  /** The last day (UTC) on which it is kept, and whose key it needs besides the subject's; absent: it is kept for ever. */
  readonly period?: string
  /** The addendum's key: RFC 3394, 40 bytes. */
  readonly wrappedKey: Uint8Array
}

/** Bytes of a wrapped 32-byte key. */
export const WRAPPED_KEY_BYTES = 40
/** Characters of a subject. */
export const SUBJECT_CHARACTERS_MAX = 64

const encoder = new TextEncoder()

/** Under the subject's key alone. */
const VERSION_1 = 1
/** Under the subject's and the period's. */
const VERSION_2 = 2
const HEAD_BYTES = 2
const PERIOD_BYTES = 10
const PERIOD = new RegExp(`^${DAY_PATTERN}$`)
const PRINTABLE = /^[\x21-\x7e]{1,64}$/

/**
 * What all envelopes of a subject begin with, or all of one that are kept up to the same day.
 * @throws {RecordError} `RECORD_MALFORMED` for a subject that is empty, over 64 characters or not printable ASCII; for a period that is
 * not spelt like a day.
 */
export function envelopeHead(subject: string, period?: string): Uint8Array {
  if (!PRINTABLE.test(subject)) throw malformed('a subject is 1 to 64 printable characters')
  if (period === undefined)
    return Uint8Array.of(VERSION_1, subject.length, ...encoder.encode(subject))
  if (!PERIOD.test(period)) throw malformed('a period is a day, such as 2026-11-26')
  return Uint8Array.of(VERSION_2, subject.length, ...encoder.encode(subject + period))
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
  if (version !== VERSION_1 && version !== VERSION_2) return undefined
  if (subjectBytes === 0 || subjectBytes > SUBJECT_CHARACTERS_MAX) return undefined
  const periodBytes = version === VERSION_2 ? PERIOD_BYTES : 0
  const end = HEAD_BYTES + subjectBytes + periodBytes + WRAPPED_KEY_BYTES
  return end <= bytes.length ? end : undefined
}

/** Reads an envelope that fills `envelope`. @throws {RecordError} `RECORD_MALFORMED` */
export function decodeEnvelope(envelope: Uint8Array): Envelope {
  const end = envelopeBytes(envelope)
  if (end !== envelope.length) throw malformed('it has another length than it says')
  const [version, subjectBytes = 0] = envelope
  const named = String.fromCharCode(...envelope.subarray(HEAD_BYTES, end - WRAPPED_KEY_BYTES))
  const subject = named.slice(0, subjectBytes)
  if (!PRINTABLE.test(subject)) throw malformed('its subject is not printable')
  const wrappedKey = envelope.subarray(end - WRAPPED_KEY_BYTES)
  if (version === VERSION_1) return { subject, wrappedKey }
  const period = named.slice(subjectBytes)
  if (!PERIOD.test(period)) throw malformed('its period is no day')
  return { subject, period, wrappedKey }
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
