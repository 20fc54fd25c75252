import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findTransaction } from './find.ts'
import type { LogSource } from './log-source.ts'
import { readHead, readProven } from './published-log.ts'
import type { PublishedLog } from './published-log.ts'
import { entryOf, idAt, openLogFolder } from './testing/log-folder.ts'
import type { LogFolder } from './testing/log-folder.ts'

const START_MS = 1_800_000_000_000
const SIZE = 10_000
const OUTCOME_AFTER = 300

/** Transaction n begins at record 2n or so; its outcome lies hundreds of records later, as slow requests do. */
async function publishBusyLog(folder: LogFolder): Promise<void> {
  const entries: Uint8Array[] = []
  for (let n = 0; entries.length < SIZE; n += 1) {
    entries.push(entryOf(idAt(START_MS + n), 'intent', entries.length))
    if (n >= OUTCOME_AFTER)
      entries.push(entryOf(idAt(START_MS + n - OUTCOME_AFTER), 'outcome', entries.length))
  }
  await folder.publish(entries)
}

/** Counts the bundles that are read. */
function counting(log: PublishedLog): { log: PublishedLog; bundles: () => number } {
  let bundles = 0
  const source: LogSource = {
    ...log.source,
    read: (path) => {
      if (path.startsWith('tile/entries')) bundles += 1
      return log.source.read(path)
    },
  }
  return { log: { ...log, source }, bundles: () => bundles }
}

test('a transaction is found by its id in a few reads, with its outcome', async () => {
  await using folder = await openLogFolder()
  await publishBusyLog(folder)
  const head = await readHead(folder.log)
  for (const n of [0, 1, 299, 2500, 4500]) {
    const { log, bundles } = counting(folder.log)
    const found = await findTransaction(log, head, {
      id: idAt(START_MS + n),
      onMiss: () => assert.fail('it missed'),
    })
    assert.deepEqual(
      found.map(({ leaf }) => leaf.phase),
      ['intent', 'outcome'],
      `transaction ${n}`,
    )
    assert.ok(found.every(({ leaf }) => leaf.id === idAt(START_MS + n)))
    assert.ok(bundles() < 30, `it read ${bundles()} of 40 bundles`)
  }
})

test('an id that is not in the log is not found, and says when it reads all', async () => {
  await using folder = await openLogFolder()
  await publishBusyLog(folder)
  const head = await readHead(folder.log)
  let missed = 0
  const found = await findTransaction(folder.log, head, {
    id: idAt(START_MS + 50, 99),
    onMiss: () => (missed += 1),
  })
  assert.deepEqual([found.length, missed], [0, 1])
})

test('an id whose clock was wrong is found by reading all', async () => {
  await using folder = await openLogFolder()
  await publishBusyLog(folder)
  await folder.publish([entryOf(idAt(START_MS - 1_000_000), 'intent', SIZE)])
  const head = await readHead(folder.log)
  let missed = 0
  const found = await findTransaction(folder.log, head, {
    id: idAt(START_MS - 1_000_000),
    onMiss: () => (missed += 1),
  })
  assert.deepEqual(
    found.map(({ index }) => index),
    [head.size - 1],
  )
  assert.equal(missed, 1)
})

test('a record comes with a proof that is checked', async () => {
  await using folder = await openLogFolder()
  await folder.publish(
    Array.from({ length: 600 }, (_, n) => entryOf(idAt(START_MS + n), 'intent', n)),
  )
  const head = await readHead(folder.log)
  for (const index of [0, 255, 256, 511, 599]) {
    const { entry, proof } = await readProven(folder.log, head, index)
    assert.deepEqual(new Uint8Array(entry), entryOf(idAt(START_MS + index), 'intent', index))
    assert.ok(proof.length >= 1)
  }
  await assert.rejects(readProven(folder.log, head, 600), { code: 'FOLLOW_RANGE' })
})
