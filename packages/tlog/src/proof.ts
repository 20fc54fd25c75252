import { TlogError } from './errors.ts'
import { checkHash, emptyRoot, equalBytes, hashNode } from './hash.ts'
import type { Sha256 } from './hash.ts'
import { planConsistency, planInclusion } from './proof-plan.ts'
import type { NodeAddress, ProofPlan } from './proof-plan.ts'
import { checkUint64 } from './size.ts'

export type { NodeAddress } from './proof-plan.ts'

/** Hashes in a proof; a tree of 2^64 leaves needs no more. */
export const PROOF_HASHES_MAX = 64

/** Where proofs take their nodes from. `readNode` is asked only for complete subtrees of a tree of the stated size. */
export interface NodeSource {
  readonly sha256: Sha256
  readonly readNode: (level: number, index: number) => Uint8Array
}

/** As `NodeSource`, read asynchronously; all nodes of one proof are asked for at once. */
export interface AsyncNodeSource {
  readonly sha256: Sha256
  readonly readNode: (level: number, index: number) => Promise<Uint8Array>
}

/** A claim that `leafHash` is leaf `index` of the tree of `size` leaves under `root`. */
export interface InclusionClaim {
  readonly index: bigint
  readonly size: bigint
  readonly leafHash: Uint8Array
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** A claim that the tree of `newSize` leaves begins with the tree of `oldSize` leaves. */
export interface ConsistencyClaim {
  readonly oldSize: bigint
  readonly newSize: bigint
  readonly oldRoot: Uint8Array
  readonly newRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/**
 * Verifies an inclusion proof.
 * @throws {TlogError} `INDEX_OUT_OF_RANGE`, `PROOF_TOO_LONG` (over 64), `PROOF_LENGTH`, `ROOT_MISMATCH`, `HASH_LENGTH`, `SIZE_UNSAFE`
 * @see RFC 9162, section 2.1.3.2
 */
export function verifyInclusion(claim: InclusionClaim, sha256: Sha256): void {
  const { index, size, leafHash, root, proof } = claim
  checkUint64(index, 'a leaf index')
  checkUint64(size, 'a tree size')
  checkHash(leafHash, 'a leaf hash')
  checkHash(root, 'a root')
  checkProof(proof)
  if (index >= size)
    throw new TlogError(
      'INDEX_OUT_OF_RANGE',
      `could not verify inclusion: leaf ${index} is not in a tree of ${size}`,
    )
  const walk = new Walk(index, size - 1n)
  let hash = leafHash
  for (const sibling of proof) {
    hash =
      walk.step() === 'left' ? hashNode(sha256, sibling, hash) : hashNode(sha256, hash, sibling)
  }
  walk.finish()
  if (!equalBytes(hash, root)) throw rootMismatch('the proof leads to another root')
}

/**
 * Verifies a consistency proof. From size 0 is an error: anything is consistent with nothing.
 * @throws {TlogError} `CONSISTENCY_FROM_EMPTY`, `CONSISTENCY_SHRINKS`, `PROOF_TOO_LONG` (over 64), `PROOF_LENGTH`, `ROOT_MISMATCH` also
 * for two roots of one size, `HASH_LENGTH`, `SIZE_UNSAFE`
 * @see RFC 9162, section 2.1.4.2
 */
export function verifyConsistency(claim: ConsistencyClaim, sha256: Sha256): void {
  const { oldSize, newSize, oldRoot, newRoot, proof } = claim
  checkUint64(oldSize, 'a tree size')
  checkUint64(newSize, 'a tree size')
  checkHash(oldRoot, 'the old root')
  checkHash(newRoot, 'the new root')
  checkProof(proof)
  if (oldSize === 0n)
    throw new TlogError(
      'CONSISTENCY_FROM_EMPTY',
      'could not verify consistency from size 0: there is nothing to verify',
    )
  if (newSize < oldSize)
    throw new TlogError(
      'CONSISTENCY_SHRINKS',
      `could not verify consistency from ${oldSize} to the smaller size ${newSize}`,
    )
  if (newSize === oldSize) {
    if (proof.length > 0) throw wrongLength('trees of one size need no proof')
    if (!equalBytes(oldRoot, newRoot)) throw rootMismatch('two roots for one size')
    return
  }
  foldConsistency(claim, sha256)
}

/**
 * Verifies consistency as a witness does: the same, but from size 0 to any size with an empty proof. `oldRoot` is not looked at then.
 * @throws {TlogError} as `verifyConsistency`; from size 0, `PROOF_LENGTH` when the proof is not empty, and `ROOT_MISMATCH` when the
 * new tree is empty too and its root is not that of the empty tree
 * @see https://c2sp.org/tlog-witness, "add-checkpoint"
 */
export function verifyWitnessConsistency(claim: ConsistencyClaim, sha256: Sha256): void {
  if (claim.oldSize !== 0n) {
    verifyConsistency(claim, sha256)
    return
  }
  checkUint64(claim.newSize, 'a tree size')
  checkHash(claim.newRoot, 'the new root')
  if (claim.proof.length > 0) throw wrongLength('a proof from size 0 is empty')
  if (claim.newSize === 0n && !equalBytes(claim.newRoot, emptyRoot(sha256)))
    throw rootMismatch('the tree is empty and its root is not')
}

/** The complete subtrees that `inclusionProof` reads. @throws {TlogError} `SIZE_UNSAFE`, `INDEX_OUT_OF_RANGE` */
export function inclusionNodes(index: number, size: number): NodeAddress[] {
  return planInclusion(index, size).flat()
}

/** The complete subtrees that `consistencyProof` reads. @throws {TlogError} `SIZE_UNSAFE`, `CONSISTENCY_FROM_EMPTY`, `CONSISTENCY_SHRINKS` */
export function consistencyNodes(oldSize: number, newSize: number): NodeAddress[] {
  return planConsistency(oldSize, newSize).flat()
}

/** The inclusion proof of leaf `index` in the tree of `size` leaves. @throws {TlogError} `SIZE_UNSAFE`, `INDEX_OUT_OF_RANGE` */
export function inclusionProof(index: number, size: number, source: NodeSource): Uint8Array[] {
  return readPlan(planInclusion(index, size), source)
}

/** The proof that the tree of `newSize` begins with that of `oldSize`. @throws {TlogError} as `consistencyNodes` */
export function consistencyProof(
  oldSize: number,
  newSize: number,
  source: NodeSource,
): Uint8Array[] {
  return readPlan(planConsistency(oldSize, newSize), source)
}

/** As `inclusionProof`. @throws {TlogError} `SIZE_UNSAFE`, `INDEX_OUT_OF_RANGE`; and what `readNode` rejects with */
export async function inclusionProofAsync(
  index: number,
  size: number,
  source: AsyncNodeSource,
): Promise<Uint8Array[]> {
  return readPlanAsync(planInclusion(index, size), source)
}

/** As `consistencyProof`. @throws {TlogError} as `consistencyNodes`; and what `readNode` rejects with */
export async function consistencyProofAsync(
  oldSize: number,
  newSize: number,
  source: AsyncNodeSource,
): Promise<Uint8Array[]> {
  return readPlanAsync(planConsistency(oldSize, newSize), source)
}

/** A path up the tree, followed by the index of a node and the index of the last node of its level. */
class Walk {
  #node: bigint
  #last: bigint

