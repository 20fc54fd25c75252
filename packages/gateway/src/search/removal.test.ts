import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transaction } from '@countersign/record/transaction'
import { SearchError } from './errors.ts'
import type { IndexedTransaction } from './rows.ts'
import {
  allRows,
  failingEngine,
  idOf,
  openTestIndex,
  rowsIn,
  temporaryEngine,
} from './search.testing.ts'

const DAYS = ['2026-01-01', '2026-01-02', '2026-01-03', undefined] as const
const OURS = 'ours.example'
const OTHERS = 'others.example'

function rowsOf(origin: string, days: readonly (string | undefined)[]): IndexedTransaction[] {
  return days.map((dropAfter, at) => {
    const transaction: Transaction = { origin, index: at, id: idOf(at), time: String(at + 1) }
    return dropAfter === undefined ? { transaction } : { transaction, dropAfter }
  })
}

test('what a retention lets go', async (t) => {
  const engine = await temporaryEngine(t)
  const index = await openTestIndex(engine)
  const left = async (origin: string): Promise<number[]> =>
    (await rowsIn(engine, origin)).map(({ index: leaf }) => leaf)
  // Parts that hold rows of a day, also those that were replaced. An empty one, which a deletion makes, may stay for a while.
  const partsOf = async (day: string): Promise<unknown[]> =>
    (
      await allRows(
        engine,
        "SELECT name FROM system.parts WHERE table = 'transactions' AND partition = {day:String} AND rows > 0",
        { params: { day } },
      )
    ).map(({ name }) => name)
  await index.write({ origin: OURS, next: 4, ended: rowsOf(OURS, DAYS), open: [] })
  await index.write({ origin: OTHERS, next: 2, ended: rowsOf(OTHERS, DAYS.slice(0, 2)), open: [] })

  await t.test('days that are over go, those on hold and those of other logs stay', async () => {
    const before = await partsOf('2026-01-01')
    const dropped = await index.drop(OURS, { today: '2026-01-03', kept: ['2026-01-02'] })
    assert.equal(dropped, 1)
    assert.deepEqual(await left(OURS), [1, 2, 3])
    assert.deepEqual(await left(OTHERS), [0, 1])
    assert.notEqual(before.length, 0)
    const after = await partsOf('2026-01-01')
    assert.deepEqual(
      before.filter((name) => after.includes(name)),
      [],
    )
  })

  await t.test(
    'twice is as once, and a failure anywhere is made good by the next run',
    async () => {
      assert.equal(await index.drop(OURS, { today: '2026-01-03', kept: ['2026-01-02'] }), 0)
      for (let at = 0; ; at++) {
        const failing = failingEngine(engine, { at, landed: at % 2 === 0 })
        const broken = await openTestIndex(failing).catch((error: unknown) => {
          assert.ok(error instanceof SearchError)
        })
        await broken?.drop(OURS, { today: '2026-01-04', kept: [] }).catch((error: unknown) => {
          assert.ok(error instanceof SearchError)
        })
        if (!failing.failed) break
      }
      assert.deepEqual(await left(OURS), [3])
      assert.deepEqual(await left(OTHERS), [0, 1])
    },
  )

  await t.test('a day of one log alone goes as a whole', async () => {
    assert.equal(await index.drop(OTHERS, { today: '2027-01-01', kept: [] }), 2)
    assert.deepEqual(await left(OTHERS), [])
    assert.deepEqual(
      (await index.partitions()).map(({ dropAfter }) => dropAfter),
      [undefined],
    )
    assert.deepEqual(await partsOf('2026-01-01'), [])
    assert.deepEqual(await partsOf('2026-01-02'), [])
  })
})
