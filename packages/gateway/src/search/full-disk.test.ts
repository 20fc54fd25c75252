import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { serverPlacement } from './cluster-placement.ts'
import { openEmbeddedEngine } from './embedded-engine.ts'
import { oneRow } from './engine.ts'
import type { SearchError } from './errors.ts'
import { openIndexer } from './indexer.ts'
import { openIndex } from './open-index.ts'
import type { Index } from './rows.ts'
import { FREE_BYTES_MIN } from './schema.ts'
import { allRows, leafOf, logOf, noAnswers, openTestIndex, requestOf } from './search.testing.ts'
import { openServerEngine } from './server-engine.ts'
import { temporaryClickHouse } from './testing/clickhouse-server.ts'

/** Room for few rows beside the space that stays free. */
const SMALL = `size=${FREE_BYTES_MIN + 8 * 1024 * 1024}`
const LARGE = `size=${FREE_BYTES_MIN + 200 * 1024 * 1024}`
const RECORDS = 400
const ORIGIN = 'audit.example.com/1'

/** Content that does not compress. */
function noise(number: number): string {
  let state = number + 1
  return Array.from({ length: 20_000 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return String.fromCodePoint(33 + ((state >>> 16) % 90))
  }).join('')
}

/** An index in a folder, closed with its test. */
type Opening = (t: TestContext, folder: string) => Promise<Index>

const openings: Readonly<Record<string, Opening>> = {
  'in this process': async (t, folder) => {
    const engine = await openEmbeddedEngine(folder)
    t.after(() => engine.close())
    return await openTestIndex(engine)
  },
  'on a server': async (t, folder) => {
    const { url } = await temporaryClickHouse(t, { folder })
    const engine = await openServerEngine({ url, user: 'default', database: 'records' })
    t.after(() => engine.close())
    return await openIndex({ engine, placement: serverPlacement, answers: noAnswers })
  },
}

/** Runs work with a folder that is a file system of its own, where this user may mount one. */
async function onSmallDisk(t: TestContext, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-full-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', SMALL, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    await rm(folder, { recursive: true })
    return t.skip('mounting a file system needs root')
  }
  try {
    await work(folder)
  } finally {
    execFileSync('umount', ['-l', folder])
    await rm(folder, { recursive: true })
  }
}

for (const [where, open] of Object.entries(openings)) {
  test(`a full disk of an index ${where} is told as such, and the reader goes on when there is room`, (t) =>
    onSmallDisk(t, async (folder) => {
      await fillAndGoOn(await open(t, join(folder, 'index')), folder)
    }))
}

test('a disk without a single byte left is told as such too', (t) =>
  onSmallDisk(t, async (folder) => {
    const engine = await openEmbeddedEngine(join(folder, 'index'))
    t.after(() => engine.close())
    await openTestIndex(engine)
    const { bavail, bsize } = await statfs(folder)
    await writeFile(join(folder, 'ballast'), Buffer.alloc(bavail * bsize))
    const row = oneRow('progress', { origin: ORIGIN, next: 1 })
    await assert.rejects(engine.insert(row), { code: 'SEARCH_FULL' })
    await rm(join(folder, 'ballast'))
    await engine.insert(row)
    assert.equal((await allRows(engine, 'SELECT next FROM progress')).length, 1)
  }))

async function fillAndGoOn(index: Index, folder: string): Promise<void> {
  const records = logOf(
    Array.from({ length: RECORDS }, (_, at) => ({
      leaf: leafOf(at, 'single'),
      addenda: [requestOf({ path: `/orders/${noise(at)}` })],
    })),
  )
  const readOn = async (): Promise<void> => {
    const indexer = await openIndexer({ index, origin: ORIGIN, dropAfterOf: () => undefined })
    for (const record of records.slice(indexer.next)) {
      await indexer.take(record)
      if (record.index % 20 === 19) await indexer.flush()
    }
    await indexer.flush()
  }
  await assert.rejects(readOn(), (error: SearchError) => {
    assert.equal(error.code, 'SEARCH_FULL', error)
    assert.match(
      error.message,
      /^could not write the index: (its disk|the disk of ClickHouse at localhost:\d+) is full$/,
    )
    assert.match(error.hint ?? '', /nothing is lost/)
    return true
  })
  execFileSync('mount', ['-o', `remount,${LARGE}`, folder])
  await readOn()
  const [log] = await index.logs()
  assert.deepEqual([log?.next, log?.records], [RECORDS, RECORDS])
}
