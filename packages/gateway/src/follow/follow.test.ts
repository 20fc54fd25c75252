import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { follow } from './follow.ts'
import type { FollowOptions } from './follow.ts'
import type { PublishedLog } from './published-log.ts'
import { entryOf, idAt, openLogFolder } from './testing/log-folder.ts'

const entriesOf = (from: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, n) =>
    entryOf(idAt(1_800_000_000_000 + from + n), 'intent', from + n),
  )

const once: FollowOptions = { from: 0, live: false, signal: new AbortController().signal }

async function indexesOf(
  log: PublishedLog,
  options: Partial<FollowOptions> = {},
): Promise<number[]> {
  const indexes: number[] = []
  for await (const { from, entries } of follow(log, { ...once, ...options })) {
    indexes.push(...entries.map((_, at) => from + at))
  }
  return indexes
}

test('every record from a place to the end is yielded once, in order', async () => {
  for (const size of [1, 255, 256, 257, 700]) {
    await using folder = await openLogFolder()
    await folder.publish(entriesOf(0, size))
    for (const from of [0, 1, Math.floor(size / 2), size - 1]) {
      const expected = Array.from({ length: size - from }, (_, n) => from + n)
      assert.deepEqual(await indexesOf(folder.log, { from }), expected, `${from} of ${size}`)
    }
  }
})

test('a negative place counts from the end', async () => {
  await using folder = await openLogFolder()
  await folder.publish(entriesOf(0, 30))
  assert.deepEqual(await indexesOf(folder.log, { from: -3 }), [27, 28, 29])
  assert.equal((await indexesOf(folder.log, { from: -300 })).length, 30)
})

test('a place past the end is refused', async () => {
  await using folder = await openLogFolder()
  await folder.publish(entriesOf(0, 3))
  await assert.rejects(indexesOf(folder.log, { from: 4 }), { code: 'FOLLOW_RANGE' })
})

test('a log that grows is followed', async () => {
  await using folder = await openLogFolder()
  await folder.publish(entriesOf(0, 3))
  const stop = new AbortController()
  const seen: number[] = []
  for await (const { from, entries } of follow(folder.log, {
    from: 0,
    live: true,
    signal: stop.signal,
  })) {
    seen.push(...entries.map((_, at) => from + at))
    if (seen.length === 3) await folder.publish(entriesOf(3, 300))
    if (seen.length === 303) stop.abort()
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 303 }, (_, n) => n),
  )
})

test('a partial tile that the log outgrew while it was read is found where it went', async () => {
  await using folder = await openLogFolder()
  await folder.publish(entriesOf(0, 20))
  const { source } = folder.log
  let grown = false
  const growing = {
    name: source.name,
    changed: (signal: AbortSignal) => source.changed(signal),
    close: () => source.close(),
    async read(path: string) {
      const bytes = await source.read(path)
      if (path === 'checkpoint' && !grown) {
        grown = true
        await folder.publish(entriesOf(20, 10))
        // As the ledger does once nobody should need them any more.
        for (const old of ['tile/entries/000.p/20', 'tile/0/000.p/20'])
          await rm(join(folder.folder, old), { force: true })
      }
      return bytes
    },
  }
  const log = { ...folder.log, source: growing }
  assert.equal((await indexesOf(log)).length, 20)
  await rm(join(folder.folder, 'tile/entries/000.p/30'))
  await assert.rejects(indexesOf(log), {
    code: 'FOLLOW_BROKEN',
    message: /tile\/entries\/000\.p\/30 is missing/,
  })
})

test('nothing of an entry that was changed is shown', async () => {
  await using folder = await openLogFolder()
  await folder.publish(entriesOf(0, 20))
  const path = join(folder.folder, 'tile/entries/000.p/20')
  const bytes = await readFile(path)
  bytes[300] = (bytes[300] ?? 0) ^ 1
  await writeFile(path, bytes)
  const seen: number[] = []
  const reading = async (): Promise<void> => {
    for await (const { entries } of follow(folder.log, once)) seen.push(entries.length)
  }
  await assert.rejects(reading(), {
    code: 'FOLLOW_BROKEN',
    message: /do not lead to the signed root of size 20/,
  })
  assert.deepEqual(seen, [])
})

test('a log that is cut short while it is followed is an alarm', async () => {
  await using folder = await openLogFolder()
  await using shorter = await openLogFolder()
  await folder.publish(entriesOf(0, 20))
  await shorter.publish(entriesOf(0, 10))
  const reading = async (): Promise<void> => {
    for await (const _ of follow(folder.log, { ...once, live: true })) {
      await writeFile(
        join(folder.folder, 'checkpoint'),
        await readFile(join(shorter.folder, 'checkpoint')),
      )
    }
  }
  await assert.rejects(reading(), { code: 'FOLLOW_BROKEN', message: /its end was cut off/ })
})

test('a checkpoint that another key signed is refused', async () => {
  await using folder = await openLogFolder()
  await folder.publish(entriesOf(0, 2))
  const { publicKey } = folder.key
  const stranger = { ...folder.key, id: 1, publicKey }
  await assert.rejects(indexesOf({ ...folder.log, keys: [stranger] }), { code: 'FOLLOW_BROKEN' })
})
