import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Captured, Decision } from '@countersign/record/vocabulary'
import type { Held } from '../capture.ts'
import type { Summary } from '../journey.ts'
import { openMetrics } from './metrics.ts'

const gauges = {
  ledgerUp: () => true,
  waitingRecords: () => 0,
  lostRecords: () => 0,
  openIntents: () => 0,
  witnesses: async () => null,
}
const summary = (parts: { allowed: boolean; outcome: string; durationNs: number }): Summary =>
  ({
    captured: { direction: 'inbound' } as Captured,
    decision: {
      allowed: parts.allowed,
      reason: parts.allowed ? 'granted' : 'no_grant',
      service: 'orders',
    } as Decision,
    held: { observed: parts } as unknown as Held,
  }) as Summary

test('a scrape counts every request up to it, however many have been gathered', async () => {
  const metrics = openMetrics(gauges)
  const labels = 'direction="inbound",service="orders"'
  const allowed = `countersign_requests_total{${labels},decision="allowed",reason="granted",outcome="success"}`
  const denied = `countersign_requests_total{${labels},decision="denied",reason="no_grant",outcome="denied"}`
  const measured = `countersign_request_duration_seconds_count{${labels}}`
  const fast = `countersign_request_duration_seconds_bucket{le="0.001",${labels}}`
  const linesOf = async () => (await metrics.expose()).text.split('\n')

  const success = { allowed: true, outcome: 'success', durationNs: 500_000 }
  for (let n = 0; n < 1_000; n++) metrics.finished(summary(success))
  metrics.finished(summary({ allowed: false, outcome: 'denied', durationNs: 2_000_000 }))
  const first = await linesOf()
  for (const line of [`${allowed} 1000`, `${denied} 1`, `${measured} 1001`, `${fast} 1000`])
    assert.ok(first.includes(line), line)

  metrics.finished(summary(success))
  const second = await linesOf()
  for (const line of [`${allowed} 1001`, `${denied} 1`, `${measured} 1002`])
    assert.ok(second.includes(line), line)
  assert.deepEqual(metrics.totals(), { requests: 1_002, denied: 1, errors: 0, malformed: 0 })
})
