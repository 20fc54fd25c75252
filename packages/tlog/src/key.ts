import { decodeBase64, encodeBase64, encodeHex } from './base64.ts'
import { TlogError } from './errors.ts'
import { equalBytes } from './hash.ts'
import type { Sha256 } from './hash.ts'
import { decodeText, utf8 } from './text.ts'

/** Checks an Ed25519 signature (RFC 8032): 32-byte key, 64-byte signature. */
export type Ed25519Verify = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean | Promise<boolean>

/** Makes a 64-byte Ed25519 signature (RFC 8032) with a key it holds. */
export type Ed25519Sign = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>

/** Checks an ML-DSA-44 signature (FIPS 204, pure, empty context): 1312-byte key, 2420-byte signature. */
export type MlDsa44Verify = Ed25519Verify

/** Makes a 2420-byte ML-DSA-44 signature (FIPS 204, pure, empty context) with a key it holds. */
export type MlDsa44Sign = Ed25519Sign

/** The assigned type bytes of signed-note that this package knows. */
export const SignatureType: {
  readonly ed25519: 0x01
  readonly cosignatureV1: 0x04
  readonly mlDsa44: 0x06
} = {
  ed25519: 0x01,
  cosignatureV1: 0x04,
  mlDsa44: 0x06,
}

/** A public key with its name. `id` is a uint32: what a signature line carries to find its key. */
export interface VerifierKey {
  readonly name: string
  readonly id: number
  readonly type: number
  readonly publicKey: Uint8Array
}

/** A private key with its name: `seed` is the 32-byte seed of Ed25519 (RFC 8032) or ML-DSA-44 (FIPS 204, xi), a secret. */
export interface SignerKey {
  readonly name: string
  readonly id: number
  readonly type: number
  readonly seed: Uint8Array
}

const PUBLIC_KEY_BYTES: ReadonlyMap<number, number> = new Map([
  [SignatureType.ed25519, 32],
  [SignatureType.cosignatureV1, 32],
  [SignatureType.mlDsa44, 1312],
])

const SEED_BYTES = 32
const SKEY_PREFIX = 'PRIVATE+KEY+'

/**
 * The y coordinates of the 8 torsion points, and the two spellings of them that are not reduced modulo p; the sign bit is left out.
 * With such a key a signature can be made that verifies for every message.
 */
