/**
 * C2SP chunked-encryption in the instantiation Cobblestone-256 (SHA-512, AES-256-GCM). It commits to its key: an insider cannot make
 * one ciphertext that opens to two texts under two keys. The primitives are passed in, because each platform has its own.
 * @see https://c2sp.org/chunked-encryption
 */
import { TlogError } from './errors.ts'

/** Bytes of an input key: uniformly random, or from a KDF. */
export const SEALING_KEY_BYTES = 32
/** Bytes of a salt: random, and never used twice with one key. */
export const SEALING_SALT_BYTES = 24

const COMMITMENT_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CHUNK_BYTES = 16 * 1024
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
const HEAD_BYTES = SEALING_SALT_BYTES + COMMITMENT_BYTES
const HMAC_BYTES = 64

const NAME = 'c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0'
const name = Uint8Array.from(NAME, (character) => character.charCodeAt(0))

/** HMAC-SHA-512: 64 bytes. Keeps no reference to what it was given. */
export type HmacSha512 = (key: Uint8Array, message: Uint8Array) => Uint8Array

/** AES-256-GCM without associated data: ciphertext, then the 16-byte tag, fill `target`. */
export type Aes256GcmSeal = (
  chunk: { readonly key: Uint8Array; readonly nonce: Uint8Array; readonly plaintext: Uint8Array },
  target: Uint8Array,
) => void

/** The reverse; `sealed` ends in its tag. Undefined when that does not hold. */
export type Aes256GcmOpen = (chunk: SealedChunk) => Uint8Array | undefined

/** One chunk to be opened. */
export interface SealedChunk {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
}

/** What sealing needs of a platform. */
export interface SealPrimitives {
  readonly hmacSha512: HmacSha512
  readonly aes256GcmSeal: Aes256GcmSeal
}

/** What opening needs of a platform that answers at once. */
export interface OpenPrimitives {
  readonly hmacSha512: HmacSha512
  readonly aes256GcmOpen: Aes256GcmOpen
}

/** The same of a platform that answers later, such as WebCrypto. */
export interface AsyncOpenPrimitives {
  readonly hmacSha512: (key: Uint8Array, message: Uint8Array) => Promise<Uint8Array>
  readonly aes256GcmOpen: (chunk: SealedChunk) => Promise<Uint8Array | undefined>
}

/** Under what a message is sealed. `context` is not in the ciphertext: it must be known to open it. */
export interface SealingInput {
  readonly key: Uint8Array
  readonly salt: Uint8Array
  readonly context: Uint8Array
}

/** Bytes that a message of so many bytes takes once sealed. */
export function sealedBytes(plaintextBytes: number): number {
  const chunks = Math.floor(plaintextBytes / CHUNK_BYTES) + 1
  return HEAD_BYTES + plaintextBytes + chunks * TAG_BYTES
}

/**
 * Seals a message.
 * @returns salt, commitment and chunks, in a buffer of their own.
 * @throws {TlogError} `SEALING_INPUT` for a key or salt of another length
 */
export function sealChunked(
  plaintext: Uint8Array,
  input: SealingInput,
  { hmacSha512, aes256GcmSeal }: SealPrimitives,
): Uint8Array {
  checkInput(input.key, input.salt)
  const derived = derive(input, hmacSha512)
  const sealed = new Uint8Array(sealedBytes(plaintext.length))
  sealed.set(input.salt)
  sealed.set(derived.commitment, SEALING_SALT_BYTES)
  let at = HEAD_BYTES
  // The last chunk is always short, and empty when the one before it was full: that is how an end is told from a cut.
  for (let chunk = 0; at < sealed.length; chunk++) {
    const from = chunk * CHUNK_BYTES
    const piece = plaintext.subarray(from, from + CHUNK_BYTES)
    const end = at + piece.length + TAG_BYTES
    const nonce = nonceOf(derived.baseNonce, chunk)
    aes256GcmSeal({ key: derived.key, nonce, plaintext: piece }, sealed.subarray(at, end))
    at = end
  }
  return sealed
}

/**
 * Opens a sealed message; all of it is authenticated before any of it is returned.
 * @throws {TlogError} `SEALED_COMMITMENT` when it was not sealed under this key and context, which is checked first;
 * `SEALED_TRUNCATED` when it ends where another chunk must follow; `SEALED_MALFORMED` for a length that no message has;
 * `SEALED_ALTERED` when a chunk was changed; `SEALING_INPUT`
 */
export function openChunked(
  sealed: Uint8Array,
  { key, context }: Omit<SealingInput, 'salt'>,
  { hmacSha512, aes256GcmOpen }: OpenPrimitives,
): Uint8Array {
  const salt = saltOf(sealed, key)
  const chunks = chunksOf(sealed, derive({ key, salt, context }, hmacSha512))
  const plaintext = new Uint8Array(openedBytes(chunks))
  for (const [at, chunk] of chunks.entries()) place(plaintext, at, aes256GcmOpen(chunk))
  return plaintext
}

/** As `openChunked`, with primitives that answer later. */
export async function openChunkedAsync(
  sealed: Uint8Array,
  { key, context }: Omit<SealingInput, 'salt'>,
  { hmacSha512, aes256GcmOpen }: AsyncOpenPrimitives,
): Promise<Uint8Array> {
  const salt = saltOf(sealed, key)
  const first = expandMessage(salt, context)
  const one = await hmacSha512(key, first.subarray(HMAC_BYTES))
  const second = Uint8Array.from(first)
  second.set(one)
  second[second.length - 1] = 2
  const derived = derivedFrom(one, await hmacSha512(key, second))
  const chunks = chunksOf(sealed, derived)
  const plaintext = new Uint8Array(openedBytes(chunks))
  for (const [at, chunk] of chunks.entries()) place(plaintext, at, await aes256GcmOpen(chunk))
  return plaintext
}

