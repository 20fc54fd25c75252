import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Filter } from '@countersign/record/question'
import { matches } from '../language/matches.ts'
import { printFilter } from '../language/print.ts'
import { someFilter, someTransactions } from '../testing/questions.ts'
import { openTables } from '../testing/tables.ts'
import { openAnswers } from './open-answers.ts'

const RUNS = 3
const FILTERS = 40

test('ClickHouse and memory agree on what a question is about', async (t) => {
  const tables = await openTables(t)
  const answers = openAnswers(tables.engine, { clock: { nowNs: () => 0n } })
  const asked = fc.array(fc.tuple(someFilter, fc.boolean()), {
    minLength: FILTERS,
    maxLength: FILTERS,
    size: 'max',
  })
  let found = 0
  await fc.assert(
    fc.asyncProperty(someTransactions, asked, async (transactions, filters) => {
      await tables.clear()
      await tables.ended(...transactions.filter(({ index }) => index % 5 !== 0))
      await tables.open(...transactions.filter(({ index }) => index % 5 === 0))
      for (const origin of ['a.example', 'b.example']) await tables.progress(origin, 1000)
      for (const [filter, unmasked] of filters) found += await agree(filter, unmasked)
      async function agree(filter: Filter, unmasked: boolean): Promise<number> {
        const question = { text: '', filter }
        const asking = { scope: { kind: 'all' }, unmasked } as const
        const outcome = await settled(() => matches(question, asking))
        if (outcome instanceof Error) {
          await assert.rejects(answers.count(question, asking), { code: 'SEARCH_MASKED' })
          return 0
        }
        const expected = transactions.filter(outcome).map(({ index }) => index)
        const page = await answers.search({ question, limit: 1000 }, asking)
        assert.deepEqual(
          page.transactions.map(({ index }) => index).toSorted((a, b) => a - b),
          expected,
          printFilter(filter),
        )
        assert.equal(await answers.count(question, asking), expected.length)
        return expected.length > 0 && expected.length < transactions.length ? 1 : 0
      }
    }),
    { numRuns: RUNS },
  )
  assert.ok(found > (RUNS * FILTERS) / 10, `only ${found} questions told transactions apart`)
})

async function settled<T>(work: () => T): Promise<T | Error> {
  try {
    return work()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
}
