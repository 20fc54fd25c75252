import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Asking } from '@countersign/record/question'
import type { Transaction } from '@countersign/record/transaction'
import { parseQuestion } from '../language/decode.ts'
import { openTables } from '../testing/tables.ts'
import type { Tables } from '../testing/tables.ts'
import { openAnswers } from './open-answers.ts'
import type { Answers } from './open-answers.ts'

const NOW = 1_764_137_909_000_000_000n
const clock = { nowNs: () => NOW }
const everybody: Asking = { scope: { kind: 'all' }, unmasked: true }
const everything = parseQuestion('', NOW)

const LOGS = ['a.example', 'b.example', 'z.example/ü'] as const

/** A log as the indexer would fill the index: leaves in order; a transaction has an intent, and perhaps later an outcome. */
interface Growing {
  readonly tables: Tables
  readonly sizes: Map<string, number>
  readonly open: Transaction[]
  begun: number
}

interface Step {
  readonly origin: string
  readonly time: number
  readonly kind: 'open' | 'single' | 'end'
}

const someSteps = fc.array(
  fc.record({
    origin: fc.constantFrom(...LOGS),
    // Few times, so that many are the same, and old ones come late.
    time: fc.integer({ min: 0, max: 4 }),
    kind: fc.constantFrom<Step['kind']>('open', 'single', 'end', 'end'),
  }),
  { maxLength: 12 },
)

async function grow(growing: Growing, steps: readonly Step[]): Promise<void> {
  const { tables, sizes, open } = growing
  for (const { origin, time, kind } of steps) {
    const index = sizes.get(origin) ?? 0
    const at = open.findIndex((one) => one.origin === origin)
    const was = kind === 'end' && at !== -1 ? open.splice(at, 1)[0] : undefined
    const base = { origin, index, time: String(NOW + BigInt(time)), id: `id-${growing.begun++}` }
    if (was !== undefined) {
      await tables.ended({ ...was, index, intent: was.index, outcome: 'success' })
      // Sometimes a search is between the two.
      if (index % 2 === 0) await tables.gone(was)
    } else if (kind === 'open') {
      const opened: Transaction = { ...base, outcome: 'open' }
      open.push(opened)
      await tables.open(opened)
    } else await tables.ended({ ...base, outcome: 'success' })
    sizes.set(origin, index + 1)
    await tables.progress(origin, index + 1)
  }
}

async function pagesOf(
  answers: Answers,
  {
    limit,
    order,
    between,
  }: { limit: number; order: 'newest' | 'oldest'; between: () => Promise<void> },
): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | undefined
  do {
    const page = await answers.search(
      { question: everything, limit, order, ...(cursor === undefined ? {} : { cursor }) },
      everybody,
    )
    assert.ok(page.transactions.length <= limit)
    ids.push(...page.transactions.map(({ id }) => id))
    ;({ cursor } = page)
    await between()
  } while (cursor !== undefined)
  return ids
}

test('pages hold what was there when the first was asked, once and in order, however the logs grow', async (t) => {
  const tables = await openTables(t)
  const answers = openAnswers(tables.engine, { clock })
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        first: someSteps,
        later: fc.array(someSteps, { maxLength: 4 }),
        limit: fc.integer({ min: 1, max: 4 }),
        order: fc.constantFrom('newest' as const, 'oldest' as const),
      }),
      async ({ first, later, limit, order }) => {
        await tables.clear()
        const growing: Growing = { tables, sizes: new Map(), open: [], begun: 0 }
        await grow(growing, first)
        const whole = await answers.search({ question: everything, limit: 1000, order }, everybody)
        assert.equal(
          new Set(whole.transactions.map(({ id }) => id)).size,
          growing.begun - endings(whole.transactions),
        )
        const left = [...later]
        const ids = await pagesOf(answers, {
          limit,
          order,
          between: async () => grow(growing, left.shift() ?? []),
        })
        assert.deepEqual(
          ids,
          whole.transactions.map(({ id }) => id),
        )
      },
    ),
    { numRuns: 25 },
  )
})

