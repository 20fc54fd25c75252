import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/hash.json' with { type: 'json' }
import { decodeHex, encodeHex } from './base64.ts'
import { emptyRoot, equalBytes, hashLeaf, hashNode } from './hash.ts'
import { sha256, throwsCode } from './testing.test.ts'

test('the root of the empty tree is the hash of nothing', () => {
  assert.equal(encodeHex(emptyRoot(sha256)), vectors.emptyRoot)
})

test('leaves and nodes hash as in RFC 6962', () => {
  for (const { name, entry, hash } of vectors.leaves)
    assert.equal(encodeHex(hashLeaf(sha256, decodeHex(entry))), hash, name)
  for (const { name, left, right, hash } of vectors.nodes) {
    assert.equal(encodeHex(hashNode(sha256, decodeHex(left), decodeHex(right))), hash, name)
  }
})

for (const { name, left, right, error } of vectors.wrongLengths) {
  test(`a node is not made of ${name}`, () =>
    throwsCode(() => hashNode(sha256, decodeHex(left), decodeHex(right)), error))
}

test('an entry hashes the same on either side of the size that the shared buffer holds', () => {
  for (const length of [65_534, 65_535, 65_536, 100_000]) {
    const entry = new Uint8Array(length).fill(7)
    assert.deepEqual(hashLeaf(sha256, entry), sha256(Buffer.concat([Uint8Array.of(0), entry])))
  }
})

test('a leaf never leaks into the next one through the shared buffer', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (entries) => {
      for (const entry of entries)
        assert.deepEqual(hashLeaf(sha256, entry), sha256(Buffer.concat([Uint8Array.of(0), entry])))
    }),
  )
})

test('bytes are equal only in full', () => {
  assert.ok(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)))
  assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)))
  assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)))
})
