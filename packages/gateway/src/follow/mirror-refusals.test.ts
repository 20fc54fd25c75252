import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { tilesForSize, tilePath } from '@countersign/tlog/tile'
import { openLogSource } from './log-source.ts'
import type { LogSource } from './log-source.ts'
import { Mirror } from './mirror.ts'
import {
  assertCopied,
  assertNothingFalse,
  checkpointOf,
  copyOnce,
  entriesOf,
  openCopy,
  refusal,
} from './testing/copies.ts'
import type { Copy } from './testing/copies.ts'
import { openHostileSource } from './testing/hostile-source.ts'
import type { HostileSource } from './testing/hostile-source.ts'
import { openLogFolder } from './testing/log-folder.ts'
import type { LogFolder } from './testing/log-folder.ts'

test('a file that is not what was signed is refused, whichever it is, and not stored', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 300))
  await using source = await openHostileSource(log.folder)
  for (const path of ['checkpoint', ...[...tilesForSize(300)].map(tilePath)]) {
    await using copy = await openCopy()
    source.trick = (wanted) =>
      wanted === path
        ? { kind: 'body', bytes: (real) => flipped(real ?? Buffer.alloc(1)) }
        : undefined
    const error = await refusal(copyOnce(log, copy, { source: await openLogSource(source.url) }))
    assert.equal(error.code, 'FOLLOW_BROKEN', path)
    assert.equal(await checkpointOf(copy.folder), undefined)
    await assertNothingFalse(log, copy)
    source.trick = () => undefined
    await copyOnce(log, copy, { source: await openLogSource(source.url) })
    await assertCopied(log, copy, 300)
  }
})

function flipped(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes)
  other[other.length >> 1] = (other[other.length >> 1] ?? 0) ^ 1
  return other
}

test('a log that forked is refused, and both checkpoints are kept', async () => {
  for (const { copied, forked, why } of [
    { copied: 300, forked: 700, why: /its first 300 entries are not those that it signed before/ },
    { copied: 300, forked: 300, why: /two roots are signed for its 300 entries/ },
  ]) {
    await using log = await openLogFolder()
    await using other = await openLogFolder()
    await using copy = await openCopy()
    await log.publish(entriesOf(0, copied))
    await other.publish(entriesOf(0, forked, 'other'))
    await copyOnce(log, copy)
    const error = await refusal(copyOnce(other, copy))
    assert.equal(error.code, 'FOLLOW_FORKED')
    assert.match(error.message, why)
    await assertCopied(log, copy, copied)
    await assertKept(copy, { log, other })
    // Found again, it is kept once.
    await refusal(copyOnce(other, copy))
    assert.equal((await readdir(join(copy.folder, 'evidence'))).length, 1)
  }
})

test('a log that shrank is refused, and both checkpoints are kept', async () => {
  await using log = await openLogFolder()
  await using shorter = await openLogFolder()
  await using copy = await openCopy()
  await log.publish(entriesOf(0, 300))
  await shorter.publish(entriesOf(0, 299))
  await copyOnce(log, copy)
  const error = await refusal(copyOnce(shorter, copy))
  assert.equal(error.code, 'FOLLOW_SHRANK')
  assert.match(error.message, /it was signed with 300 entries, and now with 299/)
  assert.match(error.hint ?? '', /both signed checkpoints are in /)
  await assertCopied(log, copy, 300)
  await assertKept(copy, { log, other: shorter })
})

async function assertKept(
  copy: Copy,
  { log, other }: { log: LogFolder; other: LogFolder },
): Promise<void> {
  const [digest = ''] = await readdir(join(copy.folder, 'evidence'))
  const kept = (name: string): Promise<string> =>
    readFile(join(copy.folder, 'evidence', digest, name), 'utf8')
  assert.equal(
    await kept('copied.checkpoint'),
    await readFile(join(log.folder, 'checkpoint'), 'utf8'),
  )
  assert.equal(
    await kept('refused.checkpoint'),
    await readFile(join(other.folder, 'checkpoint'), 'utf8'),
  )
}

/** A source over HTTP that gives up soon. */
async function soon(source: HostileSource): Promise<LogSource> {
  return await openLogSource(source.url, { timeoutMs: 200 })
}

test('a source that hangs, babbles or breaks is asked again a few times, and then given up', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 300))
  await using source = await openHostileSource(log.folder)
  for (const [kind, why] of [
    ['hang', /could not read .*: .*(timeout|aborted)/],
    ['endless', /could not read .*: it is over 8192 bytes/],
  ] as const) {
    await using copy = await openCopy()
    source.trick = (path) => (path === 'tile/0/000' ? { kind } : undefined)
    const error = await refusal(copyOnce(log, copy, { source: await soon(source) }))
    assert.deepEqual(
      [error.code, why.test(error.message)],
      ['FOLLOW_UNREADABLE', true],
      error.message,
    )
    assert.equal(await checkpointOf(copy.folder), undefined)
  }
  await using copy = await openCopy()
  const failed = new Set<string>()
  source.trick = (path) => {
    if (failed.has(path)) return undefined
    failed.add(path)
    return { kind: 'status', status: 503 }
  }
  await copyOnce(log, copy, { source: await soon(source) })
  await assertCopied(log, copy, 300)
})

test('a checkpoint without end is refused before it is read', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 3))
  await using source = await openHostileSource(log.folder)
  await using copy = await openCopy()
  source.trick = () => ({ kind: 'endless' })
  const error = await refusal(copyOnce(log, copy, { source: await openLogSource(source.url) }))
  assert.match(error.message, /it is over 1000000 bytes/)
})

test('a log that moves on while it is read is read again', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 300))
  await using source = await openHostileSource(log.folder)
  await using copy = await openCopy()
  let moved = false
  source.trick = (path) => {
    // Once the checkpoint of 300 is read, its partial tiles are gone: a later one is in force.
    if (!path.includes('.p/44') || moved) return moved && path.includes('.p/44') ? gone : undefined
    moved = true
    return gone
  }
  const gone = { kind: 'status', status: 404 } as const
  const copying = copyOnce(log, copy, {
    source: {
      ...(await openLogSource(source.url)),
      read: async (path, bytesMax) => {
        if (moved && path === 'checkpoint') await log.publish(entriesOf(300, 301))
        return await (await openLogSource(source.url)).read(path, bytesMax)
      },
    },
  })
  assert.ok((await copying).head.size > 300)
})

test('a folder that is in use or holds something else is left alone', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 3))
  await using copy = await openCopy()
  const options = { folder: copy.folder, log: log.log }
  const mirror = await Mirror.open(options)
  assert.equal((await refusal(Mirror.open(options))).code, 'FOLLOW_IN_USE')
  mirror.close()
  await using other = await openCopy()
  await mkdir(join(other.folder, 'log'))
  await writeFile(join(other.folder, 'ledger.json'), '{}')
  const error = await refusal(Mirror.open({ ...options, folder: other.folder }))
  assert.equal(error.code, 'FOLLOW_STORE')
  assert.match(error.message, /holds something else \(ledger\.json, log\)/)
})

test('a copy is of one log and one key', async () => {
  await using log = await openLogFolder()
  await log.publish(entriesOf(0, 3))
  await using copy = await openCopy()
  await copyOnce(log, copy)
  const keys = log.log.keys.map((key) => ({ ...key, name: 'other.example/log' }))
  const error = await refusal(Mirror.open({ folder: copy.folder, log: { ...log.log, keys } }))
  assert.match(error.message, /it was begun with another key/)
})
