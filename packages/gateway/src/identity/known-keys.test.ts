import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openKnownKeys } from './known-keys.ts'

test('each key that was made, revoked or taken away is told once, also after a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-known-'))
  const first = await openKnownKeys(folder)
  const begun = new Map([
    ['a', true],
    ['b', false],
    ['c', true],
  ])
  const told = first.changes(begun)
  assert.deepEqual(told, [
    { key: 'a', change: 'created' },
    { key: 'b', change: 'created' },
    { key: 'b', change: 'revoked' },
    { key: 'c', change: 'created' },
  ])
  // Told, and not yet on record: a crash here loses nothing.
  assert.deepEqual(first.changes(begun), told)
  first.recorded(told)
  assert.deepEqual(first.changes(begun), [])
  first.close()

  const second = await openKnownKeys(folder)
  const now = new Map([
    ['a', false],
    ['b', false],
  ])
  assert.deepEqual(second.changes(now), [
    { key: 'a', change: 'revoked' },
    { key: 'c', change: 'revoked' },
  ])
  second.recorded(second.changes(now))
  assert.deepEqual(second.changes(now), [])
  second.close()
  await rm(folder, { recursive: true })
})
