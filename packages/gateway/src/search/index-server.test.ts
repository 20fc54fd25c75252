import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { systemClock } from '../platform.ts'
import type { Clock } from '../platform.ts'
import { serverPlacement } from './cluster-placement.ts'
import { oneRow } from './engine.ts'
import { openIndexServer } from './index-server.ts'
import type { IndexServerOptions } from './index-server.ts'
import { takeLease } from './lease.ts'
import type { Lease } from './lease.ts'
import { openIndex } from './open-index.ts'
import type { Index } from './rows.ts'
import { LEASES, PROGRESS } from './schema.ts'
import { openServerEngine } from './server-engine.ts'
import { allRows, idOf, noAnswers } from './search.testing.ts'
import { temporaryClickHouse } from './testing/clickhouse-server.ts'
import { thisProcess } from './this-process.ts'

const ORIGIN = 'audit.example.com/1'
const leaseTimes = { beatMs: 100, lapseMs: 1500, marginMs: 500, claimMs: 200 }

async function options(t: TestContext): Promise<IndexServerOptions> {
  const { url } = await temporaryClickHouse(t)
  return { url, user: 'default', database: 'records', clock: systemClock, leaseTimes }
}

async function openedIndex(t: TestContext, from: IndexServerOptions): Promise<Index> {
  const index = await openIndex({ ...(await openIndexServer(from)), answers: noAnswers })
  t.after(() => index.close())
  return index
}

/** A batch of one transaction at a leaf. */
function batchAt(leaf: number): Parameters<Index['write']>[0] {
  const transaction = { origin: ORIGIN, index: leaf, id: idOf(leaf), time: String(leaf) }
  return { origin: ORIGIN, next: leaf + 1, ended: [{ transaction }], open: [] }
}

/** A clock that can be put forward: as a process that was stopped, or a ClickHouse that was away. */
function movable(): Clock & { forward(ms: number): void } {
  let aheadNs = 0n
  return {
    nowNs: () => systemClock.nowNs(),
    monotonicNs: () => systemClock.monotonicNs() + aheadNs,
    forward(ms) {
      aheadNs += BigInt(ms) * 1_000_000n
    },
  }
}

test('a second reader of an index on a server is told of the first, and has it when that one closes', async (t) => {
  const from = await options(t)
  const first = await openIndexServer(from)
  await assert.rejects(openIndexServer(from), (error: Error) => {
    assert.ok('code' in error && error.code === 'SEARCH_IN_USE')
    const named = new RegExp(
      `^could not open the index: the reader ${hostname()}, process ${process.pid}, writes it since \\d{4}-[\\d-]+ [\\d:.]+ UTC, heard of 0 s ago$`,
    )
    assert.match(error.message, named)
    return true
  })
  await first.engine.close()
  const second = await openIndexServer(from)
  await second.engine.close()
})

test('of readers that start at once one has the index', async (t) => {
  const from = await options(t)
  const all = await Promise.allSettled(Array.from({ length: 4 }, () => openIndexServer(from)))
  const opened = all.filter(({ status }) => status === 'fulfilled')
  assert.equal(opened.length, 1)
  for (const one of all)
    if (one.status === 'rejected') assert.equal(one.reason.code, 'SEARCH_IN_USE', one.reason)
    else await one.value.engine.close()
})

test('a reader that was killed on this machine need not be waited for', async (t) => {
  const from = await options(t)
  const child = spawn(process.execPath, ['--eval', ''])
  await once(child, 'exit')
  const engine = await openServerEngine(from)
  t.after(() => engine.close())
  const never = { beatMs: 60_000, lapseMs: 600_000, marginMs: 1000, claimMs: 200 }
  const killed = { ...thisProcess(), pid: child.pid ?? 0 }
  const at = { engine, placement: serverPlacement, clock: systemClock }
  await takeLease({ ...at, times: never, process: killed })
  await (await takeLease({ ...at, times: never })).release()
})

test('a reader of another machine that is not heard of any more is waited for, and followed', async (t) => {
  const from = await options(t)
  const engine = await openServerEngine(from)
  t.after(() => engine.close())
  const gone = { host: 'elsewhere', machine: 'other', pid: process.pid }
  const at = { engine, placement: serverPlacement, clock: systemClock }
  await takeLease({ ...at, times: { ...leaseTimes, beatMs: 60_000 }, process: gone })
  const startNs = systemClock.monotonicNs()
  const lease = await takeLease({ ...at, times: leaseTimes })
  const waitedMs = Number((systemClock.monotonicNs() - startNs) / 1_000_000n)
  assert.ok(waitedMs > 1000, `${waitedMs} ms`)
  await lease.release()
})

test('a reader that was not heard of for a while writes nothing before it has looked again', async (t) => {
  const from = await options(t)
  const clock = movable()
  const index = await openedIndex(t, { ...from, clock })
  await index.write(batchAt(0))
  clock.forward(60_000)
  const isOld = { code: 'SEARCH_UNAVAILABLE', message: /another one could have$/ }
  await assert.rejects(index.write(batchAt(1)), isOld)
  await index.write(batchAt(1))
  assert.deepEqual(await index.logs(), [{ origin: ORIGIN, next: 2, records: 2, transactions: 2 }])
})

test('what another reader wrote meanwhile is not written twice', async (t) => {
  const from = await options(t)
  const clock = movable()
  const sleeper = await openedIndex(t, {
    ...from,
    clock,
    leaseTimes: { ...leaseTimes, beatMs: 60_000 },
  })
  await sleeper.write(batchAt(0))
  // It says nothing any more, and its time is over: the other one has it.
  const other = await openedIndex(t, from)
  await other.write(batchAt(1))
  clock.forward(60_000)
  await assert.rejects(sleeper.write(batchAt(1)), { code: 'SEARCH_IN_USE' })
  await other.close()
  // It is there: nothing is written.
  await sleeper.write(batchAt(1))
  await assert.rejects(sleeper.write(batchAt(2)), { code: 'SEARCH_UNAVAILABLE' })
  await sleeper.write({ ...batchAt(2), ended: [...batchAt(1).ended, ...batchAt(2).ended] })
  assert.deepEqual(await sleeper.logs(), [{ origin: ORIGIN, next: 3, records: 3, transactions: 3 }])
})

test('an index that is emptied is made anew, and only by whoever has it', async (t) => {
  const from = await options(t)
  const index = await openedIndex(t, from)
  await index.write(batchAt(0))
  await assert.rejects(openIndexServer({ ...from, isEmptied: true }), { code: 'SEARCH_IN_USE' })
  await index.close()
  const anew = await openedIndex(t, { ...from, isEmptied: true })
  assert.deepEqual(await anew.logs(), [])
  await anew.write(batchAt(0))
  assert.equal((await anew.logs())[0]?.records, 1)
})

test('what the table of leases says of a host is shown only if it is a name', async (t) => {
  const from = await options(t)
  const engine = await openServerEngine(from)
  t.after(() => engine.close())
  const at = { engine, placement: serverPlacement, clock: systemClock, times: leaseTimes }
  const lease: Lease = await takeLease(at)
  await lease.release()
  await assert.rejects(allRows(engine, `SELECT * FROM ${PROGRESS}`), { code: 'SEARCH_UNAVAILABLE' })
  const liar = { name: 'reader', token: 'x', host: '\u001B[2J evil', machine: 'm', pid: 7 }
  const since = '2999-01-01 00:00:00.000'
  await engine.insert(oneRow(LEASES, { ...liar, since, beat: since }))
  await assert.rejects(takeLease(at), { message: /the reader unknown, process 7,/ })
})
