import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/decimal.json' with { type: 'json' }
import { leafIndex, parseDecimal, toTreeSize, treeSize, UINT64_MAX } from './size.ts'
import { throwsCode } from './testing.test.ts'

test('decimals up to the largest uint64 are read', () => {
  for (const { input, value } of vectors.valid) assert.equal(parseDecimal(input), BigInt(value))
})

for (const { name, input, error } of vectors.invalid) {
  test(`a decimal with ${name} is refused`, () => throwsCode(() => parseDecimal(input), error))
}

test('every uint64 has one decimal text', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, UINT64_MAX), (value) =>
      assert.equal(parseDecimal(String(value)), value),
    ),
  )
  fc.assert(
    fc.property(fc.bigInt(0n, UINT64_MAX), (value) =>
      throwsCode(() => parseDecimal(`0${value}`), 'DECIMAL_MALFORMED'),
    ),
  )
})

test('a number is an index or a size only while it is exact', () => {
  for (const make of [leafIndex, treeSize]) {
    assert.equal(make(0), 0)
    assert.equal(make(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
    for (const n of [-1, 0.5, Number.NaN, Infinity, 2 ** 53])
      throwsCode(() => make(n), 'SIZE_UNSAFE')
  }
})

test('a size from the wire comes to the hot path only while it is exact', () => {
  assert.equal(toTreeSize(42n), 42)
  throwsCode(() => toTreeSize(2n ** 53n), 'SIZE_UNSAFE')
  throwsCode(() => toTreeSize(2n ** 53n + 1n), 'SIZE_UNSAFE')
})