const SMALL_ORDER_Y: readonly string[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

/**
 * Reads a vkey: `<name>+<8 hex digits>+<base64(type || public key)>`.
 * @throws {TlogError} `KEY_MALFORMED`, `KEY_NAME_INVALID`, `KEY_TYPE_UNSUPPORTED`, `KEY_SMALL_ORDER`, `KEY_NON_CANONICAL`,
 * `KEY_ID_MISMATCH`, `BASE64_MALFORMED`, `UTF8_MALFORMED`, `CONTROL_CHARACTER`
 * @see https://c2sp.org/signed-note, "Verifier keys"
 */
export function parseVkey(text: string, sha256: Sha256): VerifierKey {
  const { name, id, type, material } = parseKeyText(decodeText(text))
  const key: VerifierKey = { name, id, type, publicKey: material }
  checkVerifierKey(key, sha256)
  return key
}

/** The vkey text of a public key. @throws {TlogError} `KEY_NAME_INVALID`, and the other `KEY_` codes of a bad public key. */
export function formatVkey(key: VerifierKey): string {
  checkKeyName(key.name)
  checkPublicKey(key)
  return formatKeyText(key, key.publicKey)
}

/**
 * First 4 bytes of SHA-256(name || 0x0A || type || public key), as a big-endian uint32.
 * @see https://c2sp.org/signed-note, "Signatures"
 */
export function keyId(
  key: Pick<VerifierKey, 'name' | 'type' | 'publicKey'>,
  sha256: Sha256,
): number {
  const name = utf8(key.name)
  const message = new Uint8Array(name.length + 2 + key.publicKey.length)
  message.set(name)
  message[name.length] = 0x0a
  message[name.length + 1] = key.type
  message.set(key.publicKey, name.length + 2)
  const digest = sha256(message)
  return new DataView(digest.buffer, digest.byteOffset, digest.length).getUint32(0)
}

/**
 * Reads a private key: `PRIVATE+KEY+<name>+<8 hex digits>+<base64(type || 32-byte seed)>`.
 * @param publicKeyOf derives the public key of a seed, by the type of the key; without it the id cannot be checked, since it is a hash of the public key.
 * @throws {TlogError} `KEY_MALFORMED`, `KEY_NAME_INVALID`, `KEY_TYPE_UNSUPPORTED`, `KEY_ID_MISMATCH`, `BASE64_MALFORMED`
 */
export function parseSkey(
  text: string,
  sha256: Sha256,
  publicKeyOf?: (seed: Uint8Array, type: number) => Uint8Array,
): SignerKey {
  if (!text.startsWith(SKEY_PREFIX)) throw malformedKey(`a private key starts with ${SKEY_PREFIX}`)
  const {
    name,
    id,
    type,
    material: seed,
  } = parseKeyText(decodeText(text.slice(SKEY_PREFIX.length)))
  const key: SignerKey = { name, id, type, seed }
  checkSigner(key)
  if (publicKeyOf !== undefined)
    checkVerifierKey({ name, id, type, publicKey: publicKeyOf(seed, type) }, sha256)
  return key
}

/** The text of a private key: a secret. @throws {TlogError} `KEY_NAME_INVALID`, `KEY_TYPE_UNSUPPORTED`, `KEY_MALFORMED` */
export function formatSkey(key: SignerKey): string {
  checkKeyName(key.name)
  checkSigner(key)
  return SKEY_PREFIX + formatKeyText(key, key.seed)
}

/**
 * A key name is not empty and holds no Unicode space, no `+` and no control character.
 * @throws {TlogError} `KEY_NAME_INVALID`
 */
export function checkKeyName(name: string): void {
  // A newline is a Unicode space; the control characters that are not spaces would be refused in any note.
  if (name === '' || /[\p{White_Space}+\u0000-\u001f]/u.test(name) || !name.isWellFormed()) {
    throw new TlogError(
      'KEY_NAME_INVALID',
      `could not use the key name ${JSON.stringify(name)}: it must be non-empty, without spaces or "+"`,
    )
  }
}

/** Checks a key that may have been put together by hand, as strictly as a parsed one. @throws {TlogError} the `KEY_` codes of `parseVkey` */
export function checkVerifierKey(key: VerifierKey, sha256: Sha256): void {
  checkKeyName(key.name)
  checkPublicKey(key)
  if (keyId(key, sha256) !== key.id) {
    throw new TlogError(
      'KEY_ID_MISMATCH',
      `could not use the key of ${key.name}: its id is not the hash of its name, type and public key`,
    )
  }
}

/** What finds the key of a signature line: the pair of name and id, as one map key. A name holds no space. */
export function keyHandle(key: { readonly name: string; readonly id: number }): string {
  return `${key.name} ${key.id}`
}

function checkPublicKey(key: Pick<VerifierKey, 'name' | 'type' | 'publicKey'>): void {
  const bytes = PUBLIC_KEY_BYTES.get(key.type)
  if (bytes === undefined) throw unsupportedType(key.type)
  if (key.publicKey.length !== bytes)
    throw malformedKey(`a public key of this type is ${bytes} bytes`)
  if (key.type !== SignatureType.mlDsa44) checkEd25519Point(key.publicKey)
}

function checkEd25519Point(publicKey: Uint8Array): void {
  const y = Uint8Array.from(publicKey)
  y[31] = (y[31] ?? 0) & 0x7f
  if (SMALL_ORDER_Y.includes(encodeHex(y))) {
    throw new TlogError(
      'KEY_SMALL_ORDER',
      'could not use an Ed25519 public key: it is a point of small order',
    )
  }
  // y >= p = 2^255 - 19 is a second spelling of a smaller y (RFC 8032, section 5.1.3, refuses it; some verifiers do not).
  const unreduced =
    (y[0] ?? 0) >= 0xed &&
    y[31] === 0x7f &&
    equalBytes(y.subarray(1, 31), new Uint8Array(30).fill(0xff))
  if (unreduced)
    throw new TlogError(
      'KEY_NON_CANONICAL',
      'could not use an Ed25519 public key: its encoding is not canonical',
    )
}

function checkSigner(key: SignerKey): void {
  if (!PUBLIC_KEY_BYTES.has(key.type)) throw unsupportedType(key.type)
  if (key.seed.length !== SEED_BYTES) throw malformedKey(`a seed is ${SEED_BYTES} bytes`)
}

interface KeyText {
  name: string
  id: number
  type: number
  material: Uint8Array
}

function parseKeyText(text: string): KeyText {
  // Base64 may hold a plus of its own, so only the first two separate.
  const parts = /^([^+]*)\+([0-9a-f]{8})\+(.+)$/su.exec(text)
  const [name, id, encoded] = [parts?.[1], parts?.[2], parts?.[3]]
  if (name === undefined || id === undefined || encoded === undefined)
    throw malformedKey('it is <name>+<8 lowercase hex digits>+<base64>')
  checkKeyName(name)
  const bytes = decodeBase64(encoded)
  const type = bytes[0]
  if (type === undefined) throw malformedKey('it has no type')
  return { name, id: Number.parseInt(id, 16), type, material: bytes.subarray(1) }
}

function formatKeyText(
  key: { name: string; id: number; type: number },
  material: Uint8Array,
): string {
  const bytes = new Uint8Array(1 + material.length)
  bytes[0] = key.type
  bytes.set(material, 1)
  return `${key.name}+${key.id.toString(16).padStart(8, '0')}+${encodeBase64(bytes)}`
}

function malformedKey(rule: string): TlogError {
  return new TlogError('KEY_MALFORMED', `could not read a key: ${rule}`)
}

function unsupportedType(type: number): TlogError {
  return new TlogError(
    'KEY_TYPE_UNSUPPORTED',
    `could not use a key of type 0x${type.toString(16).padStart(2, '0')}: known are 0x01, 0x04 and 0x06`,
  )
}
