import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecordError } from './errors.ts'
import { formatLeafList, parseLeafList } from './leaf-list.ts'

test('a list of leaves reads back as the indexes it was made of', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(400)), (some) => {
      const indexes = some.toSorted((a, b) => a - b)
      const runs = parseLeafList(formatLeafList(indexes))
      const read = runs.flatMap(({ from, to }) =>
        Array.from({ length: to - from + 1 }, (_, n) => from + n),
      )
      assert.deepEqual(read, indexes)
    }),
  )
})

test('runs are spelled as runs', () => {
  assert.equal(formatLeafList([3, 17, 18, 19, 21]), '3,17-19,21')
  assert.equal(formatLeafList([]), '')
})

test('a list has one spelling, and every other is refused', () => {
  for (const text of [
    '03',
    '3,2',
    '3,3',
    '3-3',
    '4-3',
    '3,4',
    '3-4,5',
    '3-',
    ',',
    '3,',
    '+3',
    ' 3',
    '99999999999999999',
  ])
    assert.throws(() => parseLeafList(text), RecordError, text)
})
