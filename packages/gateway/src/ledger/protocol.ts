/**
 * The ledger's socket protocol. A message is `u32 length || u8 type || u32 request || payload`, all big-endian; `length`
 * counts what follows it. The client numbers its requests; each is answered once, with the same type + 0x80 or with ERROR;
 * an APPEND of level 1 or 2 is answered once for each level from 0 on. Answers to different requests may come in any order.
 * The first message is HELLO.
 *
 * | type | payload of the request | payload of the answer |
 * |---|---|---|
 * | 1 HELLO | session, UTF-8. An older connection of the session is closed first, so nothing of it can still be written | STATUS |
 * | 2 APPEND | u8 level (0, 1 or 2), u32 count, u32 bytes of entries, entries (bundle encoding), addenda (u32 length, bytes; sealed ones as in the WAL) | u64 index of the first; they are durable |
 * | 3 PROVE | u64 index, u8 level (1 or 2) | text of a `.tlog-proof`, UTF-8 |
 * | 4 ENTRIES | u64 from, u32 count at most | u64 from, entries (bundle encoding), perhaps fewer |
 * | 5 STATUS | | `LedgerStatus`, JSON |
 * | 6 PUBLISH | | nothing; all that was durable is published |
 * | 16 ERASE | u64 index of an erasure record | u64 how many addenda were removed from the packs |
 * | 0x87 SIGNED | | u64 size of the signed checkpoint: the second answer to an APPEND of level 1 or 2 |
 * | 0x88 WITNESSED | | u64 size of the checkpoint that the quorum cosigned: the third answer to an APPEND of level 2 |
 * | 0xff ERROR | | code, newline, message, UTF-8 |
 *
 * A message that breaks these rules closes the connection, after an ERROR with request 0.
 */
import type { AcknowledgementLevel } from '@countersign/record/vocabulary'
import { z } from 'zod'
import { LedgerError } from './errors.ts'
import type { LedgerErrorCode } from './errors.ts'
import { getUint64, putUint64 } from './frame.ts'

/** Types of requests; the answer has the same with `ANSWER` added. */
export const MessageType = {
  hello: 1,
  append: 2,
  prove: 3,
  entries: 4,
  status: 5,
  publish: 6,
  erase: 16,
  signed: 0x87,
  witnessed: 0x88,
  error: 0xff,
} as const

/** Added to the type of a request in its answer. */
export const ANSWER = 0x80

const PREFIX_BYTES = 9
const APPEND_HEAD_BYTES = 9
/** Bytes of an APPEND message around its sections, beyond the length. */
export const MESSAGE_OVERHEAD_BYTES = 64

export interface Message {
  readonly type: number
  readonly request: number
  /** A view into what was received: copy it to keep it. */
  readonly payload: Buffer
}

/** D0, D1, D2 on the wire. */
export type WireLevel = 0 | 1 | 2

/** Acknowledgement levels in the order in which a record reaches them; the index is the level on the wire. */
export const LEVELS = ['D0', 'D1', 'D2'] as const satisfies readonly AcknowledgementLevel[]

const WIRE_LEVELS: Readonly<Record<AcknowledgementLevel, WireLevel>> = { D0: 0, D1: 1, D2: 2 }

/** A level as an APPEND says it. */
export function wireLevel(level: AcknowledgementLevel): WireLevel {
  return WIRE_LEVELS[level]
}

export interface AppendMessage {
  readonly level: WireLevel
  readonly count: number
  readonly entries: Buffer
  readonly addenda: Buffer
}

const statusSchema = z.strictObject({
  origin: z.string(),
  durable: z.int().nonnegative(),
  signed: z.int().nonnegative(),
  published: z.int().nonnegative(),
  pending: z.int().nonnegative(),
  checkpoint: z.string().nullable(),
  lastError: z.string().nullable(),
  draftBytesMax: z.int().positive(),
  batchBytesMax: z.int().positive(),
  witnesses: z
    .strictObject({
      quorum: z.string(),
      up: z.boolean(),
      size: z.int().nonnegative(),
      each: z.array(
        z.strictObject({
          name: z.string(),
          size: z.int().nonnegative(),
          latencyMs: z.number().nonnegative().nullable(),
          failures: z.int().nonnegative(),
          failure: z.string().nullable(),
          forked: z.boolean(),
        }),
      ),
    })
    .nullable(),
})

