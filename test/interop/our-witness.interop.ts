/** Our witness under clients of others: a log of Tessera's that asks it to cosign each of its checkpoints, and one that forks. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openCheckpoint } from '@countersign/tlog/signed-checkpoint'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { ed25519Verify, sha256 } from '../../packages/gateway/src/cryptography.ts'
import { makeKey } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { node, startCommand } from '../cli/running-command.ts'
import type { RunningCommand } from '../cli/running-command.ts'
import { installTools, runProgram } from './tools.ts'
import type { Ran } from './tools.ts'

const ORIGIN = 'log.example.com/tessera'
const SAID_TIMEOUT_MS = 60_000

interface World extends AsyncDisposable {
  readonly folder: string
  readonly witness: RunningCommand
  /** What tlog-policy says of the log and our witness. */
  readonly policy: string
  /** Adds entries to Tessera's log in a folder of this name, and waits until it has published them, cosigned; or `alone`, not. */
  add(log: string, entries: readonly string[], alone?: 'alone'): Promise<Ran>
  /** Does so for a log that our witness refuses with 422. @returns what it said */
  addUntilRefused(log: string, entries: readonly string[]): Promise<string>
}

async function openWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-tessera-'))
  const [key, policyFile] = [join(folder, 'log.skey'), join(folder, 'policy')]
  const log = makeKey(ORIGIN)
  await writeFile(key, log.skey)
  await writeFile(join(folder, 'log.vkey'), log.vkey)
  const keygen = await run(folder, 'keygen', '--name', 'witness.example/ours', '--key', 'w.skey')
  const [vkey = ''] = keygen.split('\n')
  const flags = ['--key', 'w.skey', '--state', 'w.state', '--create', '--log', 'log.vkey']
  const witness = await startCommand(folder, ['witness', ...flags, '--listen', '127.0.0.1:0'])
  const policy = `log ${log.vkey}\nwitness ours ${vkey} ${witness.url}\nquorum ours\n`
  await writeFile(policyFile, policy)
  const { logger } = await installTools()
  let batch = 0
  const wordsFor = async (
    name: string,
    entries: readonly string[],
    alone?: 'alone',
  ): Promise<string[]> => {
    batch += 1
    for (const [n, entry] of entries.entries())
      await writeFile(join(folder, `entry-${batch}-${String(n).padStart(4, '0')}`), entry)
    const options = {
      storage_dir: join(folder, name),
      entries: join(folder, `entry-${batch}-*`),
      private_key: key,
      ...(alone === undefined ? { witness_policy_file: policyFile } : {}),
    }
    return ['-logtostderr', ...Object.entries(options).map(([flag, value]) => `-${flag}=${value}`)]
  }
  return {
    folder,
    witness,
    policy,
    add: async (name, entries, alone) =>
      runProgram(logger, ...(await wordsFor(name, entries, alone))),
    addUntilRefused: async (name, entries) =>
      saidBy(logger, await wordsFor(name, entries), /the consistency proof is bad: 422/),
    async [Symbol.asyncDispose]() {
      await witness[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function run(folder: string, ...words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [...node, 'witness', ...words], {
    cwd: folder,
  })
  return stdout
}

/** Runs a program until it has said something, and ends it: refused, it would try again for ever. */
async function saidBy(program: string, words: readonly string[], wanted: RegExp): Promise<string> {
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), SAID_TIMEOUT_MS)
  let said = ''
  child.stderr.on('data', (piece: Buffer) => {
    said += piece.toString()
    if (wanted.test(said)) child.kill('SIGKILL')
  })
  await once(child, 'close')
  clearTimeout(timer)
  assert.match(said, wanted)
  return said
}

const many = (word: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${word} ${n}`)

test("a log of Tessera's has each checkpoint cosigned by our witness", async (t) => {
  await using world = await openWorld()
  const published = async (log: string): Promise<{ size: bigint; names: string[] }> => {
    const note = await readFile(join(world.folder, log, 'checkpoint'), 'utf8')
    const { checkpoint, verified } = await openCheckpoint(note, {
      policy: parsePolicy(world.policy, sha256),
      sha256,
      verify: ed25519Verify,
    })
    return { size: checkpoint.size, names: verified.map(({ key }) => key.name).toSorted() }
  }
  const both = [ORIGIN, 'witness.example/ours']

  await t.test('its first, from an empty tree', async () => {
    const { code, stderr } = await world.add('one', ['a', 'b', 'c'])
    assert.equal(code, 0, stderr)
    assert.deepEqual(await published('one'), { size: 3n, names: both })
  })
  await t.test('the next, from the last one that it published', async () => {
    const { code, stderr } = await world.add('one', many('entry', 300))
    assert.equal(code, 0, stderr)
    assert.deepEqual(await published('one'), { size: 303n, names: both })
  })
  await t.test('after 409, when it does not know which was the last', async () => {
    await rm(join(world.folder, 'one', 'checkpoint'))
    const { code, stderr } = await world.add('one', ['d'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /replied with x\.tlog\.size 303 != our hint 0, retrying/)
    assert.deepEqual(await published('one'), { size: 304n, names: both })
  })
  await t.test('not when it has another past: 409, then 422, and the fork is kept', async () => {
    // The same key, the same origin, and records of its own; then it turns to our witness.
    assert.equal((await world.add('two', many('another', 400), 'alone')).code, 0)
    const said = await world.addUntilRefused('two', ['more'])
    assert.match(said, /replied with x\.tlog\.size 304 != our hint 400, retrying/)
    const fork = await readFile(join(world.folder, 'two', 'checkpoint'), 'utf8')
    assert.ok(!fork.includes('witness.example/ours'), fork)
    const evidence = await run(world.folder, 'evidence', '--state', 'w.state', '--json')
    assert.match(evidence, new RegExp(`"origin":"${ORIGIN}"`))
  })
})
