import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Engine } from './engine.ts'
import { openIndexer } from './indexer.ts'
import type { Indexer, IndexerLimits } from './indexer.ts'
import type { LogRecord } from './join.ts'
import type { Index } from './rows.ts'
import {
  failingEngine,
  leafOf,
  logOf,
  openTestIndex,
  requestOf,
  rowsIn,
  temporaryEngine,
} from './search.testing.ts'

/** Any order of intents, outcomes and singles of few ids: what a log of ours holds, and what no log of ours would. */
const logs = fc
  .array(
    fc.record({
      id: fc.integer({ min: 10, max: 16 }),
      phase: fc.constantFrom('intent', 'outcome', 'single'),
      isSealed: fc.boolean(),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((records) =>
    logOf(
      records.map(({ id, phase, isSealed }, at) => ({
        leaf: leafOf(id, phase, { http: { status: 200 + at } }),
        addenda: isSealed ? [] : [requestOf({ path: `/orders/${at}` })],
      })),
    ),
  )

interface Run {
  readonly index: Index
  readonly origin: string
  readonly records: readonly LogRecord[]
  /** After how many records each flush comes. */
  readonly flushes: readonly number[]
  readonly limits?: Partial<IndexerLimits>
}

async function indexAll({ index, origin, records, flushes, limits = {} }: Run): Promise<void> {
  const indexer = await openIndexer({ index, origin, dropAfterOf: () => undefined, limits })
  for (const record of records.slice(indexer.next)) {
    await indexer.take(record)
    if (flushes.includes(record.index)) await indexer.flush()
  }
  await indexer.flush()
  assert.equal(indexer.written, records.length)
}

let logsMade = 0

/** A log of its own for each run, in the index of all. */
function newOrigin(): string {
  logsMade += 1
  return `log.example/${logsMade}`
}

async function wholeAtOnce(engine: Engine, records: readonly LogRecord[]): Promise<unknown[]> {
  const origin = newOrigin()
  const index = await openTestIndex(engine)
  await indexAll({ index, origin, records, flushes: [] })
  return nameless(await rowsIn(engine, origin))
}

function nameless(rows: readonly object[]): unknown[] {
  return rows.map((row) => ({ ...row, origin: '' }))
}

test('the indexer', async (t) => {
  const engine = await temporaryEngine(t)

  await t.test('batches of any size give the rows of the whole at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          records: logs,
          flushes: fc.array(fc.nat(13)),
          limits: fc.record({
            waitingMax: fc.integer({ min: 0, max: 3 }),
            batchRecordsMax: fc.integer({ min: 1, max: 5 }),
          }),
        }),
        async ({ records, flushes, limits }) => {
          const origin = newOrigin()
          const index = await openTestIndex(engine)
          await indexAll({ index, origin, records, flushes, limits })
          assert.deepEqual(
            nameless(await rowsIn(engine, origin)),
            await wholeAtOnce(engine, records),
          )
          const log = (await index.logs()).find((each) => each.origin === origin)
          assert.equal(log?.records, records.length)
          assert.equal(log.next, records.length)
        },
      ),
      { numRuns: 25 },
    )
  })

  await t.test(
    'a statement that fails, or lands and fails, anywhere, doubles and loses nothing',
    async () => {
      const records = logOf([
        { leaf: leafOf(1, 'intent'), addenda: [requestOf({ path: '/1' })] },
        { leaf: leafOf(2, 'intent') },
        { leaf: leafOf(3, 'single') },
        { leaf: leafOf(1, 'outcome') },
        { leaf: leafOf(4, 'intent') },
        { leaf: leafOf(2, 'outcome') },
        { leaf: leafOf(1, 'intent') },
        { leaf: leafOf(4, 'outcome') },
        { leaf: leafOf(9, 'outcome') },
      ])
      const flushes = [1, 4, 6]
      const whole = await wholeAtOnce(engine, records)
      for (const landed of [false, true]) {
        for (let at = 0; ; at++) {
          const origin = newOrigin()
          const failing = failingEngine(engine, { at, landed })
          await untilDone({ engine: failing, origin, records, flushes })
          assert.deepEqual(
            nameless(await rowsIn(engine, origin)),
            whole,
            `at ${at}, landed ${landed}`,
          )
          if (!failing.failed) break
        }
      }
    },
  )
})

/** As a reader does: tries again after a failure, now with the same indexer, now as a new process. */
async function untilDone({
  engine,
  origin,
  records,
  flushes,
}: Omit<Run, 'index'> & { engine: Engine }): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const index = await openTestIndex(engine)
      const indexer = await openIndexer({ index, origin, dropAfterOf: () => undefined })
      await takeAll(indexer, records.slice(indexer.next), flushes)
      return
    } catch {
      // The engine fails once: the next attempt begins where the index says.
    }
  }
  assert.fail('it never came to the end')
}

/** @param flushes behind which records, by leaf index, all that was taken is written */
async function takeAll(
  indexer: Indexer,
  records: readonly LogRecord[],
  flushes: readonly number[],
): Promise<void> {
  for (const record of records) {
    await indexer.take(record)
    if (flushes.includes(record.index)) await indexer.flush()
  }
  await indexer.flush()
}
