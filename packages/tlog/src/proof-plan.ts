import { TlogError } from './errors.ts'
import { leafIndex, treeSize } from './size.ts'

/** A complete subtree: `level` 0 is the leaves, and `index` counts subtrees of that level from 0. */
export interface NodeAddress {
  readonly level: number
  readonly index: number
}

/** The nodes to read for each hash of a proof, left to right; where there are several, the hash is folded from them. */
export type ProofPlan = readonly (readonly NodeAddress[])[]

/** A run of leaves, `start` to `end` exclusive, whose hash is one hash of a proof. */
interface Run {
  start: number
  end: number
}

/**
 * What an inclusion proof is made of, from the leaf's sibling up to the root's child.
 * @throws {TlogError} `SIZE_UNSAFE`; `INDEX_OUT_OF_RANGE` unless `index` is below `size`
 * @see RFC 6962, section 2.1.1
 */
export function planInclusion(index: number, size: number): ProofPlan {
  leafIndex(index)
  treeSize(size)
  if (index >= size)
    throw new TlogError(
      'INDEX_OUT_OF_RANGE',
      `could not prove leaf ${index}: the tree has ${size} leaves`,
    )
  const runs: Run[] = []
  let start = 0
  let end = size
  // From the root down to the leaf; the other half at each step is a hash of the proof.
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start)
    if (index < middle) {
      runs.push({ start: middle, end })
      end = middle
    } else {
      runs.push({ start, end: middle })
      start = middle
    }
  }
  return runs.toReversed().map(completeSubtrees)
}

/**
 * What a consistency proof is made of; empty when the sizes are equal.
 * @throws {TlogError} `SIZE_UNSAFE`; `CONSISTENCY_FROM_EMPTY` from size 0; `CONSISTENCY_SHRINKS` when `newSize` is below `oldSize`
 * @see RFC 6962, section 2.1.2
 */
export function planConsistency(oldSize: number, newSize: number): ProofPlan {
  treeSize(oldSize)
  treeSize(newSize)
  if (oldSize === 0)
    throw new TlogError(
      'CONSISTENCY_FROM_EMPTY',
      'could not prove consistency from size 0: there is nothing to prove',
    )
  if (newSize < oldSize)
    throw new TlogError(
      'CONSISTENCY_SHRINKS',
      `could not prove consistency from ${oldSize} to the smaller size ${newSize}`,
    )
  const runs: Run[] = []
  let start = 0
  let end = newSize
  // From the root down to where the old tree ends; each step leaves the half that does not hold that end.
  while (oldSize !== end) {
    const middle = start + largestPowerBelow(end - start)
    if (oldSize <= middle) {
      runs.push({ start: middle, end })
      end = middle
    } else {
      runs.push({ start, end: middle })
      start = middle
    }
  }
  // A subtree that is the whole old tree is its root, which the verifier has.
  if (start > 0) runs.push({ start, end })
  return runs.toReversed().map(completeSubtrees)
}

/** The complete subtrees that cover a run, left to right: one, unless the run ends where the tree is ragged. */
function completeSubtrees({ start, end }: Run): NodeAddress[] {
  const nodes: NodeAddress[] = []
  let at = start
  while (at < end) {
    let level = 0
    let span = 1
    while (at % (span * 2) === 0 && at + span * 2 <= end) {
      span *= 2
      level += 1
    }
    nodes.push({ level, index: at / span })
    at += span
  }
  return nodes
}

/** Largest power of two that is smaller than `n`, for n of 2 or more. */
function largestPowerBelow(n: number): number {
  let power = 1
  while (power * 2 < n) power *= 2
  return power
}
