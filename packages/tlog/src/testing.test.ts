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

function privateKeyOf(seed: Uint8Array): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({
    key: Buffer.concat([ED25519_PKCS8, seed]),
    format: 'der',
    type: 'pkcs8',
  })
}

export function signer(seed: Uint8Array): Ed25519Sign {
  const key = privateKeyOf(seed)
  return (message) => signWith(null, message, key)
}

export function publicKeyOf(seed: Uint8Array): Uint8Array {
  const { x } = createPublicKey(privateKeyOf(seed)).export({ format: 'jwk' })
  return Buffer.from(x ?? '', 'base64url')
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
