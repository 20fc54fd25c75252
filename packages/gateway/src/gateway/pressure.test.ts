import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPressure } from './pressure.ts'

function rig(): { now: { ms: number }; pressure: ReturnType<typeof openPressure> } {
  const now = { ms: 0 }
  return { now, pressure: openPressure({ boundMs: 1000, nowMs: () => now.ms }) }
}

test('without waiting records there is nothing to wait for', () => {
  const { pressure } = rig()
  assert.equal(pressure.relief(), undefined)
  assert.equal(pressure.withinBound(), true)
})

test('requests wait from half of the bound, until the oldest record is durable', async () => {
  const { now, pressure } = rig()
  pressure.began()
  now.ms = 501
  const relief = pressure.relief()
  assert.ok(relief !== undefined)
  pressure.durable()
  await relief
  assert.equal(pressure.waiting, 0)
  assert.equal(pressure.relief(), undefined)
})

test('past the bound nothing waits: the answer is no', () => {
  const { now, pressure } = rig()
  pressure.began()
  now.ms = 1001
  assert.equal(pressure.withinBound(), false)
  assert.equal(pressure.relief(), undefined)
})

test('a refused draft does not count as waiting', () => {
  const { now, pressure } = rig()
  pressure.began()
  pressure.refused()
  now.ms = 5000
  assert.equal(pressure.withinBound(), true)
  assert.equal(pressure.waiting, 0)
})

test('the age is that of the oldest, also after many became durable', () => {
  const { now, pressure } = rig()
  for (let at = 0; at < 10_000; at += 1) {
    now.ms = at
    pressure.began()
    if (at > 0) pressure.durable()
  }
  assert.equal(pressure.waiting, 1)
  assert.equal(pressure.withinBound(), true)
  now.ms += 1001
  assert.equal(pressure.withinBound(), false)
})
