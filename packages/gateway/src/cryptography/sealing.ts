import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, createSecretKey, hash } from 'node:crypto'
import type { OpenPrimitives, SealPrimitives } from '@countersign/tlog/chunked-encryption'

const BLOCK_BYTES = 128
const DIGEST_BYTES = 64
const TAG_BYTES = 16

// RFC 2104: the key, padded to a block, XORed with these.
const INNER = 0x36
const OUTER = 0x5c

// One buffer each, reused: hashing is synchronous, so nothing else runs between filling and reading.
let inner = new Uint8Array(BLOCK_BYTES + 1024)
const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES)

/**
 * The primitives of chunked encryption, of OpenSSL. HMAC is two one-shot hashes: 2 us, where an HMAC object takes 13. A key object is
 * made for each key, because a cipher from raw bytes takes three times as long.
 */
export const sealPrimitives: SealPrimitives & OpenPrimitives = {
  hmacSha512(key, message) {
    const bytes = BLOCK_BYTES + message.length
    if (bytes > inner.length) inner = new Uint8Array(2 * bytes)
    fillPad(inner, key, INNER)
    inner.set(message, BLOCK_BYTES)
    fillPad(outer, key, OUTER)
    // A digest is taken over as a latin1 string, as in hash.ts: a buffer of its own for each costs more than hashing.
    outer.write(hash('sha512', inner.subarray(0, bytes), 'binary'), BLOCK_BYTES, 'latin1')
    const digest = Buffer.from(hash('sha512', outer, 'binary'), 'latin1')
    // What is made of a key is not left behind.
    inner.fill(0, 0, BLOCK_BYTES)
    outer.fill(0)
    return digest
  },
  aes256GcmSeal({ key, nonce, plaintext }, target) {
    const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), nonce)
    target.set(cipher.update(plaintext))
    cipher.final()
    target.set(cipher.getAuthTag(), plaintext.length)
  },
  aes256GcmOpen({ key, nonce, sealed }) {
    const authTagLength = TAG_BYTES
    const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), nonce, { authTagLength })
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    const plaintext = decipher.update(sealed.subarray(0, -TAG_BYTES))
    try {
      decipher.final()
      return plaintext
    } catch {
      // The tag does not hold: that is the answer.
      return undefined
    }
  },
}

function fillPad(pad: Uint8Array, key: Uint8Array, value: number): void {
  assert(key.length <= BLOCK_BYTES, 'a longer key would have to be hashed first')
  pad.fill(value, 0, BLOCK_BYTES)
  for (let at = 0; at < key.length; at++) pad[at] = value ^ (key[at] ?? 0)
}
