import assert from 'node:assert/strict'
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeAddendaEntry } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'
import { tilesForSize, tilePath } from '@countersign/tlog/tile'
import fc from 'fast-check'
import { sha256 } from '../cryptography.ts'
import { openLogSource } from './log-source.ts'
import type { LogSource } from './log-source.ts'
import { mirrorLog } from './mirror-log.ts'
import type { MirrorLogOptions } from './mirror-log.ts'
import {
  assertCopied,
  assertNothingFalse,
  checkpointOf,
  copyOnce,
  entriesOf,
  openCopy,
  PATIENCE,
} from './testing/copies.ts'
import { openHostileSource } from './testing/hostile-source.ts'
import { openLogFolder } from './testing/log-folder.ts'

test('a log is copied whole, of any size, and again as it grows', async () => {
  for (const sizes of [[0], [1], [255, 256, 257], [300, 300, 600], [256, 65_536], [70, 66_000]]) {
    await using log = await openLogFolder()
    await using copy = await openCopy()
    let size = 0
    for (const next of sizes) {
      await log.publish(entriesOf(size, next))
      const round = await copyOnce(log, copy)
      assert.deepEqual([round.before, round.head.size], [size, next])
      size = next
      await assertCopied(log, copy, size)
    }
  }
})

test('however a log grows, its copy is the same, and holds few partial tiles', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 }),
      async (steps) => {
        await using log = await openLogFolder()
        await using copy = await openCopy()
        let size = 0
        for (const step of steps) {
          await log.publish(entriesOf(size, size + step))
          size += step
          await copyOnce(log, copy)
        }
        await assertCopied(log, copy, size)
        await assertNothingFalse(log, copy)
        const names = await readdir(join(copy.folder, 'log/tile/0'), { recursive: true })
        assert.ok(names.filter((name) => name.includes('.p/')).length <= 2, names.join())
      },
    ),
    { numRuns: 15 },
  )
})

test('a copying that is cut short anywhere goes on where it was, and asks for little twice', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 66_000))
  const needed = [...tilesForSize(66_000)].length
  await using copy = await openCopy()
  let asked = 0
  for (let allowed = 60; ; allowed += 97) {
    let left = allowed
    const source: LogSource = {
      ...log.log.source,
      async read(path, bytesMax) {
        asked += 1
        left -= 1
        if (left < 0) throw Object.assign(new Error('cut'), { code: 'CUT' })
        return await log.log.source.read(path, bytesMax)
      },
    }
    const cut = await copyOnce(log, copy, { source }).then(
      () => false,
      () => true,
    )
    await assertNothingFalse(log, copy)
    if (!cut) break
    assert.equal(await checkpointOf(copy.folder), undefined, 'the checkpoint comes last')
  }
  await assertCopied(log, copy, 66_000)
  assert.ok(asked < needed * 1.6, `${asked} requests for ${needed} files`)
})

test('who cosigns is asked once all is stored, with proofs from any size, and stands below the checkpoint', async () => {
  await using log = await openLogFolder()
  await using copy = await openCopy()
  await log.publish(entriesOf(0, 300))
  const asked: [size: number, proof: number][] = []
  const cosign: MirrorLogOptions['cosign'] = async ({ head, prove }) => {
    assert.notEqual(
      await checkpointOf(copy.folder).then((note) => note?.includes(`\n${head.size}\n`)),
      true,
    )
    for (const tile of tilesForSize(head.size))
      await access(join(copy.folder, 'log', tilePath(tile)))
    asked.push([head.size, (await prove(Math.min(100, head.size - 1))).length])
    return [`\u2014 mirror.example/m1 ${Buffer.alloc(76).toString('base64')}`]
  }
  await copyOnce(log, copy, { cosign })
  await log.publish(entriesOf(300, 600))
  await copyOnce(log, copy, { cosign })
  assert.deepEqual(
    asked.map(([size, proof]) => [size, proof > 0]),
    [
      [300, true],
      [600, true],
    ],
  )
  const note = (await checkpointOf(copy.folder)) ?? ''
  assert.equal(note.split('\n').filter((line) => line.startsWith('\u2014')).length, 2)
})

test('who does not cosign leaves the copy as it was', async () => {
  await using log = await openLogFolder()
  await using copy = await openCopy()
  await log.publish(entriesOf(0, 3))
  const cosign = async (): Promise<never> => Promise.reject(new Error('no'))
  await assert.rejects(copyOnce(log, copy, { cosign }), /no/)
  assert.equal(await checkpointOf(copy.folder), undefined)
})

test('addenda that are served are copied when they are what the entries name', async () => {
  await using log = await openLogFolder()
  await using copy = await openCopy()
  const addenda = ['here', 'gone', 'other'].map((text) => Buffer.from(text))
  const digests = addenda.map((content) => sha256(content))
  const entry = encodeAddendaEntry(Buffer.concat(digests), [0, 32, 64])
  await log.publish([...entriesOf(0, 300), entry])
  const pathOf = (digest: Uint8Array): string => {
    const hex = encodeHex(digest)
    return `addenda/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex}`
  }
  const [here, , other] = digests.map(pathOf)
  assert.ok(here !== undefined && other !== undefined)
  for (const [path, text] of [
    [here, 'here'],
    [other, 'altered'],
  ] as const) {
    await mkdir(join(log.folder, path, '..'), { recursive: true })
    await writeFile(join(log.folder, path), text)
  }
  const round = await copyOnce(log, copy, { addenda: true })
  assert.deepEqual(round.addenda, { copied: 1, absent: 1, altered: 1 })
  assert.equal(await readFile(join(copy.folder, 'log', here), 'utf8'), 'here')
  await assert.rejects(access(join(copy.folder, 'log', other)))
  assert.deepEqual((await copyOnce(log, copy, { addenda: true })).addenda, {
    copied: 0,
    absent: 0,
    altered: 0,
  })
})

test('a mirror that goes on follows the log, and waits longer and longer while it is away', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 10))
  await using source = await openHostileSource(log.folder)
  await using copy = await openCopy()
  const stop = new AbortController()
  const sizes: number[] = []
  const troubles: string[] = []
  await mirrorLog({
    folder: copy.folder,
    log: { ...log.log, source: await openLogSource(source.url) },
    addenda: false,
    once: false,
    signal: stop.signal,
    patience: PATIENCE,
    troublePauseMs: 1,
    onRound: ({ head }) => {
      sizes.push(head.size)
      if (head.size === 20) return stop.abort()
      source.trick = () => ({ kind: 'status', status: 500 })
    },
    onTrouble: ({ code }, againInMs) => {
      troubles.push(`${code} ${againInMs}`)
      if (troubles.length !== 2) return
      // Once, and away until all of it is there: a third trouble would be met while it is written.
      void log.publish(entriesOf(10, 20)).then(() => {
        source.trick = () => undefined
      })
    },
  })
  assert.deepEqual(
    [sizes, troubles.slice(0, 2)],
    [
      [10, 20],
      ['FOLLOW_UNREADABLE 1', 'FOLLOW_UNREADABLE 2'],
    ],
  )
})
