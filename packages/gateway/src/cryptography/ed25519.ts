import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Ed25519Sign, Ed25519Verify } from '@countersign/tlog/key'

// RFC 8410: what stands before the 32 raw bytes in the DER of a public and of a private Ed25519 key.
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Keys come from configuration, but notes may name many: parsing one costs as much as a verification. */
const PUBLIC_KEYS_MAX = 256
const publicKeys = new Map<string, KeyObject>()

/** Checks an Ed25519 signature (RFC 8032) under a raw 32-byte key. False for a key that is no key. */
export const ed25519Verify: Ed25519Verify = (publicKey, message, signature) => {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  const key = publicKeyObject(publicKey)
  return key !== undefined && verify(null, message, key, signature)
}

/** A signing function that holds a 32-byte Ed25519 seed: a secret. */
export function ed25519Sign(seed: Uint8Array): Ed25519Sign {
  const key = privateKeyObject(seed)
  return (message) => sign(null, message, key)
}

/** The raw 32-byte public key of a 32-byte Ed25519 seed. */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKeyObject(seed)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(SPKI_PREFIX.length))
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  })
}

function publicKeyObject(raw: Uint8Array): KeyObject | undefined {
  const handle = Buffer.from(raw).toString('latin1')
  const known = publicKeys.get(handle)
  if (known !== undefined) return known
  const key = importPublicKey(raw)
  if (key === undefined) return undefined
  if (publicKeys.size >= PUBLIC_KEYS_MAX) publicKeys.clear()
  publicKeys.set(handle, key)
  return key
}

function importPublicKey(raw: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
  } catch {
    // Not a point of the curve: no signature verifies under it.
    return undefined
  }
}