/** How the ledger is doing, as JSON. Sizes are counts of records. */
export interface LedgerStatus {
  readonly origin: string
  readonly durable: number
  readonly signed: number
  readonly published: number
  /** Drafts received and not yet durable. */
  readonly pending: number
  /** The last signed note, or null before the first. */
  readonly checkpoint: string | null
  /** Why signing or publishing last failed; null once it works again. */
  readonly lastError: string | null
  readonly draftBytesMax: number
  readonly batchBytesMax: number
  /** Null when no witnesses are configured. */
  readonly witnesses: WitnessesStatus | null
}

/** How the quorum is doing. */
export interface WitnessesStatus {
  /** What is asked for, in words. */
  readonly quorum: string
  /** Whether the last round met it; true before the first. */
  readonly up: boolean
  /** Records under the largest checkpoint that the quorum cosigned. */
  readonly size: number
  readonly each: readonly WitnessStatus[]
}

/** How one witness is doing, under its name in the policy. */
export interface WitnessStatus {
  readonly name: string
  /** Records under the largest checkpoint of which it gave us a cosignature. */
  readonly size: number
  /** How long its last cosignature took; null before the first. */
  readonly latencyMs: number | null
  /** Times that it did not cosign, since the ledger started. */
  readonly failures: number
  /** Why it did not cosign last; null once it does. */
  readonly failure: string | null
  /** It said that what our signer signed does not follow from what it cosigned before. Stays until the ledger starts again. */
  readonly forked: boolean
}

/** Reads the answer to STATUS or HELLO. @throws {LedgerError} `LEDGER_PROTOCOL` */
export function decodeStatus(payload: Buffer): LedgerStatus {
  try {
    return statusSchema.parse(JSON.parse(payload.toString()))
  } catch (cause) {
    throw new LedgerError('LEDGER_PROTOCOL', 'could not read the status of the ledger', { cause })
  }
}

/** One message in a buffer of its own. */
export function encodeMessage(
  type: number,
  request: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const message = Buffer.allocUnsafe(PREFIX_BYTES + payload.length)
  putPrefix(message, type, request)
  message.set(payload, PREFIX_BYTES)
  return message
}

/** A message with a uint64 for payload. */
export function encodeNumber(type: number, request: number, value: number): Buffer {
  const message = Buffer.allocUnsafe(PREFIX_BYTES + 8)
  putPrefix(message, type, request)
  putUint64(message, value, PREFIX_BYTES)
  return message
}

/** ERROR. */
export function encodeError(request: number, error: { code: string; message: string }): Buffer {
  return encodeMessage(MessageType.error, request, Buffer.from(`${error.code}\n${error.message}`))
}

/** Reads an ERROR. An unknown code becomes `LEDGER_UNAVAILABLE`. */
export function decodeError(payload: Buffer): LedgerError {
  const text = payload.toString()
  const split = text.indexOf('\n')
  const code = CODES.find((known) => known === text.slice(0, split)) ?? 'LEDGER_UNAVAILABLE'
  return new LedgerError(code, text.slice(split + 1))
}

/** Where an APPEND message of these sizes takes its sections, in a buffer of its own. */
export function appendRoom(
  request: number,
  sizes: { level: WireLevel; count: number; entriesBytes: number; addendaBytes: number },
): { message: Buffer; entries: number; addenda: number } {
  const entries = PREFIX_BYTES + APPEND_HEAD_BYTES
  const addenda = entries + sizes.entriesBytes
  const message = Buffer.allocUnsafe(addenda + sizes.addendaBytes)
  putPrefix(message, MessageType.append, request)
  message.writeUInt8(sizes.level, PREFIX_BYTES)
  message.writeUInt32BE(sizes.count, PREFIX_BYTES + 1)
  message.writeUInt32BE(sizes.entriesBytes, PREFIX_BYTES + 5)
  return { message, entries, addenda }
}

