/** The primitives of a browser, in JavaScript: WebCrypto answers later, and not at all where a page is not a secure context. */
import { gcm } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js'

import type { BundleCrypto } from '../src/bundle/trust.ts'

export const browserCrypto: BundleCrypto = {
  sha256: (data) => sha256(data),
  sha256Into: (data, target, at) => target.set(sha256(data), at),
  // RFC 8032 to the letter, as Node does it: ZIP 215 would accept more.
  ed25519Verify: (publicKey, message, signature) =>
    answered(() => ed25519.verify(signature, message, publicKey, { zip215: false })),
  verifyMlDsa44: (publicKey, message, signature) =>
    answered(() => ml_dsa44.verify(signature, message, publicKey)),
  opening: {
    hmacSha512: async (key, message) => hmac(sha512, key, message),
    aes256GcmOpen: async ({ key, nonce, sealed }) => {
      try {
        return gcm(key, nonce).decrypt(sealed)
      } catch {
        // The tag does not hold: that is the answer.
        return undefined
      }
    },
  },
}

/** A key or signature that is no point of the curve is one that does not verify. */
function answered(verify: () => boolean): boolean {
  try {
    return verify()
  } catch {
    return false
  }
}
