import assert from 'node:assert/strict'
import test from 'node:test'

import * as fc from 'fast-check'

import { idTimeMs, isId, openIds } from './id.ts'

test('ids of one generator sort in the order they were made, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (times) => {
      let at = 0
      const next = openIds({ nowMs: () => times[at] ?? 0 })
      const ids = times.map((_, nth) => {
        at = nth
        return next()
      })
      assert.ok(ids.every(isId))
      assert.deepEqual(ids, ids.toSorted())
      assert.equal(new Set(ids).size, ids.length)
    }),
  )
})

test('ids stay in order and in number when a millisecond holds more of them than its counter', () => {
  const next = openIds({ nowMs: () => 1_700_000_000_000 })
  const ids = Array.from({ length: 20_000 }, next)
  assert.deepEqual(ids, ids.toSorted())
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(idTimeMs(ids.at(-1) ?? '') > 1_700_000_000_000)
})

test('an id tells the millisecond it was made in', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (ms) => {
      assert.equal(idTimeMs(openIds({ nowMs: () => ms })()), ms)
    }),
  )
})

test('the bytes of an id are those of RFC 9562: time, version, counter, variant, randomness', () => {
  const next = openIds({ nowMs: () => 0x017f22e279b0, random: (bytes) => void bytes.fill(0xff) })
  assert.equal(next(), '017f22e2-79b0-77ff-bfff-ffffffffffff')
  assert.equal(next(), '017f22e2-79b0-7800-bfff-ffffffffffff')
})

test('a text that is no UUIDv7 in lower case is not an id', () => {
  for (const text of [
    '',
    '017F22E2-79B0-7CC3-98C4-DC0C0C07398F',
    '017f22e2-79b0-4cc3-98c4-dc0c0c07398f',
    '017f22e2-79b0-7cc3-c8c4-dc0c0c07398f',
    ' 017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
  ]) {
    assert.equal(isId(text), false, text)
  }
})

test('a clock outside 48 bits is an error, not an id', () => {
  assert.throws(() => openIds({ nowMs: () => 2 ** 48 })(), RangeError)
  assert.throws(() => openIds({ nowMs: () => Number.NaN })(), RangeError)
})
