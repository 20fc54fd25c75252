import assert from 'node:assert/strict'
import {
  createPrivateKey,
  createPublicKey,
  hash,
  sign as signWith,
  verify as verifyWith,
} from 'node:crypto'
import { TlogError } from './errors.ts'
import type { Sha256 } from './hash.ts'
import { decodeHex } from './base64.ts'
import { SignatureType } from './key.ts'
import type { Ed25519Sign, Ed25519Verify, MlDsa44Verify } from './key.ts'

/** What the tests of this package pass in: the hash and the signatures of node:crypto. */
export const sha256: Sha256 = (data) => hash('sha256', data, 'buffer')

export const verify: Ed25519Verify = (publicKey, message, signature) => {
  const key = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }
  return verifyWith(null, message, createPublicKey({ key, format: 'jwk' }), signature)
}

// The fixed head of a SubjectPublicKeyInfo with an ML-DSA-44 key (OID 2.16.840.1.101.3.4.3.17).
const ML_DSA_44_SPKI = decodeHex('30820532300b06096086480165030403110382052100')

export const verifyMlDsa44: MlDsa44Verify = (publicKey, message, signature) => {
  const key = Buffer.concat([ML_DSA_44_SPKI, publicKey])
  return verifyWith(null, message, createPublicKey({ key, format: 'der', type: 'spki' }), signature)
}

// The fixed head of a PKCS #8 private key with an Ed25519 seed (RFC 8410).
const ED25519_PKCS8 = decodeHex('302e020100300506032b657004220420')

// The same with an ML-DSA-44 seed, in the seed-only form of RFC 9881.
const ML_DSA_44_PKCS8 = decodeHex('3034020100300b060960864801650304031104228020')

function privateKeyOf(seed: Uint8Array, type: number): ReturnType<typeof createPrivateKey> {
  const head = type === SignatureType.mlDsa44 ? ML_DSA_44_PKCS8 : ED25519_PKCS8
  return createPrivateKey({ key: Buffer.concat([head, seed]), format: 'der', type: 'pkcs8' })
}

/** Signs with a seed, by the type of its key. */
export function signer(seed: Uint8Array, type: number = SignatureType.ed25519): Ed25519Sign {
  const key = privateKeyOf(seed, type)
  return (message) => signWith(null, message, key)
}

/** The raw public key of a seed, by the type of its key. */
export function publicKeyOf(seed: Uint8Array, type: number = SignatureType.ed25519): Uint8Array {
  const der = createPublicKey(privateKeyOf(seed, type)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(type === SignatureType.mlDsa44 ? ML_DSA_44_SPKI.length : 12))
}

export function throwsCode(act: () => unknown, code: string, what?: string): void {
  assert.throws(act, (error) => isCode(error, code), what)
}

export async function rejectsCode(
  act: () => Promise<unknown>,
  code: string,
  what?: string,
): Promise<void> {
  await assert.rejects(act, (error) => isCode(error, code), what)
}

function isCode(error: unknown, code: string): boolean {
  assert.ok(error instanceof TlogError, String(error))
  assert.equal(error.code, code)
  return true
}
