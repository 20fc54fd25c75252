import assert from 'node:assert/strict'
import test from 'node:test'

import { parseVkey } from '@countersign/tlog/key'
import fc from 'fast-check'

import type { Completeness } from './completeness.ts'
import { tellCompleteness } from './completeness-text.ts'
import { nodeCrypto } from './node-io.ts'
import { verifyRange } from './range.ts'
import { logKey, SampleLog } from './sample-log.testing.ts'
import { verifyLog } from './verify.ts'
import type { Report, VerifyOptions } from './verify.ts'
import { Pages, Writer } from './writers.testing.ts'

/** Publishes the pages and judges them, cut into ranges of so many bundles as threads would. */
async function judged(
  pages: Pages,
  { complete = {}, bundles = 1 }: Pick<VerifyOptions, 'complete'> & { bundles?: number } = {},
): Promise<Report & { completeness: Completeness }> {
  const files = new Map<string, Uint8Array>()
  const entries = pages.entries.values()
  const log = new SampleLog(
    (path, bytes) => void files.set(path, bytes),
    () => entries.next().value ?? assert.fail('no entry'),
  )
  log.append(pages.entries.length)
  await log.publish()
  const source = { read: (path: string) => files.get(path) }
  const { sha256Into } = nodeCrypto
  const report = await verifyLog({
    source,
    crypto: nodeCrypto,
    keys: [parseVkey(logKey.vkey, nodeCrypto.sha256)],
    complete,
    ranges: async ({ size, history }) => {
      const last = Math.ceil(size / 256)
      const starts = Array.from({ length: Math.ceil(last / bundles) }, (_, at) => at * bundles)
      return Promise.all(
        starts.map((start) =>
          verifyRange(
            { size, history, start, end: Math.min(last, start + bundles) },
            { source, sha256Into },
          ),
        ),
      )
    },
  })
  const { completeness } = report
  assert.ok(completeness)
  return { ...report, completeness }
}

test('a log whose sessions begin, are counted and end is complete', async () => {
  const pages = new Pages()
  const ledger = new Writer(pages, 'ledger').boot()
  const gateway = new Writer(pages).boot().requests(400).heartbeat().requests(300).heartbeat()
  gateway.shutdown()
  ledger.shutdown()
  const report = await judged(pages)
  const { completeness } = report
  assert.deepEqual([report.verified, completeness.verdict], [true, 'complete'])
  assert.deepEqual(
    completeness.sessions.map(({ component, records, heartbeats, end }) => [
      component,
      records,
      heartbeats,
      end,
    ]),
    [
      ['ledger', 2, 0, 'shutdown'],
      ['gateway', 1404, 2, 'shutdown'],
    ],
  )
  const text = tellCompleteness(report)
  assert.match(text, /^complete: entries 0 to 1405, no record left out; 0 intents without an outc/)
  assert.match(text, /session {5}\S+ \(gateway\): 1,404 records, entries 1 to 1404, counted by 2 h/)
})

test('a reader beside a gateway is a session of its own, and its crash leaves nothing open', async () => {
  const pages = new Pages()
  const gateway = new Writer(pages).boot()
  const crashed = new Writer(pages, 'reader').boot().requests(3).heartbeat()
  gateway.requests(5).heartbeat()
  const open = crashed.intent()
  const reader = new Writer(pages, 'reader').boot().outcome(open).requests(2).heartbeat()
  gateway.shutdown()
  reader.shutdown()
  const report = await judged(pages)
  const { completeness } = report
  assert.deepEqual([report.verified, completeness.verdict], [true, 'complete'])
  assert.deepEqual(
    completeness.sessions.map(({ component, end }) => [component, end]),
    [
      ['gateway', 'shutdown'],
      ['reader', 'crash'],
      ['reader', 'shutdown'],
    ],
  )
  assert.match(tellCompleteness(report), /session {5}\S+ \(reader\): 9 records/)
})

