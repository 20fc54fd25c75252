import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Erasures } from './erasures.ts'
import type { Leaf } from './leaf.ts'
import { formatLeafList } from './leaf-list.ts'

function erasure(leaves: string, subject = 's'): Pick<Leaf, 'lifecycle'> {
  return {
    lifecycle: { kind: 'erasure', subject, basis: 'b', by: 'c', leaves, part: 1, parts: 1 },
  }
}

test('an erasure covers what it names, and nothing at or after itself', () => {
  const erasures = new Erasures()
  erasures.add(5, { lifecycle: { kind: 'shutdown', component: 'ledger' } })
  erasures.add(10, erasure('3,5-7', 'a'))
  erasures.add(12, erasure('11-12', 'b'))
  erasures.add(20, erasure('6-9,30', 'c'))
  const covering = Array.from({ length: 32 }, (_, index) => erasures.covering(index)?.record)
  assert.deepEqual(covering.slice(0, 12), [
    undefined,
    undefined,
    undefined,
    10,
    undefined,
    10,
    20,
    20,
    20,
    20,
    undefined,
    undefined,
  ])
  assert.ok(covering.slice(12).every((record) => record === undefined))
  assert.equal(erasures.covering(3)?.subject, 'a')
})

test('coverage is what a set of the same indexes says', () => {
  const list = fc.uniqueArray(fc.nat(60), { maxLength: 20 })
  fc.assert(
    fc.property(fc.array(list, { maxLength: 6 }), (lists) => {
      const erasures = new Erasures()
      const named = new Set<number>()
      for (const [nth, indexes] of lists.entries()) {
        const sorted = indexes.toSorted((a, b) => a - b)
        erasures.add(100 + nth, erasure(formatLeafList(sorted)))
        for (const index of sorted) named.add(index)
      }
      for (let index = 0; index <= 61; index++)
        assert.equal(erasures.covering(index) !== undefined, named.has(index))
    }),
  )
})
