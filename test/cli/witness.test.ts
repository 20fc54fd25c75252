/** A witness as an auditor runs it: one command, killed and started again. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { SpawnSyncReturns } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeOrigin, makeTree, post } from '../../packages/gateway/src/witness/testing/setup.ts'
import { node, startCommand } from './running-command.ts'

const ORIGIN = 'log.example.com/test'

interface Setup extends AsyncDisposable {
  readonly folder: string
  countersign(...args: readonly string[]): SpawnSyncReturns<string>
}

async function setUp(vkeys: string): Promise<Setup> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-witness-'))
  const countersign: Setup['countersign'] = (...args) =>
    spawnSync(process.execPath, [...node, ...args], { cwd: folder, encoding: 'utf8' })
  await writeFile(join(folder, 'log.vkey'), vkeys)
  const made = countersign('witness', 'keygen', '--name', 'witness.example/w1', '--key', 'w1.skey')
  assert.equal(made.status, 0, made.stderr)
  return {
    folder,
    countersign,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

const flags = ['--key', 'w1.skey', '--state', 'w1.state', '--log', 'log.vkey']
const run = ['witness', '--listen', '127.0.0.1:0', ...flags]

test('a witness that is killed at any moment forgets nothing that it answered', async () => {
  const log = makeOrigin(ORIGIN)
  await using setup = await setUp(log.vkeys)
  let [cosigned, next] = [0, 1]
  for (let round = 0; round < 6; round++) {
    const create = round === 0 ? ['--create'] : []
    await using witness = await startCommand(setup.folder, [...run, ...create])
    const asked = await post(witness.url, await log.request(0, 1000))
    if (round > 0) {
      // It may have made durable what it did not come to answer; it never went back.
      assert.equal(asked.status, 409)
      const size = Number(asked.text)
      assert.ok(size >= cosigned && size < next, `${size} of ${cosigned} to ${next}`)
      cosigned = size
    } else cosigned = 1000
    next = cosigned + 1
    // One request after the other, until the kill comes between or into one of them.
    const asking = (async (): Promise<void> => {
      for (;;) {
        const body = await log.request(cosigned, next)
        next += 1
        const answer = await post(witness.url, body).catch(() => undefined)
        if (answer === undefined) return
        assert.equal(answer.status, 200, answer.text)
        cosigned = next - 1
        if (cosigned % 5 === 0) witness.child.kill('SIGKILL')
      }
    })()
    await asking
    assert.equal(await witness.exit, null)
  }
})

test('a fork is said loudly, kept, and printed as notes; SIGTERM ends the witness in order', async () => {
  const log = makeOrigin(ORIGIN)
  await using setup = await setUp(log.vkeys)
  await using witness = await startCommand(setup.folder, [...run, '--create'])
  assert.equal((await post(witness.url, await log.request(0, 5))).status, 200)
  assert.equal((await post(witness.url, await log.request(5, 5, makeTree(2)))).status, 422)
  assert.equal((await post(witness.url, await log.request(5, 8, makeTree(2)))).status, 422)
  witness.child.kill('SIGTERM')
  assert.equal(await witness.exit, 0)
  assert.match(
    witness.stderr(),
    /warning: FORK: log.example.com\/test signed two roots for size 5; kept as evidence 1/,
  )
  assert.match(witness.stderr(), /possible fork: .* size 8, .* from size 5; kept as evidence 2/)
  assert.deepEqual(
    witness.said.map(({ kind }) => kind),
    ['ready', 'cosigned', 'fork', 'fork'],
  )
  const seen = await log.checkpoint(5, makeTree(2))
  const printed = setup.countersign('witness', 'evidence', '--state', 'w1.state')
  assert.equal(printed.status, 0)
  assert.ok(printed.stdout.includes(seen))
  assert.match(printed.stdout, /^# evidence 1: split, log.example.com\/test, seen 20\d\d-/)
  const json = setup.countersign('witness', 'evidence', '--state', 'w1.state', '--json')
  const pieces = json.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    pieces.map(({ number, kind }) => [number, kind]),
    [
      [1, 'split'],
      [2, 'unproven'],
    ],
  )
  assert.equal(pieces[0]?.['seen'], seen)
})

test('a witness says what it needs, and never overwrites a key or a state', async () => {
  const log = makeOrigin(ORIGIN)
  await using setup = await setUp(log.vkeys)
  const refused = (args: readonly string[], said: RegExp, hint: RegExp): void => {
    const { status, stdout, stderr } = setup.countersign('witness', ...args)
    assert.equal(status, 2, stderr)
    assert.equal(stdout, '')
    const [error = '', advice = ''] = stderr.split('\n')
    assert.match(error, said)
    assert.match(advice, hint)
  }
  refused([], /needs --key, --state and at least one --log/, /witness --help/)
  refused(flags, /there is no state w1.state/, /add --create/)
  refused([...flags, '--listen', '8090'], /could not listen on '8090'/, /--help/)
  refused(['--key', 'no.skey', ...flags.slice(2)], /could not read the key no.skey/, /keygen/)
  refused(['keygen', '--name', 'a b', '--key', 'x'], /could not use 'a b' as a name/, /--help/)
  refused(
    ['keygen', '--name', 'w2', '--key', 'w1.skey'],
    /w1.skey is there already/,
    /never overwritten/,
  )
  await writeFile(join(setup.folder, 'w1.state'), '')
  refused([...flags, '--create'], /w1.state is there already/, /leave --create away/)
  refused(flags, /its first record cannot be read in w1.state/, /start over with a new key/)
})
