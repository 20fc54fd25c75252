import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  median,
  percentile,
  queuedMs,
  residentBytes,
  table,
  threadsCpuMs,
  treeCpuMicros,
} from './measure.ts'

test('percentiles are values that were measured', () => {
  assert.equal(percentile([1, 2, 3, 4], 0.5), 3)
  assert.equal(percentile([1, 2, 3, 4], 0.99), 4)
  assert.equal(percentile([7], 0.99), 7)
  assert.ok(Number.isNaN(percentile([], 0.5)))
  assert.equal(median([3, 1, 2]), 2)
})

test(
  'the CPU time of this process grows while it works',
  { skip: process.platform !== 'linux' && 'only Linux has /proc' },
  () => {
    const before = treeCpuMicros(process.pid)
    const beforeMs = threadsCpuMs(process.pid)
    const untilMs = performance.now() + 100
    while (performance.now() < untilMs);
    const used = treeCpuMicros(process.pid) - before
    assert.ok(used > 0 && used < 10_000_000, `${used} microseconds`)
    assert.ok(threadsCpuMs(process.pid) > beforeMs)
    assert.ok(queuedMs(process.pid) >= 0)
    assert.ok((residentBytes(process.pid) ?? 0) > 10_000_000)
  },
)

test('columns line up', () => {
  assert.equal(
    table([
      ['proxy', 'us'],
      ['nginx', '17'],
    ]),
    'proxy  us\nnginx  17',
  )
})
