import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import claims from '../testdata/proof.json' with { type: 'json' }
import tree from '../testdata/tree.json' with { type: 'json' }
import { decodeBase64, encodeBase64 } from './base64.ts'
import { CompactRange } from './compact-range.ts'
import { TlogError } from './errors.ts'
import { hashLeaf } from './hash.ts'
import {
  consistencyNodes,
  consistencyProof,
  consistencyProofAsync,
  inclusionNodes,
  inclusionProof,
  inclusionProofAsync,
  verifyConsistency,
  verifyInclusion,
  verifyWitnessConsistency,
} from './proof.ts'
import { rejectsCode, sha256, throwsCode } from './testing.test.ts'
import { utf8 } from './text.ts'

const SIZE = 1000
const nodes = new Map<string, Uint8Array>()
const roots: Uint8Array[] = []
const range = new CompactRange(sha256)
for (let index = 0; index < SIZE; index++) {
  roots.push(range.root())
  range.append(hashLeaf(sha256, utf8(`entry ${index}`)), (level, at, hash) =>
    nodes.set(`${level}/${at}`, hash),
  )
}
roots.push(range.root())

function readNode(level: number, index: number): Uint8Array {
  const node = nodes.get(`${level}/${index}`)
  assert.ok(node !== undefined, `node ${level}/${index} is asked for and is not complete`)
  return node
}

function rootOf(size: number): Uint8Array {
  const root = roots[size]
  assert.ok(root !== undefined)
  return root
}

const source = { sha256, readNode }
const asyncSource = {
  sha256,
  readNode: async (level: number, index: number) => readNode(level, index),
}

test('inclusion proofs are made and verified as in the vectors', async () => {
  for (const { index, size, proof } of tree.inclusion) {
    const made = inclusionProof(index, size, source)
    assert.deepEqual(made.map(encodeBase64), proof, `leaf ${index} of ${size}`)
    assert.deepEqual(await inclusionProofAsync(index, size, asyncSource), made)
    const claim = {
      index: BigInt(index),
      size: BigInt(size),
      leafHash: readNode(0, index),
      root: rootOf(size),
      proof: made,
    }
    verifyInclusion(claim, sha256)
  }
})

test('consistency proofs are made and verified as in the vectors', async () => {
  for (const { oldSize, newSize, proof } of tree.consistency) {
    const made = consistencyProof(oldSize, newSize, source)
    assert.deepEqual(made.map(encodeBase64), proof, `${oldSize} to ${newSize}`)
    assert.deepEqual(await consistencyProofAsync(oldSize, newSize, asyncSource), made)
    const claim = {
      oldSize: BigInt(oldSize),
      newSize: BigInt(newSize),
      oldRoot: rootOf(oldSize),
      newRoot: rootOf(newSize),
      proof: made,
    }
    verifyConsistency(claim, sha256)
    verifyWitnessConsistency(claim, sha256)
  }
})

for (const { name, index, size, leafHash, root, proof, error } of claims.inclusion) {
  test(`inclusion is refused: ${name}`, () => {
    const claim = {
      leafHash: decodeBase64(leafHash),
      root: decodeBase64(root),
      proof: proof.map(decodeBase64),
    }
    throwsCode(
      () => verifyInclusion({ index: BigInt(index), size: BigInt(size), ...claim }, sha256),
      error,
    )
  })
}

for (const {
  name,
  oldSize,
  newSize,
  oldRoot,
  newRoot,
  proof,
  error,
  witnessError,
} of claims.consistency) {
  test(`consistency is refused: ${name}`, () => {
    const hashes = {
      oldRoot: decodeBase64(oldRoot),
      newRoot: decodeBase64(newRoot),
      proof: proof.map(decodeBase64),
    }
    const claim = { oldSize: BigInt(oldSize), newSize: BigInt(newSize), ...hashes }
    throwsCode(() => verifyConsistency(claim, sha256), error)
    if (witnessError === 'none') verifyWitnessConsistency(claim, sha256)
    else throwsCode(() => verifyWitnessConsistency(claim, sha256), witnessError)
  })
}

