import { TlogError } from './errors.ts'

/**
 * SHA-256, passed in because each platform has a fast one of its own. It answers at once with 32 fresh bytes, and keeps no
 * reference to what it was given: callers reuse the buffer.
 */
export type Sha256 = (data: Uint8Array) => Uint8Array

/** Bytes of a SHA-256 digest. */
export const HASH_BYTES = 32

// Leaves and nodes are hashed with different first bytes, so that no leaf can pose as a node (RFC 6962, section 2.1).
const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01

// One buffer each, reused: the hash function is synchronous, so nothing else can run between filling and reading.
const nodeScratch = new Uint8Array(1 + 2 * HASH_BYTES)
nodeScratch[0] = NODE_PREFIX
const leafScratch = new Uint8Array(1 + 0xff_ff)
leafScratch[0] = LEAF_PREFIX

/** The hash of one entry: SHA-256(0x00 || entry). @see RFC 6962, section 2.1 */
export function hashLeaf(sha256: Sha256, entry: Uint8Array): Uint8Array {
  if (entry.length < leafScratch.length) {
    leafScratch.set(entry, 1)
    return sha256(leafScratch.subarray(0, 1 + entry.length))
  }
  const message = new Uint8Array(1 + entry.length)
  message.set(entry, 1)
  return sha256(message)
}

/**
 * The hash of two sibling hashes: SHA-256(0x01 || left || right).
 * @throws {TlogError} `HASH_LENGTH` unless both are 32 bytes.
 * @see RFC 6962, section 2.1
 */
export function hashNode(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES) throw wrongLength('a tree node')
  nodeScratch.set(left, 1)
  nodeScratch.set(right, 1 + HASH_BYTES)
  return sha256(nodeScratch)
}

/** The root of the tree with no leaves: SHA-256 of nothing. */
export function emptyRoot(sha256: Sha256): Uint8Array {
  return sha256(new Uint8Array(0))
}

/** Whether two byte strings are the same. Not constant time: nothing in this package compares secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** @throws {TlogError} `HASH_LENGTH` unless `hash` is 32 bytes; `what` names it in the message. */
export function checkHash(hash: Uint8Array, what: string): void {
  if (hash.length !== HASH_BYTES) throw wrongLength(what)
}

function wrongLength(what: string): TlogError {
  return new TlogError('HASH_LENGTH', `could not use ${what}: a hash is ${HASH_BYTES} bytes`)
}
