import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { CompactRange } from '@countersign/tlog/compact-range'
import { hashLeaf } from '@countersign/tlog/hash'
import { sha256 } from '../cryptography.ts'
import { putEntry } from './entries.ts'
import { Tree } from './tree.ts'

const entry = (index: number): Buffer => Buffer.from(`entry ${index}`)

function section(from: number, to: number): Buffer {
  const entries = Buffer.alloc((to - from) * 20)
  let at = 0
  for (let index = from; index < to; index++) at = putEntry(entries, at, entry(index))
  return entries.subarray(0, at)
}

/** Every node of a tree of `size`, as the library makes them, and its roots by size. */
function expected(size: number): { nodes: Map<string, Uint8Array>; roots: Uint8Array[] } {
  const range = new CompactRange(sha256)
  const nodes = new Map<string, Uint8Array>()
  const roots = [range.root()]
  for (let index = 0; index < size; index++) {
    range.append(hashLeaf(sha256, entry(index)), (level, at, hash) =>
      nodes.set(`${level} ${at}`, hash),
    )
    roots.push(range.root())
  }
  return { nodes, roots }
}

const SIZE = 256 * 256 + 600
const whole = expected(SIZE)

test('roots and nodes are those of RFC 6962 at every size, also where tiles fill and levels begin', () => {
  const tree = new Tree()
  for (let size = 0; size < SIZE;) {
    assert.deepEqual(Buffer.from(tree.root()), whole.roots[size], `root of ${size}`)
    // One by one where the first tiles fill and the second level ends, and in steps of any width between.
    const step = size < 600 || size > 256 * 256 - 300 ? 1 : 149
    tree.apply(section(size, size + step))
    size += step
  }
  for (const [place, hash] of whole.nodes) {
    const [level = 0, index = 0] = place.split(' ').map(Number)
    // All of the edge, and some of the others: those are hashed again from their tile.
    if (level < 6 && index % 97 !== 0 && (index + 1) * 2 ** level < SIZE - 300) continue
    assert.deepEqual(Buffer.from(tree.node(level, index) ?? []), hash, place)
  }
})

test('a tree taken up from its partial tiles grows as the one that made them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(SIZE - 300), fc.nat(300), async (size, more) => {
      const read = async ({
        level,
        index,
        width,
      }: {
        level: unknown
        index: number
        width: number
      }) =>
        Buffer.concat(
          Array.from({ length: width }, (_, slot) => {
            const hash = whole.nodes.get(`${Number(level) * 8} ${index * 256 + slot}`)
            assert.ok(hash !== undefined)
            return hash
          }),
        )
      const tree = await Tree.load(size, read)
      assert.deepEqual(Buffer.from(tree.root()), whole.roots[size])
      tree.apply(section(size, size + more))
      assert.equal(tree.size, size + more)
      assert.deepEqual(Buffer.from(tree.root()), whole.roots[size + more])
      tree.release(size + more)
      assert.deepEqual(Buffer.from(tree.root()), whole.roots[size + more])
    }),
  )
})

test('what is released is no longer known, and what stays still is', () => {
  const tree = new Tree()
  tree.apply(section(0, 700))
  tree.release(600)
  assert.equal(tree.node(0, 511), undefined)
  assert.equal(tree.node(4, 31), undefined)
  assert.throws(() => tree.tile({ level: 0, index: 1, width: 256 }), RangeError)
  assert.deepEqual(Buffer.from(tree.node(3, 80) ?? []), whole.nodes.get('3 80'))
  assert.deepEqual(Buffer.from(tree.node(8, 1) ?? []), whole.nodes.get('8 1'))
  assert.equal(tree.tile({ level: 0, index: 2, width: 188 }).length, 188 * 32)
})
