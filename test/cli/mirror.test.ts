/** `countersign mirror` as a real process: shown a fork, asked to cosign, and left with the only copy. */
import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeCrypto } from '@countersign/verifier/node-io'
import { openHostileSource } from '../../packages/gateway/src/follow/testing/hostile-source.ts'
import { assertVerifies, openPlace, startMirror } from './running-mirror.ts'

test('when the original is deleted, its mirror verifies, shows and proves', async () => {
  await using place = await openPlace()
  const log = place.log()
  log.append(700)
  await log.publish()
  const copied = place.countersign('mirror', 'log', '--to', 'copy', '--vkey', 'key', '--once')
  assert.equal(copied.status, 0, copied.stderr)
  assert.match(
    copied.stderr,
    /copied log\.example\.com\/test: 700 records, 700 new records, verified/,
  )
  await rm(join(place.folder, 'log'), { recursive: true })
  await rm(join(place.folder, 'key'))

  const verified = place.countersign('verify', 'copy')
  assert.equal(verified.status, 0, verified.stdout)
  assert.match(
    verified.stdout,
    /^log verified: 700 entries of log\.example\.com\/test, each as it was/,
  )
  const shown = place.countersign('show', '600', 'copy')
  assert.match(shown.stdout, /proven: records 600 and 601 are in the tree of 700 records/)
  const proven = place.countersign('prove', '600', 'copy', '--entry-out', '600.entry')
  assert.equal(proven.status, 0, proven.stderr)
  const checked = place.countersign(
    'verify',
    '600.tlog-proof',
    '--entry',
    '600.entry',
    '--vkey',
    'copy/log.vkey',
  )
  assert.match(checked.stdout, /^proof verified: 600\.entry is record 600/)
})

test('a copy is served where the log is, and under the hash of its origin, and follows it', async () => {
  await using place = await openPlace()
  const log = place.log()
  log.append(300)
  await log.publish()
  const args = ['log', '--to', 'copy', '--vkey', 'key', '--listen', '127.0.0.1:0']
  await using mirror = startMirror(place.folder, ...args)
  const { url } = await mirror.when(({ kind }) => kind === 'listening')
  await mirror.when(({ kind, size }) => kind === 'copied' && size === 300)
  log.append(100)
  await log.publish()
  await mirror.when(({ kind, size }) => kind === 'copied' && size === 400)
  const hash = nodeCrypto.sha256(Buffer.from('log.example.com/test'))
  for (const prefix of [String(url), `${String(url)}/${Buffer.from(hash).toString('hex')}`]) {
    const { status, stdout } = place.countersign('verify', prefix, '--vkey', 'key')
    assert.equal(status, 0, stdout)
    assert.match(stdout, /400 entries/)
  }
  mirror.child.kill('SIGTERM')
  assert.equal(await mirror.exit, 0)
})

test('a fork is refused with exit code 1, loudly, and the copy is served on', async () => {
  await using place = await openPlace()
  const log = place.log()
  log.append(300)
  await log.publish()
  await using source = await openHostileSource(join(place.folder, 'log'))
  const args = [source.url, '--to', 'copy', '--vkey', 'key', '--listen', '127.0.0.1:0']
  await using mirror = startMirror(place.folder, ...args)
  const { url } = await mirror.when(({ kind }) => kind === 'listening')
  await mirror.when(({ kind }) => kind === 'copied')
  const fork = place.log('fork')
  // Other ids, so other records.
  fork.append(400)
  await fork.publish()
  source.folder = join(place.folder, 'fork')
  const { message } = await mirror.when(({ kind }) => kind === 'refused')
  assert.match(
    String(message),
    /THE LOG FORKED: log\.example\.com\/test: its first 300 entries are not/,
  )
  assert.equal(place.countersign('verify', String(url), '--vkey', 'key').status, 0)
  mirror.child.kill('SIGTERM')
  assert.equal(await mirror.exit, 1)
  assert.match(mirror.stderr(), /countersign: error: could not go on: THE LOG FORKED/)
  assert.match(
    mirror.stderr(),
    /countersign: hint: both signed checkpoints are in copy\/evidence\//,
  )
  assert.equal((await readdir(join(place.folder, 'copy/evidence'))).length, 1)
  const again = place.countersign('mirror', 'fork', '--to', 'copy', '--vkey', 'key', '--once')
  assert.equal(again.status, 1)
  await assertVerifies(join(place.folder, 'copy'), 300)
})

test('a mirror cosigns what it has stored, with a key and a state of its own', async () => {
  await using place = await openPlace()
  const log = place.log()
  log.append(300)
  await log.publish()
  const made = place.countersign(
    'witness',
    'keygen',
    '--name',
    'mirror.example/m1',
    '--key',
    'm1.skey',
  )
  await writeFile(join(place.folder, 'm1.vkey'), made.stdout)
  const mirror = ['mirror', 'log', '--to', 'copy', '--vkey', 'key', '--once']
  const cosign = ['--witness-key', 'm1.skey', '--witness-state', 'm1.state']
  const first = place.countersign(...mirror, ...cosign, '--witness-create')
  assert.equal(first.status, 0, first.stderr)
  log.append(100)
  await log.publish()
  const second = place.countersign(...mirror, ...cosign)
  assert.equal(second.status, 0, second.stderr)
  const note = await readFile(join(place.folder, 'copy/log/checkpoint'), 'utf8')
  assert.match(note, /^log\.example\.com\/test\n400\n/)
  assert.equal(note.match(/^— mirror\.example\/m1 /gm)?.length, 2, 'Ed25519 and ML-DSA-44')
  const verified = place.countersign('verify', 'copy', '--vkey', 'key', '--vkey', 'm1.vkey')
  assert.match(
    verified.stdout,
    / {2}signed by {3}log\.example\.com\/test\n {2}cosigned {4}by mirror\.example\/m1 at /,
  )

  // The state is what it is about: with that of another copy, nothing is signed and nothing changes.
  log.append(100)
  await log.publish()
  await rm(join(place.folder, 'm1.state'))
  const lost = place.countersign(...mirror, ...cosign)
  assert.equal(lost.status, 2)
  assert.equal(await readFile(join(place.folder, 'copy/log/checkpoint'), 'utf8'), note)
})

test('wrong usage is said before anything is touched', async () => {
  await using place = await openPlace()
  for (const [args, message] of [
    [['mirror'], /mirror needs the folder or URL of a log/],
    [['mirror', 'log'], /a mirror needs --to DIR/],
    [['mirror', 'log', '--to', 'copy'], /the key of the log is not known/],
    [['mirror', 'log', '--to', 'copy', '--vkey', 'x'], /could not read x: there is no such file/],
    [['mirror', 'nowhere', '--to', 'copy', '--vkey', 'key'], /no folder .*nowhere/],
    [['mirror', 'log', '--to', 'copy', '--vkey', 'key', '--witness-key', 'k'], /go together/],
    [['mirror', 'log', '--to', 'copy', '--vkey', 'key', '--listen', 'x'], /it is ADDRESS:PORT/],
  ] as const) {
    const { status, stderr } = place.countersign(...args)
    assert.deepEqual([status, message.test(stderr)], [2, true], stderr)
  }
  assert.deepEqual(await readdir(place.folder), ['key'])
})