  constructor(node: bigint, last: bigint) {
    this.#node = node
    this.#last = last
  }

  /** Goes up one level; says on which side the sibling is. */
  step(): 'left' | 'right' {
    if (this.#last === 0n) throw wrongLength('the proof is too long')
    const side = this.#node % 2n === 1n || this.#node === this.#last ? 'left' : 'right'
    if (side === 'left') this.#riseToRightChild()
    this.#up()
    return side
  }

  /** Goes up while the node is a right child. */
  rise(): void {
    while (this.#node % 2n === 1n) this.#up()
  }

  finish(): void {
    if (this.#last !== 0n) throw wrongLength('the proof is too short')
  }

  /** The last node of a level may have no sibling there: it rises until it has one. */
  #riseToRightChild(): void {
    while (this.#node % 2n === 0n && this.#node !== 0n) this.#up()
  }

  #up(): void {
    this.#node /= 2n
    this.#last /= 2n
  }
}

function foldConsistency(
  { oldSize, newSize, oldRoot, newRoot, proof }: ConsistencyClaim,
  sha256: Sha256,
): void {
  // An old tree that is a complete subtree is the first node itself, and the proof leaves it out.
  const isComplete = (oldSize & (oldSize - 1n)) === 0n
  const [first, ...rest] = isComplete ? [oldRoot, ...proof] : proof
  if (first === undefined || proof.length === 0) throw wrongLength('the proof is empty')
  const walk = new Walk(oldSize - 1n, newSize - 1n)
  walk.rise()
  let oldHash = first
  let newHash = first
  for (const sibling of rest) {
    if (walk.step() === 'left') {
      oldHash = hashNode(sha256, sibling, oldHash)
      newHash = hashNode(sha256, sibling, newHash)
    } else {
      newHash = hashNode(sha256, newHash, sibling)
    }
  }
  walk.finish()
  if (!equalBytes(oldHash, oldRoot)) throw rootMismatch('the proof leads to another old root')
  if (!equalBytes(newHash, newRoot)) throw rootMismatch('the proof leads to another new root')
}

function readPlan(plan: ProofPlan, { sha256, readNode }: NodeSource): Uint8Array[] {
  return plan.map((nodes) =>
    foldNodes(
      sha256,
      nodes.map(({ level, index }) => readNode(level, index)),
    ),
  )
}

async function readPlanAsync(
  plan: ProofPlan,
  { sha256, readNode }: AsyncNodeSource,
): Promise<Uint8Array[]> {
  return Promise.all(
    plan.map(async (nodes) =>
      foldNodes(sha256, await Promise.all(nodes.map(({ level, index }) => readNode(level, index)))),
    ),
  )
}

/** The hash over a run of complete subtrees of falling size, given left to right. */
function foldNodes(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.reduceRight((right, left) => hashNode(sha256, left, right))
}

function checkProof(proof: readonly Uint8Array[]): void {
  if (proof.length > PROOF_HASHES_MAX) {
    throw new TlogError(
      'PROOF_TOO_LONG',
      `could not verify a proof of ${proof.length} hashes: the limit is ${PROOF_HASHES_MAX}`,
    )
  }
  for (const hash of proof) checkHash(hash, 'a proof')
}

function wrongLength(why: string): TlogError {
  return new TlogError('PROOF_LENGTH', `could not verify the proof: ${why}`)
}

function rootMismatch(why: string): TlogError {
  return new TlogError('ROOT_MISMATCH', `could not verify the proof: ${why}`)
}
