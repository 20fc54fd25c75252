import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { MlDsa44Sign, MlDsa44Verify } from '@countersign/tlog/key'

// RFC 9881: what stands before the 1312 raw bytes in the DER of a public key, and before the 32-byte seed in that of a
// private key in its seed-only form.
const SPKI_PREFIX = Buffer.from('30820532300b06096086480165030403110382052100', 'hex')
const PKCS8_PREFIX = Buffer.from('3034020100300b060960864801650304031104228020', 'hex')

const PUBLIC_KEY_BYTES = 1312
const SIGNATURE_BYTES = 2420

/** Keys come from configuration; taking one over costs more than a verification. */
const PUBLIC_KEYS_MAX = 64
const publicKeys = new Map<string, KeyObject>()

/** ML-DSA-44 (FIPS 204, pure, empty context) over raw keys; `seed` is the 32 bytes xi of key generation, a secret. */
export const mlDsa44: {
  readonly sign: (seed: Uint8Array) => MlDsa44Sign
  readonly verify: MlDsa44Verify
  readonly publicKey: (seed: Uint8Array) => Uint8Array
} = {
  sign(seed) {
    const key = privateKeyObject(seed)
    return (message) => sign(null, message, key)
  },
  verify(publicKey, message, signature) {
    if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
    return verify(null, message, publicKeyObject(publicKey), signature)
  },
  publicKey(seed) {
    const der = createPublicKey(privateKeyObject(seed)).export({ format: 'der', type: 'spki' })
    return new Uint8Array(der.subarray(SPKI_PREFIX.length))
  },
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  })
}

function publicKeyObject(raw: Uint8Array): KeyObject {
  const handle = Buffer.from(raw).toString('latin1')
  const known = publicKeys.get(handle)
  if (known !== undefined) return known
  // Any 1312 bytes are a key of ML-DSA-44: there is none to refuse.
  const key = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, raw]),
    format: 'der',
    type: 'spki',
  })
  if (publicKeys.size >= PUBLIC_KEYS_MAX) publicKeys.clear()
  publicKeys.set(handle, key)
  return key
}
