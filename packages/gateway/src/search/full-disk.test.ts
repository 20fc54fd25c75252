import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openEmbeddedEngine } from './embedded-engine.ts'
import type { SearchError } from './errors.ts'
import { openIndexer } from './indexer.ts'
import { leafOf, logOf, openTestIndex, requestOf } from './search.testing.ts'

/** Room for the tables of ClickHouse, and for few rows. */
const SMALL = 'size=12m'
const LARGE = 'size=200m'
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

test('a full disk of the index is told as such, and the reader goes on when there is room', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-full-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', SMALL, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    await rm(folder, { recursive: true })
    return t.skip('mounting a file system needs root')
  }
  t.after(async () => {
    execFileSync('umount', ['-l', folder])
    await rm(folder, { recursive: true })
  })
  const engine = await openEmbeddedEngine(join(folder, 'index'))
  const records = logOf(
    Array.from({ length: RECORDS }, (_, at) => ({
      leaf: leafOf(at, 'single'),
      addenda: [requestOf({ path: `/orders/${noise(at)}` })],
    })),
  )
  const index = await openTestIndex(engine)
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
    assert.equal(error.message, 'could not write the index: its disk is full')
    assert.match(error.hint ?? '', /nothing is lost/)
    return true
  })
  execFileSync('mount', ['-o', `remount,${LARGE}`, folder])
  await readOn()
  const [log] = await index.logs()
  assert.deepEqual([log?.next, log?.records], [RECORDS, RECORDS])
  await engine.close()
  return undefined
})
