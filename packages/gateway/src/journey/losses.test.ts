import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openLosses } from './losses.ts'

function rig(): { clock: { ns: bigint }; losses: ReturnType<typeof openLosses> } {
  const clock = { ns: 100n }
  const losses = openLosses({
    clock: { nowNs: () => clock.ns, monotonicNs: () => clock.ns },
    isQueued: (cause) => cause === 'queued',
    codeOf: String,
  })
  return { clock, losses }
}

test('what is queued for later is not a loss', () => {
  const { losses } = rig()
  losses.note('queued')
  assert.equal(losses.isWaiting('queued'), true)
  assert.equal(losses.total, 0)
  assert.equal(losses.take(), undefined)
})

test('losses gather into one gap with its first and last time', () => {
  const { clock, losses } = rig()
  losses.note('LEDGER_FULL')
  clock.ns = 250n
  losses.note('LEDGER_FULL')
  const gap = { kind: 'gap', from: '100', to: '250', count: 2, why: 'LEDGER_FULL' } as const
  assert.deepEqual(losses.take(), gap)
  assert.equal(losses.take(), undefined)
  assert.equal(losses.total, 2)
})

test('a gap that could not be written is put back and grows', () => {
  const { clock, losses } = rig()
  losses.note('LEDGER_FULL')
  const gap = losses.take()
  assert.ok(gap !== undefined)
  clock.ns = 300n
  losses.note('LEDGER_FULL')
  losses.putBack(gap)
  assert.deepEqual(losses.take(), {
    kind: 'gap',
    from: '100',
    to: '300',
    count: 2,
    why: 'LEDGER_FULL',
  })
})
