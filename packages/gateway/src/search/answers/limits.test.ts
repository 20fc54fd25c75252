import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Asking } from '@countersign/record/question'
import { parseQuestion } from '../language/decode.ts'
import { TRANSACTIONS } from '../schema.ts'
import { openTables } from '../testing/tables.ts'
import { openAnswers } from './open-answers.ts'

const clock = { nowNs: () => 0n }
const everybody: Asking = { scope: { kind: 'all' }, unmasked: true }
const everything = parseQuestion('', 0n)
const ROWS = 400_000

test('a question that explodes ends, and says so: in time, in memory, in rows', async (t) => {
  const tables = await openTables(t)
  const { engine } = tables
  await engine.command(
    `INSERT INTO ${TRANSACTIONS} (origin, leaf, id, time, service, headers) SELECT 'a.example', number, toString(number),
      number * 1000000000, 'orders', repeat(toString(cityHash64(number)), 10) FROM numbers(${ROWS})`,
  )
  await tables.progress('a.example', ROWS)
  const answers = openAnswers(engine, { clock })

  const hasty = openAnswers(engine, { clock, limits: { timeMs: 5 } })
  const stars = parseQuestion(`headers:"*${'1*2*3*'.repeat(50)}"`, 0n)
  await assert.rejects(hasty.count(stars, everybody), {
    code: 'SEARCH_LIMIT',
    message: /takes longer than a question may/,
  })

  const small = openAnswers(engine, { clock, limits: { memoryBytesMax: 8 * 1024 * 1024 } })
  const byId = {
    question: everything,
    measures: [{ kind: 'count' }],
    by: ['id'],
    limit: 10,
  } as const
  await assert.rejects(small.aggregate(byId, everybody), {
    code: 'SEARCH_LIMIT',
    message: /takes more memory than a question may/,
  })
  assert.equal((await answers.aggregate(byId, everybody)).length, 10)

  const bySecond = { ...byId, by: [], everyNs: 1_000_000_000n }
  await assert.rejects(answers.aggregate(bySecond, everybody), {
    code: 'SEARCH_LIMIT',
    message: /more rows than a question may/,
  })

  const page = await answers.search({ question: everything, limit: 3 }, everybody)
  assert.deepEqual(
    page.transactions.map(({ index }) => index),
    [ROWS - 1, ROWS - 2, ROWS - 3],
  )
})

test('free text is looked up in its index, sealed or not', async (t) => {
  const { engine } = await openTables(t)
  await engine.command(
    `INSERT INTO ${TRANSACTIONS} (origin, leaf, id, time, service, path) SELECT 'a.example', number, toString(number),
      number, 'orders', concat('/orders/word', toString(number)) FROM numbers(100000)`,
  )
  const plans: string[] = []
  const explaining = {
    ...engine,
    rows: (sql: string, statement: Parameters<typeof engine.rows>[1]) => {
      plans.push('')
      return (async function* () {
        if (sql.startsWith('SELECT count'))
          for await (const row of engine.rows(`EXPLAIN indexes = 1 ${sql}`, statement))
            plans.push(String(row['explain']))
        yield* engine.rows(sql, statement)
      })()
    },
  }
  const answers = openAnswers(explaining, { clock })
  for (const [text, unmasked, found] of [
    ['word17', true, 1],
    ['"orders/WORD17"', true, 1],
    ['word17 -status:403', true, 1],
    ['word17', false, 0],
    ['orders', false, 100_000],
  ] as const) {
    plans.length = 0
    const counted = await answers.count(parseQuestion(text, 0n), { ...everybody, unmasked })
    assert.equal(counted, found)
    const plan = plans.join('\n')
    assert.match(plan, /Name: by_words/, `${text}\n${plan}`)
    if (unmasked) assert.match(plan, /Name: by_sealed_words/, plan)
    if (unmasked) assert.match(plan, /Granules: [12]\/\d\d/, plan)
  }
})
