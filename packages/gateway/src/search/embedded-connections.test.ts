import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, after, suite, test } from 'node:test'
import { STATEMENTS_AT_ONCE, STATEMENTS_WAITING_MAX } from './embedded-connections.ts'
import type { Engine, Row, Statement } from './engine.ts'
import { openEmbeddedEngine } from './embedded-engine.ts'

/** So few that every part of an answer is its own block, and rows are out before the failure. */
const FAILS_LATE =
  'SELECT number, throwIf(number = 200000) AS no FROM numbers(1000000) SETTINGS max_block_size = 1000'
const LIMITS = { rowsMax: 1000, timeMs: 20_000, memoryBytesMax: 200_000_000 }

suite('ClickHouse in this process', () => {
  let folder: string
  let engine: Engine
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-embedded-'))
    engine = await openEmbeddedEngine(join(folder, 'index'))
  })
  after(async () => {
    await engine.close()
    await rm(folder, { recursive: true, force: true })
  })

  test('an answer never begins with the rows of a question that failed', async () => {
    const attempts = Array.from({ length: 2 * STATEMENTS_AT_ONCE }, async () =>
      assert.rejects(rowsOf(engine, FAILS_LATE), { code: 'SEARCH_UNAVAILABLE' }),
    )
    await Promise.all(attempts)
    for (let asked = 0; asked < 2 * STATEMENTS_AT_ONCE; asked++)
      assert.deepEqual(await rowsOf(engine, "SELECT 'mine' AS whose"), [{ whose: 'mine' }])
  })

  test('the limits of one question do not hold for the next', async () => {
    const short = { ...LIMITS, rowsMax: 2, timeMs: 1000 }
    for (let asked = 0; asked < STATEMENTS_AT_ONCE; asked++)
      await assert.rejects(rowsOf(engine, 'SELECT number FROM numbers(3)', { limits: short }), {
        code: 'SEARCH_LIMIT',
      })
    assert.equal((await rowsOf(engine, 'SELECT number FROM numbers(5)')).length, 5)
    const settings = await rowsOf(
      engine,
      "SELECT value FROM system.settings WHERE name IN ('max_result_rows', 'max_execution_time', 'max_memory_usage')",
    )
    assert.deepEqual(settings, [{ value: '0' }, { value: '0' }, { value: '0' }])
  })

  test('a question ends at its limit of time, of memory and of rows', async () => {
    const explosive: readonly (readonly [string, Partial<typeof LIMITS>])[] = [
      [
        'SELECT sum(a.number * b.number) FROM numbers(1000000) a, numbers(1000000) b',
        { timeMs: 500 },
      ],
      ['SELECT length(groupArray(number)) FROM numbers(100000000)', { memoryBytesMax: 20_000_000 }],
      ['SELECT number FROM numbers(100000000)', { rowsMax: 1000 }],
    ]
    for (const [sql, limit] of explosive)
      await assert.rejects(rowsOf(engine, sql, { limits: { ...LIMITS, ...limit } }), {
        code: 'SEARCH_LIMIT',
      })
    assert.deepEqual(await rowsOf(engine, 'SELECT 1 AS alive'), [{ alive: 1 }])
  })

  test('whoever gives up is free at once, and others are still answered', async () => {
    const giveUp = new AbortController()
    const slow = rowsOf(engine, 'SELECT sum(sleepEachRow(0.05)) FROM numbers(20)', {
      signal: giveUp.signal,
      limits: LIMITS,
    })
    giveUp.abort()
    await assert.rejects(slow, { code: 'SEARCH_LIMIT' })
    assert.deepEqual(await rowsOf(engine, 'SELECT 1 AS alive'), [{ alive: 1 }])
  })

  test('more questions than may wait are refused', async () => {
    const asked = Array.from({ length: STATEMENTS_AT_ONCE + STATEMENTS_WAITING_MAX + 1 }, () =>
      rowsOf(engine, 'SELECT sleepEachRow(0.01) AS slept').then(
        () => 'answered',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      ),
    )
    const refused = (await Promise.all(asked)).filter((answer) => answer !== 'answered')
    assert.deepEqual(refused, [
      `could not answer: ${STATEMENTS_WAITING_MAX} questions wait already`,
    ])
  })
})

async function rowsOf(engine: Engine, sql: string, statement?: Statement): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of engine.rows(sql, statement)) rows.push(row)
  return rows
}
