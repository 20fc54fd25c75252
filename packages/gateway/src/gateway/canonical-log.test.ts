import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import fc from 'fast-check'
import type { Held } from '../capture.ts'
import type { Summary } from '../journey.ts'
import { openCanonicalLog } from './canonical-log.ts'

function lineOf(summary: Partial<Summary> & { allowed?: boolean; rule?: string; host?: string }) {
  const { allowed = true, rule = 'r', host = 'h' } = summary
  const lines: string[] = []
  const log = openCanonicalLog({
    clock: { nowNs: () => 1_795_348_800_000_000_000n, monotonicNs: () => 0n },
    destination: { write: (line: string) => void lines.push(line) },
  })
  const whole = {
    captured: {
      id: 'i',
      direction: 'egress',
      request: { method: 'GET', host },
      trace: { id: 't' },
    } as Captured,
    actor: { id: 'a', type: 'user', name: 'alice' } as Actor,
    decision: { allowed, rule, reason: 'granted', wouldDeny: false } as Decision,
    ...summary,
  }
  log.finished(whole)
  log.flush()
  assert.equal(lines.length, 1)
  const [line = ''] = lines
  assert.ok(line.endsWith('}\n') && line.indexOf('\n') === line.length - 1)
  return JSON.parse(line) as Record<string, unknown>
}

const held = (observed: object): Held => ({ observed }) as Held

test('allowed is info, denied is a warning, broken is an error', () => {
  const success = held({ outcome: 'success', durationNs: 1_500_000 })
  assert.equal(lineOf({ held: success })['level'], 30)
  assert.equal(lineOf({ held: success })['duration_ms'], 1.5)
  assert.equal(lineOf({ held: success })['time'], '2026-11-22T12:00:00.000Z')
  assert.equal(
    lineOf({ allowed: false, held: held({ outcome: 'denied', durationNs: 1 }) })['level'],
    40,
  )
  const error = held({ outcome: 'error', reason: 'upstream_closed', durationNs: 1 })
  assert.deepEqual(
    [lineOf({ held: error })['level'], lineOf({ held: error })['error']],
    [50, 'upstream_closed'],
  )
  assert.equal(lineOf({ failure: 'ledger_unavailable' })['level'], 50)
})

test('a later stage that overrules the decision is what the line says', () => {
  const overruled = { allowed: false, rule: 'floor', reason: 'metadata_address' } as Decision
  const line = lineOf({ held: held({ outcome: 'denied', durationNs: 1, overruled }) })
  assert.deepEqual(
    [line['allowed'], line['reason'], line['level']],
    [false, 'metadata_address', 40],
  )
})

test('whatever a rule or a host holds, the line is one line of JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (rule, host) => {
      const line = lineOf({ rule, host })
      assert.deepEqual([line['rule'], line['host']], [rule, host])
    }),
  )
})