/** Reads an APPEND; the sections are not checked. @throws {LedgerError} `LEDGER_PROTOCOL` */
export function decodeAppend(payload: Buffer): AppendMessage {
  const level = payload[0]
  if (payload.length < APPEND_HEAD_BYTES || (level !== 0 && level !== 1 && level !== 2))
    throw broken('an APPEND without its head')
  const count = payload.readUInt32BE(1)
  const addenda = APPEND_HEAD_BYTES + payload.readUInt32BE(5)
  if (count === 0 || addenda > payload.length)
    throw broken('an APPEND whose entries are not all there')
  return {
    level,
    count,
    entries: payload.subarray(APPEND_HEAD_BYTES, addenda),
    addenda: payload.subarray(addenda),
  }
}

/** Reads a PROVE: the index, and whether the quorum must have cosigned. @throws {LedgerError} `LEDGER_PROTOCOL` */
export function decodeProve(payload: Buffer): { index: number; level: 1 | 2 } {
  const index = decodeNumber(payload)
  const level = payload[8]
  if (level !== 1 && level !== 2) throw broken('a PROVE without its level')
  return { index, level }
}

/** Reads a uint64 at the start of a payload. @throws {LedgerError} `LEDGER_PROTOCOL` */
export function decodeNumber(payload: Buffer): number {
  if (payload.length < 8) throw broken('a number that is cut short')
  return getUint64(payload, 0)
}

/** Cuts a stream into messages. What it keeps between chunks is at most one message. */
export class MessageReader {
  readonly #bytesMax: number
  /** A message that has not wholly arrived: its buffer once its length is known, else the first few bytes. */
  #partial: Buffer | undefined
  #filled = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** @throws {LedgerError} `LEDGER_PROTOCOL` for a message over the limit. What `take` throws passes through. */
  push(chunk: Buffer, take: (message: Message) => void): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#partial !== undefined) {
        at += this.#fill(this.#partial, chunk, at)
        const whole = this.#takePartial()
        if (whole !== undefined) take(messageOfBytes(whole))
        continue
      }
      const left = chunk.length - at
      const bytes = left < 4 ? 4 : this.#checked(4 + chunk.readUInt32BE(at))
      if (left < bytes) {
        this.#partial = Buffer.allocUnsafeSlow(bytes)
        this.#filled = 0
        continue
      }
      take(messageOfBytes(chunk.subarray(at, at + bytes)))
      at += bytes
    }
  }

  #fill(partial: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(partial, this.#filled, at)
    this.#filled += copied
    return copied
  }

  /** The message when it is whole; a prefix of 4 bytes grows to its message first. */
  #takePartial(): Buffer | undefined {
    const partial = this.#partial
    if (partial === undefined || this.#filled < partial.length) return undefined
    if (partial.length > 4) {
      this.#partial = undefined
      return partial
    }
    const grown = Buffer.allocUnsafeSlow(this.#checked(4 + partial.readUInt32BE(0)))
    partial.copy(grown)
    this.#partial = grown
    return undefined
  }

  #checked(bytes: number): number {
    // Attacker-controlled: a length of 4 GiB must not become a buffer.
    if (bytes > this.#bytesMax)
      throw broken(`a message of ${bytes} bytes, and ${this.#bytesMax} is the limit`)
    if (bytes < PREFIX_BYTES) throw broken('a message without type and request')
    return bytes
  }
}

const CODES: readonly LedgerErrorCode[] = [
  'LEDGER_CORRUPT',
  'LEDGER_SPLIT',
  'LEDGER_IO',
  'LEDGER_LIMIT',
  'LEDGER_FULL',
  'LEDGER_UNAVAILABLE',
  'LEDGER_CLOSED',
  'LEDGER_RANGE',
  'LEDGER_PROTOCOL',
  'SIGNER_UNAVAILABLE',
  'SIGNER_REFUSED',
  'SIGNER_STATE',
  'WITNESS_QUORUM',
  'WITNESS_POLICY',
]

function messageOfBytes(bytes: Buffer): Message {
  return {
    type: bytes.readUInt8(4),
    request: bytes.readUInt32BE(5),
    payload: bytes.subarray(PREFIX_BYTES),
  }
}

function putPrefix(message: Buffer, type: number, request: number): void {
  message.writeUInt32BE(message.length - 4, 0)
  message.writeUInt8(type, 4)
  message.writeUInt32BE(request, 5)
}

function broken(what: string): LedgerError {
  return new LedgerError('LEDGER_PROTOCOL', `could not read a message: ${what}`)
}