/** Steps that ended a transaction began none. */
function endings(transactions: readonly Transaction[]): number {
  return transactions.filter(({ intent }) => intent !== undefined).length
}

test('what is open and what ended of one id counts once, as ended', async (t) => {
  const tables = await openTables(t)
  const answers = openAnswers(tables.engine, { clock })
  const base = { origin: 'a.example', id: 'one', time: String(NOW), service: 'orders' }
  await tables.open({ ...base, index: 0, outcome: 'open' })
  await tables.progress('a.example', 1)
  assert.equal((await answers.find({ id: 'one' }, everybody))?.outcome, 'open')
  await tables.ended({ ...base, index: 1, intent: 0, outcome: 'success' })
  await tables.progress('a.example', 2)
  assert.equal(await answers.count(everything, everybody), 1)
  assert.equal(await answers.count(parseQuestion('outcome:open', NOW), everybody), 0)
  const { transactions } = await answers.search({ question: everything, limit: 10 }, everybody)
  assert.deepEqual(transactions, [{ ...base, index: 1, intent: 0, outcome: 'success' }])
  for (const index of [0, 1]) {
    const found = await answers.find({ origin: 'a.example', index }, everybody)
    assert.equal(found?.outcome, 'success')
  }
})

test('rows beyond the progress of their log are not in pages: they may be written again', async (t) => {
  const tables = await openTables(t)
  const answers = openAnswers(tables.engine, { clock })
  const row = { origin: 'a.example', time: String(NOW) }
  await tables.ended({ ...row, id: 'one', index: 0 }, { ...row, id: 'two', index: 1 })
  await tables.progress('a.example', 1)
  const { transactions } = await answers.search({ question: everything, limit: 10 }, everybody)
  assert.deepEqual(
    transactions.map(({ id }) => id),
    ['one'],
  )
})

test('a reader finds nothing beyond their scope, whatever they ask', async (t) => {
  const tables = await openTables(t)
  const answers = openAnswers(tables.engine, { clock })
  const row = (index: number, members: Partial<Transaction>): Transaction => ({
    origin: 'a.example',
    time: String(NOW + BigInt(index)),
    id: `id-${index}`,
    index,
    ...members,
  })
  await tables.ended(
    row(0, { service: 'orders', 'actor.id': 'aa' }),
    row(1, { service: 'billing', 'actor.id': 'bb' }),
    row(2, {}),
  )
  await tables.open(row(3, { service: 'orders', 'actor.id': 'bb' }), row(4, { service: 'pay' }))
  await tables.progress('a.example', 5)
  const scopes: readonly (readonly [Asking['scope'], readonly number[]])[] = [
    [{ kind: 'all' }, [0, 1, 2, 3, 4]],
    [{ kind: 'services', services: ['orders', 'nothing'] }, [0, 3]],
    [{ kind: 'services', services: [] }, []],
    [{ kind: 'services', services: [''] }, []],
    [{ kind: 'self', actor: 'bb' }, [1, 3]],
    [{ kind: 'self', actor: '' }, []],
  ]
  for (const [scope, expected] of scopes) {
    const asking = { scope, unmasked: true }
    for (const text of ['', 'service:* OR -service:*', 'service:billing OR *']) {
      const question = parseQuestion(text, NOW)
      const page = await answers.search({ question, limit: 10, order: 'oldest' }, asking)
      assert.deepEqual(
        page.transactions.map(({ index }) => index),
        expected,
      )
      assert.equal(await answers.count(question, asking), expected.length)
    }
    for (let index = 0; index < 5; index++) {
      const found = await answers.find({ id: `id-${index}` }, asking)
      assert.equal(found?.index, expected.includes(index) ? index : undefined)
    }
    const services = await answers.values('service', '', asking)
    assert.ok(scope.kind === 'all' || !services.includes('pay'))
  }
})

test('a page has from 1 to 1,000 rows', async (t) => {
  const tables = await openTables(t)
  const answers = openAnswers(tables.engine, { clock })
  for (const limit of [0, 1001, 1.5, Number.NaN]) {
    await assert.rejects(answers.search({ question: everything, limit }, everybody), {
      code: 'SEARCH_LIMIT',
    })
  }
})
