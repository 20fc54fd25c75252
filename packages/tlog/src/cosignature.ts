import { parseCheckpoint } from './checkpoint.ts'
import { TlogError } from './errors.ts'
import type { Ed25519Sign, MlDsa44Sign } from './key.ts'
import { formatSignatureLine } from './signature-line.ts'
import { utf8 } from './text.ts'

/** A signature with the POSIX time, in seconds, at which it was made. */
export interface TimestampedSignature {
  readonly timestamp: bigint
  readonly signature: Uint8Array
}

/** Timestamps are signed 64-bit seconds: at most 2^63-1. */
export const TIMESTAMP_MAX: bigint = 0x7fff_ffff_ffff_ffffn

const TIMESTAMP_BYTES = 8
const ED25519_BYTES = 64
const ML_DSA_44_BYTES = 2420
const NAME_BYTES_MAX = 255

/**
 * What a cosignature/v1 signs: `cosignature/v1`, `time <seconds>`, and the whole text of the checkpoint.
 * @throws {TlogError} `TIMESTAMP_RANGE`
 * @see https://c2sp.org/tlog-cosignature, "Ed25519 signed message"
 */
export function cosignatureMessage(text: string, timestamp: bigint): Uint8Array {
  checkTimestamp(timestamp)
  return utf8(`cosignature/v1\ntime ${timestamp}\n${text}`)
}

/**
 * Cosigns a checkpoint: the signature line of type 0x04, without its newline.
 * @param text the text of the checkpoint, ending in a newline; it must parse as one.
 * @throws {TlogError} `TIMESTAMP_RANGE` also for 0, `SIGNATURE_MALFORMED`, and the codes of `parseCheckpoint`
 */
export async function cosign(
  text: string,
  signer: { name: string; id: number; sign: Ed25519Sign; timestamp: bigint },
): Promise<string> {
  parseCheckpoint(text)
  if (signer.timestamp === 0n) throw outOfRange(0n)
  const signature = await signer.sign(cosignatureMessage(text, signer.timestamp))
  return formatSignatureLine(
    signer,
    formatTimestampedSignature({ timestamp: signer.timestamp, signature }),
  )
}

/**
 * Cosigns a checkpoint with ML-DSA-44: the signature line of type 0x06, without its newline. Under a log's own key and origin
 * it is the log's signature.
 * @param text the text of the checkpoint, ending in a newline; it must parse as one.
 * @throws {TlogError} `TIMESTAMP_RANGE` also for 0, `SIGNATURE_MALFORMED`, and the codes of `mlDsa44Message`
 */
export async function cosignMlDsa44(
  text: string,
  signer: { name: string; id: number; sign: MlDsa44Sign; timestamp: bigint },
): Promise<string> {
  if (signer.timestamp === 0n) throw outOfRange(0n)
  const signature = await signer.sign(mlDsa44Message(text, signer))
  return formatSignatureLine(
    signer,
    formatMlDsa44Signature({ timestamp: signer.timestamp, signature }),
  )
}

/** 8 bytes of big-endian time and a 64-byte Ed25519 signature. @throws {TlogError} `TIMESTAMP_RANGE`, `SIGNATURE_MALFORMED` */
export function formatTimestampedSignature(signature: TimestampedSignature): Uint8Array {
  return joinTimestamp(signature, ED25519_BYTES)
}

/** 8 bytes of big-endian time and a 2420-byte ML-DSA-44 signature. @throws {TlogError} `TIMESTAMP_RANGE`, `SIGNATURE_MALFORMED` */
export function formatMlDsa44Signature(signature: TimestampedSignature): Uint8Array {
  return joinTimestamp(signature, ML_DSA_44_BYTES)
}

/** Reads the 72 bytes of a cosignature/v1. @throws {TlogError} `SIGNATURE_MALFORMED`, `TIMESTAMP_RANGE` */
export function parseTimestampedSignature(bytes: Uint8Array): TimestampedSignature {
  return splitTimestamp(bytes, ED25519_BYTES)
}

/** Reads the 2428 bytes of an ML-DSA-44 cosignature. @throws {TlogError} `SIGNATURE_MALFORMED`, `TIMESTAMP_RANGE` */
export function parseMlDsa44Signature(bytes: Uint8Array): TimestampedSignature {
  return splitTimestamp(bytes, ML_DSA_44_BYTES)
}

/**
 * What an ML-DSA-44 cosignature of a whole checkpoint signs: the `cosigned_message` structure, with start 0.
 * @throws {TlogError} `TIMESTAMP_RANGE`, `KEY_NAME_INVALID` or `CHECKPOINT_MALFORMED` for a name or origin over 255 bytes, and
 * the codes of `parseCheckpoint`
 * @see https://c2sp.org/tlog-cosignature, "ML-DSA-44 signed message"
 */
export function mlDsa44Message(
  text: string,
  cosigner: { name: string; timestamp: bigint },
): Uint8Array {
  checkTimestamp(cosigner.timestamp)
  const checkpoint = parseCheckpoint(text)
  const label = utf8('subtree/v1\n\0')
  const name = utf8(cosigner.name)
  const origin = utf8(checkpoint.origin)
  if (name.length > NAME_BYTES_MAX)
    throw new TlogError('KEY_NAME_INVALID', 'could not cosign: the key name is over 255 bytes')
  if (origin.length > NAME_BYTES_MAX)
    throw new TlogError('CHECKPOINT_MALFORMED', 'could not cosign: the origin is over 255 bytes')
  const message = new Uint8Array(
    label.length + 1 + name.length + 8 + 1 + origin.length + 8 + 8 + checkpoint.root.length,
  )
  const view = new DataView(message.buffer)
  let at = 0
  const put = (bytes: Uint8Array): void => {
    message.set(bytes, at)
    at += bytes.length
  }
  const putUint64 = (value: bigint): void => {
    view.setBigUint64(at, value)
    at += 8
  }
  put(label)
  put(Uint8Array.of(name.length))
  put(name)
  putUint64(cosigner.timestamp)
  put(Uint8Array.of(origin.length))
  put(origin)
  putUint64(0n)
  putUint64(checkpoint.size)
  put(checkpoint.root)
  return message
}

function joinTimestamp(
  { timestamp, signature }: TimestampedSignature,
  signatureBytes: number,
): Uint8Array {
  checkTimestamp(timestamp)
  if (signature.length !== signatureBytes) throw wrongLength(signatureBytes)
  const bytes = new Uint8Array(TIMESTAMP_BYTES + signatureBytes)
  new DataView(bytes.buffer).setBigUint64(0, timestamp)
  bytes.set(signature, TIMESTAMP_BYTES)
  return bytes
}

function splitTimestamp(bytes: Uint8Array, signatureBytes: number): TimestampedSignature {
  if (bytes.length !== TIMESTAMP_BYTES + signatureBytes)
    throw wrongLength(TIMESTAMP_BYTES + signatureBytes)
  const timestamp = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
  checkTimestamp(timestamp)
  return { timestamp, signature: bytes.subarray(TIMESTAMP_BYTES) }
}

function checkTimestamp(timestamp: bigint): void {
  if (timestamp < 0n || timestamp > TIMESTAMP_MAX) throw outOfRange(timestamp)
}

function outOfRange(timestamp: bigint): TlogError {
  return new TlogError(
    'TIMESTAMP_RANGE',
    `could not use the cosignature time ${timestamp}: it is POSIX seconds, up to 2^63-1`,
  )
}

function wrongLength(bytes: number): TlogError {
  return new TlogError(
    'SIGNATURE_MALFORMED',
    `could not use a signature: it must be ${bytes} bytes`,
  )
}
