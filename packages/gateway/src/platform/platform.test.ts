import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock, writeDurably } from '../platform.ts'

test('the clock is within two milliseconds of the machine, with nanoseconds', () => {
  // Between two looks at the machine's: however long this process was kept waiting there.
  const before = Date.now()
  const now = Number(systemClock.nowNs()) / 1e6
  const after = Date.now()
  ok(before - 2 <= now && now <= after + 2, `${before} ${now} ${after}`)
  ok(systemClock.monotonicNs() <= systemClock.monotonicNs())
})

test('a durable write replaces the whole file, keeps its mode and leaves nothing beside it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-platform-'))
  try {
    const path = join(folder, 'a')
    await writeDurably(path, 'first', { mode: 0o600 })
    await writeDurably(path, Buffer.from('second'), { mode: 0o600 })
    equal(await readFile(path, 'utf8'), 'second')
    equal((await stat(path)).mode & 0o777, 0o600)
    deepEqual(await readdir(folder), ['a'])
    await rejects(writeDurably(join(folder, 'missing', 'b'), 'x'), { code: 'ENOENT' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