/** A claim with one thing wrong: a bit of a hash, a hash less, or a hash more. */
function spoil(proof: readonly Uint8Array[], at: number): Uint8Array[] {
  if (at % 3 === 0) return proof.slice(0, -1)
  if (at % 3 === 1) return [...proof, new Uint8Array(32)]
  const spoiled = proof.map((hash) => Uint8Array.from(hash))
  const hash = spoiled[at % Math.max(1, spoiled.length)]
  if (hash !== undefined) hash[at % 32] = (hash[at % 32] ?? 0) ^ (1 << (at % 8))
  return spoiled
}

test('every leaf of every tree is proven, and a spoiled proof never holds', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: SIZE }), fc.nat(), fc.nat(), (size, at, how) => {
      const index = at % size
      const proof = inclusionProof(index, size, source)
      const claim = {
        index: BigInt(index),
        size: BigInt(size),
        leafHash: readNode(0, index),
        root: rootOf(size),
        proof,
      }
      verifyInclusion(claim, sha256)
      const spoiled = spoil(proof, how)
      if (proof.length > 0)
        assert.throws(() => verifyInclusion({ ...claim, proof: spoiled }, sha256), TlogError)
      const other = BigInt((index + 1 + (how % size)) % size)
      if (other !== claim.index)
        assert.throws(() => verifyInclusion({ ...claim, index: other }, sha256), TlogError)
    }),
    { numRuns: 300 },
  )
})

test('every tree is consistent with every earlier one, and a spoiled proof never holds', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: SIZE }), fc.nat(), fc.nat(), (newSize, at, how) => {
      const oldSize = 1 + (at % newSize)
      const proof = consistencyProof(oldSize, newSize, source)
      const claim = {
        oldSize: BigInt(oldSize),
        newSize: BigInt(newSize),
        oldRoot: rootOf(oldSize),
        newRoot: rootOf(newSize),
        proof,
      }
      verifyConsistency(claim, sha256)
      if (proof.length > 0)
        assert.throws(
          () => verifyConsistency({ ...claim, proof: spoil(proof, how) }, sha256),
          TlogError,
        )
      const wrong = { ...claim, oldRoot: rootOf(oldSize - 1) }
      throwsCode(() => verifyConsistency(wrong, sha256), 'ROOT_MISMATCH')
    }),
    { numRuns: 300 },
  )
})

test('proofs read complete subtrees only, also in the largest trees', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.maxSafeNat(),
      (size, at) => {
        const index = at % size
        for (const node of [...inclusionNodes(index, size), ...consistencyNodes(index + 1, size)]) {
          assert.ok(BigInt(node.index + 1) * 2n ** BigInt(node.level) <= BigInt(size))
        }
      },
    ),
  )
})

test('a proof of what is not there is not made', async () => {
  throwsCode(() => inclusionProof(1, 1, source), 'INDEX_OUT_OF_RANGE')
  throwsCode(() => inclusionProof(0, 0, source), 'INDEX_OUT_OF_RANGE')
  throwsCode(() => inclusionProof(-1, 1, source), 'SIZE_UNSAFE')
  throwsCode(() => consistencyProof(0, 1, source), 'CONSISTENCY_FROM_EMPTY')
  throwsCode(() => consistencyProof(2, 1, source), 'CONSISTENCY_SHRINKS')
  throwsCode(() => consistencyProof(1, 2 ** 53, source), 'SIZE_UNSAFE')
  await rejectsCode(() => inclusionProofAsync(1, 1, asyncSource), 'INDEX_OUT_OF_RANGE')
  await rejectsCode(() => consistencyProofAsync(0, 1, asyncSource), 'CONSISTENCY_FROM_EMPTY')
})
