/** One key under another: AES-256 key wrap. Two keys joined into one. @see RFC 3394; NIST SP 800-133r2, section 6.3 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

const ALGORITHM = 'id-aes256-wrap'
// RFC 3394, section 2.2.3.1: what must come out again shows that the right key was used.
const INTEGRITY = Buffer.alloc(8, 0xa6)

/** Wraps a 32-byte key: 40 bytes. */
export function wrapKey(under: KeyObject, key: Uint8Array): Uint8Array {
  return createCipheriv(ALGORITHM, under, INTEGRITY).update(key)
}

/** The key that was wrapped; undefined when it was not under this key, or was changed. */
export function unwrapKey(under: KeyObject, wrapped: Uint8Array): Uint8Array | undefined {
  try {
    return createDecipheriv(ALGORITHM, under, INTEGRITY).update(wrapped)
  } catch {
    // The integrity check does not hold: that is the answer.
    return undefined
  }
}

const JOINED = 'countersign: subject and period'

/** The key that only both lead to: whoever lacks one of them knows nothing of it. */
export function joinKeys(subject: KeyObject, period: KeyObject): KeyObject {
  return createSecretKey(
    createHmac('sha256', JOINED).update(subject.export()).update(period.export()).digest(),
  )
}
