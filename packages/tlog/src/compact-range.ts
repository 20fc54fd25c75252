import { TlogError } from './errors.ts'
import { checkHash, emptyRoot, hashNode } from './hash.ts'
import type { Sha256 } from './hash.ts'
import { treeSize } from './size.ts'

/** Told of each complete subtree as it closes: `level` 0 is a leaf, and `index` counts subtrees of that level from 0. */
export type OnNode = (level: number, index: number, hash: Uint8Array) => void

/**
 * The right edge of a growing tree: the roots of the complete subtrees that cover leaves 0 to `size`, largest first.
 * Enough to append and to give the root, in O(log size) memory. It keeps the hashes it is given: do not write to them afterwards.
 */
export class CompactRange {
  readonly #sha256: Sha256
  readonly #hashes: Uint8Array[]
  #size: number

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
    this.#hashes = []
    this.#size = 0
  }

  /**
   * Takes up a tree of `size` leaves from its edge.
   * @param hashes as `hashes` gave them: one for each bit set in `size`, largest subtree first.
   * @throws {TlogError} `SIZE_UNSAFE`; `RANGE_MALFORMED` for another count; `HASH_LENGTH`
   */
  static from(size: number, hashes: readonly Uint8Array[], sha256: Sha256): CompactRange {
    treeSize(size)
    if (hashes.length !== bitsSet(size)) {
      throw new TlogError(
        'RANGE_MALFORMED',
        `could not take up a tree of ${size} leaves: it has ${bitsSet(size)} edge hashes, not ${hashes.length}`,
      )
    }
    const range = new CompactRange(sha256)
    for (const hash of hashes) {
      checkHash(hash, 'an edge hash')
      range.#hashes.push(hash)
    }
    range.#size = size
    return range
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size
  }

  /** Roots of the complete subtrees, largest (leftmost) first. */
  get hashes(): readonly Uint8Array[] {
    return this.#hashes
  }

  /**
   * Adds one leaf. `onNode` is told of the leaf itself, then of each larger subtree it completes, bottom up.
   * @throws {TlogError} `HASH_LENGTH`; `SIZE_UNSAFE` at 2^53-1 leaves; the tree is then unchanged
   */
  append(leafHash: Uint8Array, onNode?: OnNode): void {
    checkHash(leafHash, 'a leaf hash')
    treeSize(this.#size + 1)
    onNode?.(0, this.#size, leafHash)
    let hash = leafHash
    let level = 0
    let index = this.#size
    // An odd index has its left sibling on the stack: close the pair, and carry on one level up.
    while (index % 2 === 1) {
      const left = this.#hashes.pop()
      if (left === undefined)
        throw new TlogError(
          'RANGE_MALFORMED',
          'could not append: the edge of the tree lacks a hash',
        )
      hash = hashNode(this.#sha256, left, hash)
      level += 1
      index = (index - 1) / 2
      onNode?.(level, index, hash)
    }
    this.#hashes.push(hash)
    this.#size += 1
  }

  /** The RFC 6962 root over all leaves so far. */
  root(): Uint8Array {
    let root: Uint8Array | undefined
    for (let at = this.#hashes.length - 1; at >= 0; at--) {
      const left = this.#hashes[at]
      if (left !== undefined) root = root === undefined ? left : hashNode(this.#sha256, left, root)
    }
    return root ?? emptyRoot(this.#sha256)
  }

  /** A copy that grows on its own. */
  clone(): CompactRange {
    return CompactRange.from(this.#size, this.#hashes, this.#sha256)
  }
}

function bitsSet(size: number): number {
  let count = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}
