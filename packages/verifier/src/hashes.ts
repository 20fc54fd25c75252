/** Hashes of a bundle and of a full tile (RFC 6962, section 2.1), in runs of 32 bytes and without allocating for each. */
import { HASH_BYTES } from '@countersign/tlog/hash'
import { TILE_WIDTH } from '@countersign/tlog/tile'

import type { Sha256Into } from './source.ts'

const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01
const PAIR_BYTES = 2 * HASH_BYTES

// Reused: hashing is synchronous. The first byte is the leaf prefix and stays so.
const leafMessage = new Uint8Array(1 + 0xff_ff)
leafMessage[0] = LEAF_PREFIX

// Reused too: the hashes of a tile, one byte in, so that there is room for the prefix before the first pair.
const nodes = new Uint8Array(1 + TILE_WIDTH * HASH_BYTES)

/** The leaf hashes of entries, one after the other. */
export function hashEntries(
  entries: readonly Uint8Array[],
  width: number,
  sha256Into: Sha256Into,
): Uint8Array {
  const hashes = new Uint8Array(HASH_BYTES * width)
  let at = 0
  for (const entry of entries) {
    leafMessage.set(entry, 1)
    sha256Into(leafMessage.subarray(0, 1 + entry.length), hashes, at)
    at += HASH_BYTES
  }
  return hashes
}

/** The hash over a full tile: what stands for it in the tile above. */
export function hashTile(tile: Uint8Array, sha256Into: Sha256Into): Uint8Array {
  nodes.set(tile, 1)
  for (let pairs = TILE_WIDTH / 2; pairs >= 1; pairs /= 2) {
    for (let pair = 0; pair < pairs; pair++) {
      // Parents go to the front, and the prefix over the last byte of the pair before: both are places already read.
      nodes[pair * PAIR_BYTES] = NODE_PREFIX
      sha256Into(
        nodes.subarray(pair * PAIR_BYTES, (pair + 1) * PAIR_BYTES + 1),
        nodes,
        1 + pair * HASH_BYTES,
      )
    }
  }
  return nodes.slice(1, 1 + HASH_BYTES)
}
