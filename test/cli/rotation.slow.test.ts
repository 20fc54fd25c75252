/** What `init --continues` refuses, and what it warns of. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from './running-up.ts'

test('only a log that is signed, not empty, and no longer written can be continued', async () => {
  await using setup = await setUp()
  const next = (...args: readonly string[]): string => {
    const words = ['init', 'next', '--origin', 'audit.example.com/2', ...args]
    const { status, stderr } = setup.countersign(...words)
    assert.ok(status === 1 || status === 2, stderr)
    return stderr
  }
  const data = ['--continues', 'countersign-data']
  assert.match(next(...data), /countersign-data\/log has no checkpoint/)
  assert.match(next('--vkey', 'log.vkey'), /--vkey is the key of the log that --continues names/)
  {
    await using running = await setup.up()
    assert.match(next(...data), /could not continue countersign-data: it is still being written/)
    assert.match(
      next('--continues', running.listening['log'] ?? '', '--vkey', 'next.vkey'),
      /next.vkey/,
    )
    running.process.kill('SIGTERM')
    assert.equal(await running.exit, 0)
  }
  setup.countersign('init', 'other', '--origin', 'audit.example.com/1')
  assert.match(next(...data, '--vkey', 'other/log.vkey'), /is not to be trusted/)
  const same = setup.countersign('init', 'next', '--origin', 'audit.example.com/1', ...data)
  assert.match(same.stderr, /a new key needs a new origin/)
  // A signer that is lost signs nothing more: what is durable all the same is told, and not continued.
  await setup.change((text) =>
    text.replace(/^signer:\n(?: .*\n)+/m, 'signer: { url: "http://127.0.0.1:9" }\n'),
  )
  {
    await using running = await setup.up()
    running.process.kill('SIGTERM')
    assert.equal(await running.exit, 0)
  }
  const made = setup.countersign('init', 'next', '--origin', 'audit.example.com/2', ...data)
  assert.equal(made.status, 0, made.stderr)
  assert.match(
    made.stderr,
    /warning: \d+ records of audit.example.com\/1 are durable and were never signed; the new log does not/,
  )
  assert.match(made.stderr, /record 0 continues audit.example.com\/1 at \d+ records/)
  const again = setup.countersign('init', 'next', '--origin', 'audit.example.com/2', ...data)
  assert.match(again.stderr, /is there already/)
})
