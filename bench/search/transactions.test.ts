import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordId, traceOf, transactionsOf } from './transactions.ts'

test('the same seed gives the same transactions, however they are cut', () => {
  const whole = transactionsOf({ from: 0, to: 300, total: 1000 })
  const cut = [
    ...transactionsOf({ from: 0, to: 120, total: 1000 }),
    ...transactionsOf({ from: 120, to: 300, total: 1000 }),
  ]
  assert.deepEqual(cut, whole)
  assert.notDeepEqual(transactionsOf({ from: 0, to: 300, total: 1000 }, 2), whole)
})

test('a record has an id of its own, and a trace is a request and its calls', () => {
  const all = transactionsOf({ from: 0, to: 3000, total: 3000 })
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length)
  assert.match(recordId(17), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.match(traceOf(17), /^[0-9a-f]{32}$/)
  assert.equal(new Set(all.map(({ trace }) => trace)).size, all.length / 3)
  const denied = all.filter(({ outcome }) => outcome === 'denied').length
  assert.ok(denied > 20 && denied < 200, `${denied} of ${all.length}`)
})
