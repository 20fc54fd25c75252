/**
 * Randomness in small pieces, taken from a pool: asking the platform for each salt would cost more than hashing the record.
 * Holds up to one pool of unused random bytes, each handed out once.
 */

/** Fills the whole array with random bytes; at most 65,536 are asked for at once. */
export type FillRandom = (bytes: Uint8Array<ArrayBuffer>) => void

/** Bytes of a salt: enough that the digest of an erased addendum cannot be guessed from its content. */
export const SALT_BYTES = 16

const POOL_BYTES = 8192

/** Opens a source of random salts, each `SALT_BYTES` long and used once. */
export function openSalts(random?: FillRandom): () => Uint8Array {
  const take = openRandom(random)
  return () => take(SALT_BYTES)
}

/**
 * Opens a pooled source of random bytes; at most 8,192 at once.
 * @param random the platform's cryptographic source when absent.
 */
export function openRandom(
  random: FillRandom = (bytes) => void globalThis.crypto.getRandomValues(bytes),
): (count: number) => Uint8Array {
  let pool = new Uint8Array(0)
  let used = 0
  return (count) => {
    if (used + count > pool.length) {
      // A fresh array, not a refill: pieces handed out before are still someone's.
      pool = new Uint8Array(POOL_BYTES)
      random(pool)
      used = 0
    }
    used += count
    return pool.subarray(used - count, used)
  }
}