test('a record left out is a hole between its neighbours, and only there', async () => {
  const pages = new Pages()
  const gateway = new Writer(pages).boot().requests(10).heartbeat()
  const id = gateway.intent()
  gateway.drop().outcome(id)
  gateway.requests(2).heartbeat().shutdown()
  const { verified, findings, completeness } = await judged(pages)
  assert.deepEqual([verified, findings.map(({ code }) => code)], [false, ['SESSION_BROKEN']])
  assert.equal(completeness.verdict, 'holes')
  const [broken] = completeness.holes
  assert.deepEqual([broken?.after, broken?.before], [22, 23])
  assert.match(broken?.message ?? '', /1 of its records are missing \(23 to 23\)/)
  assert.deepEqual(
    completeness.openIntents.map(({ entry }) => entry),
    [22],
  )
  for (const [first, last, verdict] of [
    [0, 20, 'complete'],
    [22, 22, 'holes'],
    [23, 26, 'holes'],
    [28, 28, 'complete'],
  ] as const) {
    const { completeness: part } = await judged(pages, { complete: { entries: { first, last } } })
    assert.equal(part.verdict, verdict, `${first} to ${last}`)
  }
})

test('a session without its first records is a hole', async () => {
  const pages = new Pages()
  new Writer(pages).drop().boot().requests(3).shutdown()
  const { completeness } = await judged(pages)
  assert.equal(completeness.verdict, 'holes')
  assert.match(completeness.holes[0]?.message ?? '', /begins with record 1: the 1 before it are mi/)
})

test('heartbeats that count what the log does not hold are a hole, also across ranges', async () => {
  for (const bundles of [1, 2, 100]) {
    const pages = new Pages()
    const gateway = new Writer(pages).boot().requests(300).heartbeat().requests(300)
    gateway.heartbeat({ intents: 601 }).requests(300).heartbeat({ intents: 901 }).shutdown()
    const { verified, completeness } = await judged(pages, { bundles })
    assert.deepEqual([verified, completeness.verdict], [true, 'holes'])
    assert.equal(completeness.holesTotal, 1, 'said once')
    assert.match(completeness.holes[0]?.message ?? '', /1 intents more/)
  }
})

test('a session that crashed is told from one that was shut down, and is no hole', async () => {
  const pages = new Pages()
  const first = new Writer(pages).boot().requests(2).heartbeat()
  const open = first.intent()
  const second = new Writer(pages)
  second.outcome(open).boot().requests(1).heartbeat().shutdown()
  const { completeness } = await judged(pages)
  assert.equal(completeness.verdict, 'unproved')
  assert.deepEqual(
    completeness.sessions.map(({ end }) => end),
    ['crash', 'shutdown'],
  )
  assert.match(completeness.unproved[0] ?? '', /ended without a shutdown after entry 6/)
  assert.equal(completeness.openIntentsTotal, 0, 'the next boot ended it')
  const later = await judged(pages, { complete: { entries: { first: 9, last: 11 } } })
  assert.equal(later.completeness.verdict, 'complete')
})

test('a session whose end was left out is not taken for complete', async () => {
  const pages = new Pages()
  const ledger = new Writer(pages, 'ledger').boot()
  const gateway = new Writer(pages).boot()
  for (let nth = 0; nth < 5; nth++) gateway.requests(2).heartbeat()
  gateway.drop().shutdown()
  pages.nowMs += 3_600_000
  ledger.shutdown()
  const report = await judged(pages)
  assert.equal(report.completeness.verdict, 'unproved')
  assert.deepEqual(
    report.completeness.sessions.map(({ end }) => end),
    ['shutdown', 'silent'],
  )
  assert.match(
    tellCompleteness(report),
    /not proved {2}session \S+ of the gateway says nothing aft/,
  )
})

test('a log that ends with a session is complete up to there', async () => {
  const pages = new Pages()
  new Writer(pages).boot().requests(5).heartbeat().requests(5).heartbeat().intent()
  const { completeness } = await judged(pages)
  assert.equal(completeness.verdict, 'complete')
  assert.equal(completeness.sessions[0]?.end, 'running')
  assert.equal(completeness.openIntentsTotal, 1)
})

