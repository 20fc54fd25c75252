/** Keys of signers and witnesses: files of them, and what signs with them. */
import { randomBytes } from 'node:crypto'
import { cosign, cosignMlDsa44 } from '@countersign/tlog/cosignature'
import {
  formatSkey,
  formatVkey,
  keyId,
  parseSkey,
  parseVkey,
  SignatureType,
} from '@countersign/tlog/key'
import type { SignerKey, VerifierKey } from '@countersign/tlog/key'
import { signNote } from '@countersign/tlog/note'
import { ed25519PublicKey, ed25519Sign, mlDsa44, sha256 } from '../cryptography.ts'
import { messageOf, WitnessError } from './errors.ts'
import { KEYS_MAX, LOG_KEYS_MAX, LOGS_MAX, NAME_BYTES_MAX } from './limits.ts'

const SEED_BYTES = 32

/** Signs the text of a checkpoint at a time in POSIX seconds: one line without its newline. */
export type LineSigner = (text: string, timestamp: bigint) => Promise<string>

/** A key pair as texts, one line each. `skey` is a secret. */
export interface KeyPair {
  readonly skey: string
  readonly vkey: string
}

/**
 * Makes a key of a type of signed-note.
 * @param type 0x01 (a log's Ed25519), 0x04 (a cosigner's Ed25519) or 0x06 (ML-DSA-44, of either).
 * @throws {TlogError} `KEY_NAME_INVALID`, `KEY_TYPE_UNSUPPORTED`
 */
export function makeKey(name: string, type: number): KeyPair {
  const seed = randomBytes(SEED_BYTES)
  const unnamed = { name, type, publicKey: publicKeyOf(seed, type) }
  const id = keyId(unnamed, sha256)
  return { skey: formatSkey({ name, id, type, seed }), vkey: formatVkey({ ...unnamed, id }) }
}

/**
 * Reads the private keys of one name, one a line, each of another type.
 * @throws {WitnessError} `WITNESS_KEY`; the message never holds a key.
 */
export function readSigners(
  text: string,
  types: readonly number[],
): { name: string; vkeys: string[]; signers: LineSigner[] } {
  const keys = linesOf(text).map(readSkey)
  const [first] = keys
  if (first === undefined) throw badKey('there is none')
  if (keys.length > KEYS_MAX) throw badKey(`there are over ${KEYS_MAX}`)
  for (const { name, type } of keys) {
    if (name !== first.name) throw badKey(`one is of ${first.name}, another of ${name}`)
    if (!types.includes(type)) throw badKey(`one is of type 0x0${type}, which does not sign here`)
  }
  if (new Set(keys.map(({ type }) => type)).size < keys.length)
    throw badKey('two are of the same type')
  if (Buffer.byteLength(first.name) > NAME_BYTES_MAX)
    throw badKey(`the name is over ${NAME_BYTES_MAX} bytes`)
  const vkeys = keys.map(({ name, id, type, seed }) =>
    formatVkey({ name, id, type, publicKey: publicKeyOf(seed, type) }),
  )
  return { name: first.name, vkeys, signers: keys.map(lineSigner) }
}

/**
 * Reads the public keys of logs, one a line, and gathers them by origin.
 * @throws {WitnessError} `WITNESS_KEY`, `WITNESS_LIMIT`
 */
export function readLogKeys(texts: readonly string[]): Map<string, VerifierKey[]> {
  const logs = new Map<string, VerifierKey[]>()
  for (const key of texts.flatMap(linesOf).map(readVkey)) {
    if (key.type === SignatureType.cosignatureV1)
      throw badKey(`that of ${key.name} is a witness's, not a log's`)
    const keys = logs.get(key.name) ?? []
    if (keys.some(({ id }) => id === key.id)) continue
    logs.set(key.name, [...keys, key])
  }
  for (const [origin, keys] of logs) {
    if (Buffer.byteLength(origin) > NAME_BYTES_MAX)
      throw beyond(`the origin of a log is over ${NAME_BYTES_MAX} bytes`)
    if (keys.length > LOG_KEYS_MAX) throw beyond(`${origin} has over ${LOG_KEYS_MAX} keys`)
  }
  if (logs.size > LOGS_MAX) throw beyond(`there are over ${LOGS_MAX} logs`)
  return logs
}

/** The public key of a seed, by the type of its key. */
export function publicKeyOf(seed: Uint8Array, type: number): Uint8Array {
  return type === SignatureType.mlDsa44 ? mlDsa44.publicKey(seed) : ed25519PublicKey(seed)
}

function lineSigner({ name, id, type, seed }: SignerKey): LineSigner {
  if (type === SignatureType.mlDsa44) {
    const sign = mlDsa44.sign(seed)
    return async (text, timestamp) => cosignMlDsa44(text, { name, id, sign, timestamp })
  }
  const sign = ed25519Sign(seed)
  if (type === SignatureType.ed25519) return async (text) => signNote(text, { name, id, sign })
  return async (text, timestamp) => cosign(text, { name, id, sign, timestamp })
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function readSkey(line: string): SignerKey {
  try {
    return parseSkey(line, sha256, publicKeyOf)
  } catch (cause) {
    throw new WitnessError('WITNESS_KEY', `could not use a private key: ${messageOf(cause)}`, {
      cause,
    })
  }
}

function readVkey(line: string): VerifierKey {
  try {
    return parseVkey(line, sha256)
  } catch (cause) {
    throw new WitnessError('WITNESS_KEY', `could not use the key of a log: ${messageOf(cause)}`, {
      cause,
      hint: 'a vkey is one line: <name>+<8 hex digits>+<base64>',
    })
  }
}

function badKey(why: string): WitnessError {
  return new WitnessError('WITNESS_KEY', `could not use the keys: ${why}`)
}

function beyond(why: string): WitnessError {
  return new WitnessError('WITNESS_LIMIT', `could not start the witness: ${why}`)
}