interface Derived {
  readonly key: Uint8Array
  readonly baseNonce: Uint8Array
  readonly commitment: Uint8Array
}

/** HKDF-Expand of three parts in one go. RFC 5869, section 2.3. */
function derive({ key, salt, context }: SealingInput, hmacSha512: HmacSha512): Derived {
  const message = expandMessage(salt, context)
  const one = hmacSha512(key, message.subarray(HMAC_BYTES))
  message.set(one)
  message[message.length - 1] = 2
  return derivedFrom(one, hmacSha512(key, message))
}

/**
 * What HKDF-Expand puts through HMAC: room for the first answer, info, and the counter, 1. The first message is all but the room; the
 * second is all of it, with the answer in its place and a counter of 2.
 */
function expandMessage(salt: Uint8Array, context: Uint8Array): Uint8Array {
  const saltAt = HMAC_BYTES + name.length
  const message = new Uint8Array(saltAt + salt.length + context.length + 1)
  message.set(name, HMAC_BYTES)
  message.set(salt, saltAt)
  message.set(context, saltAt + salt.length)
  message[message.length - 1] = 1
  return message
}

function derivedFrom(one: Uint8Array, two: Uint8Array): Derived {
  const all = new Uint8Array(2 * HMAC_BYTES)
  all.set(one)
  all.set(two, HMAC_BYTES)
  const commitmentAt = SEALING_KEY_BYTES + NONCE_BYTES
  return {
    key: all.subarray(0, SEALING_KEY_BYTES),
    baseNonce: all.subarray(SEALING_KEY_BYTES, commitmentAt),
    commitment: all.subarray(commitmentAt, commitmentAt + COMMITMENT_BYTES),
  }
}

/** The number is XORed in from the right. Its upper bytes are zero: what fits in memory has fewer than 2^32 chunks. */
function nonceOf(baseNonce: Uint8Array, chunk: number): Uint8Array {
  if (chunk === 0) return baseNonce
  const nonce = Uint8Array.from(baseNonce)
  const view = new DataView(nonce.buffer)
  view.setUint32(NONCE_BYTES - 4, (view.getUint32(NONCE_BYTES - 4) ^ chunk) >>> 0)
  return nonce
}

function checkInput(key: Uint8Array, salt: Uint8Array): void {
  if (key.length === SEALING_KEY_BYTES && salt.length === SEALING_SALT_BYTES) return
  throw new TlogError(
    'SEALING_INPUT',
    `could not use a sealing key: a key is ${SEALING_KEY_BYTES} bytes, and a salt ${SEALING_SALT_BYTES}`,
  )
}

function saltOf(sealed: Uint8Array, key: Uint8Array): Uint8Array {
  if (sealed.length < HEAD_BYTES)
    throw refused(
      'SEALED_MALFORMED',
      `it has ${sealed.length} bytes, and its head alone has ${HEAD_BYTES}`,
    )
  const salt = sealed.subarray(0, SEALING_SALT_BYTES)
  checkInput(key, salt)
  return salt
}

/** The chunks of a message whose commitment and length hold; none of them is opened yet. */
function chunksOf(sealed: Uint8Array, { key, baseNonce, commitment }: Derived): SealedChunk[] {
  if (!sameSecret(sealed.subarray(SEALING_SALT_BYTES, HEAD_BYTES), commitment))
    throw refused('SEALED_COMMITMENT', 'it was sealed under another key, or for another place')
  const bytes = sealed.length - HEAD_BYTES
  const lastBytes = bytes % SEALED_CHUNK_BYTES
  if (lastBytes === 0) throw refused('SEALED_TRUNCATED', 'its last chunk is missing')
  if (lastBytes < TAG_BYTES)
    throw refused('SEALED_MALFORMED', 'its last chunk is shorter than a tag')
  const chunks: SealedChunk[] = []
  for (let at = HEAD_BYTES; at < sealed.length; at += SEALED_CHUNK_BYTES) {
    const nonce = nonceOf(baseNonce, chunks.length)
    chunks.push({ key, nonce, sealed: sealed.subarray(at, at + SEALED_CHUNK_BYTES) })
  }
  return chunks
}

function openedBytes(chunks: readonly SealedChunk[]): number {
  return chunks.reduce((sum, { sealed }) => sum + sealed.length - TAG_BYTES, 0)
}

function place(plaintext: Uint8Array, chunk: number, opened: Uint8Array | undefined): void {
  if (opened === undefined) throw refused('SEALED_ALTERED', `chunk ${chunk} is not what was sealed`)
  plaintext.set(opened, chunk * CHUNK_BYTES)
}

/** Constant time: a commitment tells about the key. */
function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let at = 0; at < a.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0)
  return difference === 0
}

type Refusal = 'SEALED_ALTERED' | 'SEALED_COMMITMENT' | 'SEALED_MALFORMED' | 'SEALED_TRUNCATED'

function refused(code: Refusal, why: string): TlogError {
  return new TlogError(code, `could not open a sealed message: ${why}`)
}