test('known gaps are listed, and what was lost must be in one', async () => {
  const told = new Pages()
  new Writer(told).boot().lose(3).gap(3).heartbeat().requests(1).heartbeat().shutdown()
  const report = await judged(told)
  assert.equal(report.completeness.verdict, 'complete')
  assert.deepEqual(
    report.completeness.gaps.map(({ entry, count, why }) => [entry, count, why]),
    [[1, 3, 'LEDGER_FULL']],
  )
  assert.match(tellCompleteness(report), /but for 3 records in 1 known gap;/)

  const late = new Pages()
  new Writer(late).boot().lose(2).heartbeat().gap(2).heartbeat().shutdown()
  assert.equal((await judged(late)).completeness.verdict, 'complete')

  const silent = new Pages()
  new Writer(silent).boot().lose(2).heartbeat().requests(1).heartbeat().shutdown()
  const { completeness } = await judged(silent)
  assert.equal(completeness.verdict, 'holes')
  assert.match(completeness.holes[0]?.message ?? '', /count 2 lost records, and its gap records/)

  const last = new Pages()
  new Writer(last).boot().heartbeat().lose(2).heartbeat().shutdown()
  const ended = (await judged(last)).completeness
  assert.match(ended.unproved[0] ?? '', /lost 2 records, as its last heartbeat says, that no gap/)
})

test('heartbeats of an older version count nothing, which is said', async () => {
  const pages = new Pages()
  new Writer(pages).boot().requests(1).plainHeartbeat().shutdown()
  const { completeness } = await judged(pages)
  assert.equal(completeness.verdict, 'unproved')
  assert.match(completeness.unproved[0] ?? '', /1 heartbeats that count no records/)
})

test("a tool's session has no boot and no end, and none of the requests whose records could be missing", async () => {
  const pages = new Pages()
  const alarm = {
    kind: 'alarm',
    what: 'tile_damaged',
    raised: true,
    about: 'x',
    detail: 'y',
  } as const
  new Writer(pages).fact(alarm)
  const { completeness } = await judged(pages)
  assert.deepEqual([completeness.verdict, completeness.sessions[0]?.end], ['complete', 'tool'])
})

test('a window of time is judged by the records of that time', async () => {
  const pages = new Pages()
  const gateway = new Writer(pages).boot().requests(50)
  const sinceNs = BigInt(pages.nowNs)
  gateway.requests(50)
  const untilNs = BigInt(pages.nowNs) - 1n
  gateway.requests(50).drop().heartbeat()
  gateway.requests(1).shutdown()
  const ask = async (window: { sinceNs?: bigint; untilNs?: bigint }): Promise<Completeness> =>
    (await judged(pages, { complete: { window } })).completeness
  const { range, verdict } = await ask({ sinceNs, untilNs })
  assert.deepEqual([range, verdict], [{ first: 101, last: 200 }, 'complete'])
  assert.equal((await ask({ sinceNs })).verdict, 'holes')
  assert.deepEqual((await ask({ untilNs })).range, { first: 0, last: 200 })
  const never = await ask({ untilNs: 1n })
  assert.deepEqual([never.range, never.verdict], [{ first: 0, last: -1 }, 'complete'])
})

test('what is dropped between two records of a session is never missed, wherever ranges are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 699 }),
      fc.integer({ min: 1, max: 4 }),
      async (dropped, bundles) => {
        const pages = new Pages()
        const writer = new Writer(pages).boot()
        for (let nth = 1; nth < 700; nth++) {
          if (nth === dropped) writer.drop()
          if (nth % 50 === 0) writer.heartbeat()
          else writer.intent()
        }
        writer.shutdown()
        const { completeness } = await judged(pages, { bundles })
        assert.equal(completeness.verdict, 'holes')
        assert.equal(completeness.holes[0]?.after, dropped - 1)
        assert.equal(completeness.holes[0]?.before, dropped)
      },
    ),
    { numRuns: 20 },
  )
})

test('a log that does not verify is not judged', async () => {
  const pages = new Pages()
  new Writer(pages).boot().requests(2).shutdown()
  const files = new Map<string, Uint8Array>()
  const entries = pages.entries.values()
  const log = new SampleLog(
    (path, bytes) => void files.set(path, bytes),
    () => entries.next().value ?? assert.fail('no entry'),
  )
  log.append(pages.entries.length)
  await log.publish()
  const [path = '', bundle] = [...files].find(([name]) => name.includes('entries')) ?? []
  assert.ok(bundle)
  files.set(path, bundle.toReversed())
  const report = await verifyLog({
    source: { read: (name) => files.get(name) },
    crypto: nodeCrypto,
    keys: [parseVkey(logKey.vkey, nodeCrypto.sha256)],
    complete: {},
  })
  assert.deepEqual([report.verified, report.completeness], [false, undefined])
  assert.match(tellCompleteness(report), /^completeness was NOT judged/)
})
