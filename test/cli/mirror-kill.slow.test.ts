/** `countersign mirror`, killed in the middle of one request after another. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openHostileSource } from '../../packages/gateway/src/follow/testing/hostile-source.ts'
import { assertVerifies, openPlace, startMirror } from './running-mirror.ts'

test('a mirror that is killed anywhere goes on, and what it has always verifies', async () => {
  await using place = await openPlace()
  const log = place.log()
  log.append(9_000)
  await log.publish()
  await using source = await openHostileSource(join(place.folder, 'log'))
  const copy = join(place.folder, 'copy')
  const args = [source.url, '--to', 'copy', '--vkey', 'key']
  let size = 9_000
  for (let round = 0; round < 8; round++) {
    const mirror = startMirror(place.folder, ...args)
    // Killed in the middle of a request: another one each time.
    const deadly = source.asked.length + 5 + round * 7
    source.trick = () => {
      if (source.asked.length >= deadly) mirror.child.kill('SIGKILL')
      return undefined
    }
    assert.equal(await mirror.exit, null, mirror.stderr())
    const note = await readFile(join(copy, 'log/checkpoint'), 'utf8').catch(() => undefined)
    if (note !== undefined) {
      await assertVerifies(copy, Number(note.split('\n')[1]))
    }
    log.append(1_000)
    await log.publish()
    size += 1_000
  }
  source.trick = () => undefined
  const last = startMirror(place.folder, ...args, '--once')
  assert.equal(await last.exit, 0, last.stderr())
  await assertVerifies(copy, size)
})
