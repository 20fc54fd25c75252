import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/tree.json' with { type: 'json' }
import { encodeBase64 } from './base64.ts'
import { CompactRange } from './compact-range.ts'
import { hashLeaf, hashNode } from './hash.ts'
import { sha256, throwsCode } from './testing.test.ts'
import { utf8 } from './text.ts'

function leaf(index: number): Uint8Array {
  return hashLeaf(sha256, utf8(`entry ${index}`))
}

test('the root after each append is the root of the vectors', () => {
  const roots = new Map(vectors.roots.map(({ size, root }) => [size, root]))
  const range = new CompactRange(sha256)
  let checked = 0
  for (let index = 0; index <= 1000; index++) {
    const root = roots.get(range.size)
    if (root !== undefined) {
      assert.equal(encodeBase64(range.root()), root, `size ${range.size}`)
      checked += 1
    }
    range.append(leaf(index))
  }
  assert.equal(checked, vectors.roots.length)
})

test('every complete subtree is told once, bottom up, with the hash of its two halves', () => {
  const nodes = new Map<string, Uint8Array>()
  const range = new CompactRange(sha256)
  for (let index = 0; index < 300; index++) {
    range.append(leaf(index), (level, at, hash) => {
      assert.ok(!nodes.has(`${level}/${at}`))
      if (level === 0) assert.deepEqual(hash, leaf(at))
      else {
        const [left, right] = [
          nodes.get(`${level - 1}/${at * 2}`),
          nodes.get(`${level - 1}/${at * 2 + 1}`),
        ]
        assert.ok(left !== undefined && right !== undefined)
        assert.deepEqual(hash, hashNode(sha256, left, right))
      }
      nodes.set(`${level}/${at}`, hash)
    })
  }
  let expected = 0
  for (let level = 0; 2 ** level <= 300; level++) expected += Math.floor(300 / 2 ** level)
  assert.equal(nodes.size, expected)
})

test('a tree taken up from its edge goes on as the one that was left, and a copy goes its own way', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.nat(50), (size, more) => {
      const range = new CompactRange(sha256)
      for (let index = 0; index < size; index++) range.append(leaf(index))
      const before = range.root()
      const resumed = CompactRange.from(size, [...range.hashes], sha256)
      const copy = range.clone()
      for (let index = size; index < size + more; index++) {
        range.append(leaf(index))
        resumed.append(leaf(index))
      }
      assert.deepEqual(resumed.root(), range.root())
      assert.equal(resumed.size, size + more)
      assert.deepEqual(copy.root(), before)
      assert.equal(copy.size, size)
    }),
  )
})

test('an edge of the wrong shape is refused', () => {
  const hash = new Uint8Array(32)
  throwsCode(() => CompactRange.from(3, [hash], sha256), 'RANGE_MALFORMED')
  throwsCode(() => CompactRange.from(0, [hash], sha256), 'RANGE_MALFORMED')
  throwsCode(() => CompactRange.from(1, [new Uint8Array(31)], sha256), 'HASH_LENGTH')
  throwsCode(() => CompactRange.from(-1, [], sha256), 'SIZE_UNSAFE')
  throwsCode(() => CompactRange.from(2 ** 53, [hash], sha256), 'SIZE_UNSAFE')
})

test('an append that is refused leaves the tree as it was', () => {
  const range = new CompactRange(sha256)
  range.append(leaf(0))
  const root = range.root()
  throwsCode(() => range.append(new Uint8Array(31)), 'HASH_LENGTH')
  assert.deepEqual(range.root(), root)
  const full = CompactRange.from(
    Number.MAX_SAFE_INTEGER,
    Array.from({ length: 53 }, () => new Uint8Array(32)),
    sha256,
  )
  throwsCode(() => full.append(leaf(0)), 'SIZE_UNSAFE')
  assert.equal(full.size, Number.MAX_SAFE_INTEGER)
})

test('indexes over 2^31 are counted exactly', () => {
  const size = 2 ** 40 - 1
  const told: string[] = []
  const range = CompactRange.from(
    size,
    Array.from({ length: 40 }, () => new Uint8Array(32)),
    sha256,
  )
  range.append(leaf(0), (level, index) => told.push(`${level}/${index}`))
  assert.equal(told[0], `0/${size}`)
  assert.equal(told[1], `1/${2 ** 39 - 1}`)
  assert.equal(told.at(-1), '40/0')
  assert.equal(range.hashes.length, 1)
})
