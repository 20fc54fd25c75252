import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchesRoute, openReconciliation } from './reconciliation.ts'
import type { Forwarded, Reconciled } from './reconciliation.ts'
import type { AccessLine } from './access-log.ts'

const START_MS = 1_800_000_000_000
const window = { sinceMs: START_MS, untilMs: START_MS + 1_000_000 }

function seen(line: number, request: Partial<AccessLine> = {}): AccessLine {
  const timeMs = START_MS + 1000 * line
  const common = { line, timeMs, method: 'GET', path: `/orders/${line}`, status: 200 }
  return { ...common, requestId: `r-${line}`, ...request }
}

function sent(nth: number, request: Partial<Forwarded> = {}): Forwarded {
  const beganMs = START_MS + 1000 * nth - 5
  const common = { id: `id-${nth}`, leafIndex: 2 * nth, method: 'GET', route: '/orders/{id}' }
  const times = { beganMs, endedMs: beganMs + 10 }
  return { ...common, ...times, requestId: `r-${nth}`, reached: 'must', ...request }
}

function compare(lines: readonly AccessLine[], forwarded: readonly Forwarded[]): Reconciled {
  const tables = openReconciliation()
  try {
    for (const line of lines) tables.addSeen(line)
    for (const one of forwarded) tables.addForwarded(one)
    return tables.compare(window)
  } finally {
    tables.close()
  }
}

test('requests that both sides know are matched by their id', () => {
  const found = compare([seen(1), seen(2), seen(3)], [sent(3), sent(1), sent(2)])
  const { seen: all, forwarded, byId, byTime, bypassTotal, unseenTotal } = found
  assert.deepEqual([all, forwarded, byId, byTime, bypassTotal, unseenTotal], [3, 3, 3, 0, 0, 0])
})

test('a request that the log does not know has gone around the gateway', () => {
  const { bypass } = compare([seen(1), seen(2)], [sent(1)])
  assert.deepEqual(
    bypass.map(({ line, why }) => [line, why]),
    [[2, 'unknown']],
  )
})

test('a request id that is used again answers for one request only', () => {
  const twice = [seen(1), seen(2, { requestId: 'r-1' })]
  const { byId, bypass } = compare(twice, [sent(1)])
  assert.equal(byId, 1)
  assert.deepEqual(
    bypass.map(({ line, why }) => [line, why]),
    [[2, 'repeated']],
  )
  // A client may well choose the same id twice: then the log has both.
  assert.equal(compare(twice, [sent(1), sent(2, { requestId: 'r-1' })]).bypassTotal, 0)
})

test('an id that is on record for another method answers for nothing', () => {
  assert.equal(compare([seen(1, { method: 'DELETE' })], [sent(1)]).bypassTotal, 1)
})

test('a request that was refused and reached the upstream all the same is told as such', () => {
  const { bypass } = compare([seen(1)], [sent(1, { reached: 'not' })])
  assert.equal(bypass[0]?.why, 'refused')
})

test('what was answered and is not in the access log was never seen; what failed on the way may not have been', () => {
  const failed = sent(3, { reached: 'may' })
  const { unseen, unseenTotal, uncertain } = compare([seen(1)], [sent(1), sent(2), failed])
  assert.deepEqual([unseenTotal, uncertain], [1, 1])
  assert.equal(unseen[0]?.leafIndex, 4)
})

test('outside of the window nothing is missed, and what crosses its edge is matched', () => {
  const early = sent(0, { beganMs: START_MS - 50_000, endedMs: START_MS + 5 })
  const before = sent(5, {
    requestId: 'before',
    beganMs: START_MS - 90_000,
    endedMs: START_MS - 80_000,
  })
  const {
    bypassTotal,
    unseenTotal,
    byId,
    seen: all,
  } = compare(
    [seen(0, { requestId: 'r-0' }), seen(1), seen(9, { timeMs: START_MS - 1, requestId: 'x' })],
    [early, sent(1), before],
  )
  assert.deepEqual([bypassTotal, unseenTotal, byId, all], [0, 0, 2, 2])
})

test('without a request id, time, method and path must do, after all that have one', () => {
  const bare = { requestId: '' }
  const { byId, byTime, bypassTotal } = compare(
    [seen(1, bare), seen(1, { line: 2 }), seen(3, bare), seen(4, { ...bare, path: '/other' })],
    [sent(1), sent(1, { id: 'other', requestId: 'unlogged' }), sent(3), sent(4)],
  )
  assert.deepEqual([byId, byTime, bypassTotal], [1, 2, 1])
})

test('the outcome says when a request ended and whether it got there', () => {
  const tables = openReconciliation()
  tables.addSeen(seen(1))
  tables.addForwarded(sent(1, { reached: 'may', endedMs: Number.MAX_SAFE_INTEGER }))
  tables.addForwarded(sent(2, { reached: 'may', endedMs: Number.MAX_SAFE_INTEGER }))
  tables.endForwarded('id-2', { endedMs: START_MS + 3000, reached: 'must' })
  tables.endForwarded('nobody', { endedMs: 1, reached: 'must' })
  assert.deepEqual(tables.span, { sinceMs: START_MS + 1000, untilMs: START_MS + 1000 })
  const { byId, unseenTotal, uncertain } = tables.compare(window)
  assert.deepEqual([byId, unseenTotal, uncertain], [1, 1, 0])
  tables.close()
})

test('there is a limit to what is compared at once', () => {
  const tables = openReconciliation({ rowsMax: 3 })
  for (const line of [1, 2, 3]) tables.addSeen(seen(line))
  assert.throws(() => tables.addForwarded(sent(1)), { code: 'RECONCILE_LIMIT' })
  tables.close()
})

test('whatever is left out on either side, it is exactly that which is missed', () => {
  const some = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 20 })
  fc.assert(
    fc.property(some, some, (unlogged, unseen) => {
      const all = Array.from({ length: 60 }, (_, nth) => nth + 1)
      const found = compare(
        all.filter((nth) => !unseen.includes(nth)).map((nth) => seen(nth)),
        all.filter((nth) => !unlogged.includes(nth)).map((nth) => sent(nth)),
      )
      const sorted = (list: readonly number[]): number[] => list.toSorted((a, b) => a - b)
      assert.deepEqual(
        found.bypass.map(({ line }) => line),
        sorted(unlogged.filter((nth) => !unseen.includes(nth))),
      )
      assert.deepEqual(
        found.unseen.map(({ leafIndex }) => leafIndex / 2),
        sorted(unseen.filter((nth) => !unlogged.includes(nth))),
      )
    }),
    { numRuns: 30 },
  )
})

test('a path is held against a route template', () => {
  for (const [path, route, fits] of [
    ['/orders/1', '/orders/{id}', true],
    ['/orders/', '/orders/{id}', false],
    ['/orders/1/items', '/orders/{id}', false],
    ['/files/a/b/c', '/files/{rest...}', true],
    ['/files', '/files/{rest...}', false],
    ['/a%3Ab', '/a:b', true],
    ['/%zz', '/{x}', true],
    ['/anything', '', true],
  ] as const)
    assert.equal(matchesRoute(path, route), fits, `${path} ${route}`)
})
