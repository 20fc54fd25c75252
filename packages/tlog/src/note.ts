import {
  cosignatureMessage,
  mlDsa44Message,
  parseMlDsa44Signature,
  parseTimestampedSignature,
} from './cosignature.ts'
import { TlogError } from './errors.ts'
import type { Sha256 } from './hash.ts'
import { checkVerifierKey, keyHandle, SignatureType } from './key.ts'
import type { Ed25519Sign, Ed25519Verify, MlDsa44Verify, VerifierKey } from './key.ts'
import { formatSignatureLine, parseSignatureLine } from './signature-line.ts'
import type { NoteSignature } from './signature-line.ts'
import { byteLength, decodeText, utf8 } from './text.ts'

export type { NoteSignature } from './signature-line.ts'

/** A note: `text` ends in a newline and is what the signatures cover. */
export interface Note {
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** A signature that verified. `timestamp`, POSIX seconds, is there for cosignatures (types 0x04 and 0x06). */
export interface VerifiedSignature {
  readonly key: VerifierKey
  readonly timestamp?: bigint
}

/** What is needed to believe a note. Without `verifyMlDsa44`, keys of type 0x06 count as unknown. */
export interface NoteTrust {
  readonly keys: readonly VerifierKey[]
  readonly sha256: Sha256
  readonly verify: Ed25519Verify
  readonly verifyMlDsa44?: MlDsa44Verify | undefined
}

/** Bytes of a whole note; the limit of golang.org/x/mod/sumdb/note. */
export const NOTE_BYTES_MAX = 1_000_000

/** Signature lines of a note; the limit of golang.org/x/mod/sumdb/note. The specification asks for 16 at least. */
export const NOTE_SIGNATURES_MAX = 100

/**
 * Verifies a note. Signatures of unknown keys are ignored; one bad signature of a known key rejects the whole note.
 * @returns the note, and at least one verified signature, in the order of the lines.
 * @throws {TlogError} `NOTE_UNSIGNED` when no known key signed; `SIGNATURE_INVALID`; `SIGNATURE_DUPLICATE` when a known key signed
 * twice; `KEY_AMBIGUOUS` when two given keys share name and id; the `KEY_` codes of a bad key; and the codes of `parseNote`
 * @see https://c2sp.org/signed-note
 */
export async function openNote(
  input: Uint8Array | string,
  trust: NoteTrust,
): Promise<{ note: Note; verified: VerifiedSignature[] }> {
  const note = parseNote(input)
  const known = knownKeys(trust)
  const seen = new Set<string>()
  const verified: VerifiedSignature[] = []
  for (const signature of note.signatures) {
    const handle = keyHandle({ name: signature.name, id: signature.keyId })
    const key = known.get(handle)
    if (key === undefined) continue
    if (seen.has(handle))
      throw new TlogError(
        'SIGNATURE_DUPLICATE',
        `could not open the note: ${key.name} signed it twice with one key`,
      )
    seen.add(handle)
    verified.push(await verifySignature(note.text, { key, bytes: signature.signature }, trust))
  }
  if (verified.length === 0)
    throw new TlogError('NOTE_UNSIGNED', 'could not open the note: no known key signed it')
  return { note, verified }
}

/**
 * Reads a note without believing it: nothing is verified. Text and signatures part at the last blank line.
 * @throws {TlogError} `NOTE_MALFORMED`, `NOTE_TOO_LARGE`, `UTF8_MALFORMED`, `CONTROL_CHARACTER`, `SIGNATURE_MALFORMED`,
 * `KEY_NAME_INVALID`, `BASE64_MALFORMED`
 */
export function parseNote(input: Uint8Array | string): Note {
  // Attacker-controlled: the limit comes first, so that nothing below works on more.
  if (byteLength(input) > NOTE_BYTES_MAX)
    throw new TlogError('NOTE_TOO_LARGE', `could not read a note: over ${NOTE_BYTES_MAX} bytes`)
  const whole = decodeText(input)
  const split = whole.lastIndexOf('\n\n')
  if (split < 0) throw malformed('it has no blank line before its signatures')
  return {
    text: whole.slice(0, split + 1),
    signatures: parseSignatureLines(whole.slice(split + 2)),
  }
}

/**
 * Reads one or more signature lines, each ended by a newline: the tail of a note, or the answer of a witness.
 * @throws {TlogError} `NOTE_MALFORMED`, `NOTE_TOO_LARGE`, and the codes of a bad line
 */
export function parseSignatureLines(lines: string): NoteSignature[] {
  if (!decodeText(lines).endsWith('\n'))
    throw malformed('its signature lines do not end in a newline')
  const each = lines.slice(0, -1).split('\n')
  if (each.length > NOTE_SIGNATURES_MAX) {
    throw new TlogError(
      'NOTE_TOO_LARGE',
      `could not read a note: over ${NOTE_SIGNATURES_MAX} signatures`,
    )
  }
  return each.map(parseSignatureLine)
}

/**
 * Puts a note together from its text and its signature lines (each without a newline).
 * @throws {TlogError} `NOTE_MALFORMED` when the result would not read back as the same text; and the codes of `parseNote`
 */
export function formatNote(text: string, lines: readonly string[]): string {
  if (!text.endsWith('\n')) throw malformed('the text must end in a newline')
  const whole = `${text}\n${lines.map((line) => `${line}\n`).join('')}`
  const note = parseNote(whole)
  if (note.text !== text || note.signatures.length !== lines.length)
    throw malformed('a signature line holds a newline')
  return whole
}

/**
 * Signs a text: the signature line of type 0x01, without its newline.
 * @throws {TlogError} `NOTE_MALFORMED`, `SIGNATURE_MALFORMED` unless the signature is 64 bytes, `KEY_NAME_INVALID`,
 * `UTF8_MALFORMED`, `CONTROL_CHARACTER`
 */
export async function signNote(
  text: string,
  signer: { name: string; id: number; sign: Ed25519Sign },
): Promise<string> {
  if (!decodeText(text).endsWith('\n')) throw malformed('the text must end in a newline')
  const signature = await signer.sign(utf8(text))
  if (signature.length !== 64)
    throw new TlogError(
      'SIGNATURE_MALFORMED',
      'could not sign the note: an Ed25519 signature is 64 bytes',
    )
  return formatSignatureLine(signer, signature)
}

function knownKeys(trust: NoteTrust): Map<string, VerifierKey> {
  const known = new Map<string, VerifierKey>()
  for (const key of trust.keys) {
    checkVerifierKey(key, trust.sha256)
    const handle = keyHandle(key)
    if (known.has(handle))
      throw new TlogError(
        'KEY_AMBIGUOUS',
        `could not open the note: two keys share the name ${key.name} and an id`,
      )
    known.set(handle, key)
  }
  // Checked above all the same, then forgotten: a key nobody here can verify is an unknown key.
  if (trust.verifyMlDsa44 === undefined) {
    for (const [handle, key] of known) if (key.type === SignatureType.mlDsa44) known.delete(handle)
  }
  return known
}

async function verifySignature(
  text: string,
  { key, bytes }: { key: VerifierKey; bytes: Uint8Array },
  trust: NoteTrust,
): Promise<VerifiedSignature> {
  if (key.type === SignatureType.ed25519) {
    const valid = bytes.length === 64 && (await trust.verify(key.publicKey, utf8(text), bytes))
    if (!valid) throw invalid(key)
    return { key }
  }
  const isMlDsa44 = key.type === SignatureType.mlDsa44
  const verify = isMlDsa44 ? trust.verifyMlDsa44 : trust.verify
  const { timestamp, signature, message } = timestamped(text, key, bytes)
  const valid = verify !== undefined && (await verify(key.publicKey, message, signature))
  if (!valid) throw invalid(key)
  return { key, timestamp }
}

interface Timestamped {
  timestamp: bigint
  signature: Uint8Array
  message: Uint8Array
}

function timestamped(text: string, key: VerifierKey, bytes: Uint8Array): Timestamped {
  try {
    if (key.type === SignatureType.mlDsa44) {
      const { timestamp, signature } = parseMlDsa44Signature(bytes)
      return { timestamp, signature, message: mlDsa44Message(text, { name: key.name, timestamp }) }
    }
    const { timestamp, signature } = parseTimestampedSignature(bytes)
    return { timestamp, signature, message: cosignatureMessage(text, timestamp) }
  } catch (error) {
    // A line of a known key that cannot even be read is a signature that fails.
    throw invalid(key, error)
  }
}

function invalid(key: VerifierKey, cause?: unknown): TlogError {
  return new TlogError(
    'SIGNATURE_INVALID',
    `could not open the note: the signature of ${key.name} does not verify`,
    { cause },
  )
}

function malformed(why: string): TlogError {
  return new TlogError('NOTE_MALFORMED', `could not read a note: ${why}`)
}
