import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transaction } from '@countersign/record/transaction'
import { Live, WAITING_MAX } from './live.ts'

function numbered(count: number): Transaction[] {
  return Array.from({ length: count }, (_, index) => {
    return { origin: 'log.example', index, id: String(index), time: '0' }
  })
}

test('a watcher gets what comes after it began to watch, in order', async () => {
  const live = new Live()
  const stop = new AbortController()
  live.publish(numbered(3))
  const seen: number[] = []
  const watching = (async () => {
    for await (const one of live.watch(stop.signal)) {
      if (one.kind === 'transactions') seen.push(...one.transactions.map(({ index }) => index))
      if (seen.length === 5) stop.abort()
    }
  })()
  await Promise.resolve()
  live.publish(numbered(2))
  live.publish(numbered(3))
  await watching
  assert.deepEqual(seen, [0, 1, 0, 1, 2])
  assert.equal(live.watchers, 0)
})

test('a watcher that is too slow gets what waited, is told, and is let go', async () => {
  const live = new Live()
  const watching = live.watch(new AbortController().signal)
  const first = watching.next()
  live.publish(numbered(WAITING_MAX))
  live.publish(numbered(1))
  live.publish(numbered(1))
  const got = (await first).value
  assert.equal(got?.kind === 'transactions' && got.transactions.length, WAITING_MAX)
  assert.deepEqual((await watching.next()).value, { kind: 'missed' })
  assert.equal((await watching.next()).done, true)
  assert.equal(live.watchers, 0)
})
