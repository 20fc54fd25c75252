/** The signer apart from the ledger, and what is said when a log is not the one that was signed: real processes, real copies. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseVkey } from '@countersign/tlog/key'
import { openNote } from '@countersign/tlog/note'
import { givenAuthority } from '../../packages/gateway/src/identity/testing/certificates.ts'
import { ed25519Verify, mlDsa44, sha256 } from '../../packages/gateway/src/cryptography.ts'
import { node, startCommand } from './running-command.ts'
import type { RunningCommand } from './running-command.ts'
import { setUp } from './running-up.ts'
import type { Setup } from './running-up.ts'

const files = ['--key', 'secrets/log.skey', '--state', 'signer-state']
const flags = [...files, '--sequencer', 'secrets/sequencer.vkey']
const loopback = ['signer', '--listen', '127.0.0.1:0', ...flags]

/** Makes the configuration name a signer that is elsewhere. */
async function pointTo(setup: Setup, url: string, ca = ''): Promise<void> {
  await setup.change((text) =>
    text.replace(/^signer:\n(?: .*\n)+/m, `signer:\n  url: ${url}\n${ca}`),
  )
}

interface Apart extends AsyncDisposable {
  readonly setup: Setup
  readonly signer: RunningCommand
}

/** A folder whose signer runs on its own, and one run of everything else against it. */
async function setUpApart(): Promise<Apart> {
  const setup = await setUp()
  const signer = await startCommand(setup.folder, loopback)
  await pointTo(setup, signer.url)
  await runOnce(setup)
  return {
    setup,
    signer,
    async [Symbol.asyncDispose]() {
      await signer[Symbol.asyncDispose]()
      await setup[Symbol.asyncDispose]()
    },
  }
}

async function runOnce(setup: Setup): Promise<Readonly<Record<string, number>>> {
  const running = await setup.up()
  running.process.kill('SIGTERM')
  assert.equal(await running.exit, 0, running.stderr())
  return running.pids
}

/** Runs the ledger alone until it ends by itself. */
async function ledgerEnds(folder: string): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [...node, 'ledger'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stderr }
}

test('a signer of its own signs twice, and up starts none beside it', async () => {
  await using apart = await setUpApart()
  const { setup, signer } = apart
  const started = Object.keys(await runOnce(setup))
  assert.ok(started.includes('ledger') && !started.includes('signer'), started.join(', '))
  const checkpoint = await readFile(join(setup.folder, 'countersign-data/log/checkpoint'))
  const vkeys = (await readFile(join(setup.folder, 'log.vkey'), 'utf8')).trim().split('\n')
  const { verified } = await openNote(checkpoint, {
    keys: vkeys.map((vkey) => parseVkey(vkey, sha256)),
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44: mlDsa44.verify,
  })
  assert.deepEqual(
    verified.map(({ key }) => key.type),
    [1, 6],
  )
  const { status, stdout } = setup.countersign('verify')
  assert.equal(status, 0, stdout)
  signer.child.kill('SIGTERM')
  assert.equal(await signer.exit, 0)
})

test('a signer on another host is reached by TLS, and believed for the authority that is configured', async () => {
  await using setup = await setUp()
  const authority = await givenAuthority(setup.folder, 'ca')
  await authority.issue({ san: 'DNS:localhost' })
  const tls = ['--tls-certificate', 'ca-0.pem', '--tls-key', 'ca-0.key']
  const listen = ['signer', '--listen', 'localhost:0', ...flags]
  await using signer = await startCommand(setup.folder, [...listen, ...tls])
  const url = signer.url.replace(/\/\/[^:]+(?=:\d)|\/\/\[.*\]/, '//localhost')
  assert.match(url, /^https:\/\/localhost:\d+$/)
  await pointTo(setup, url)
  {
    await using running = await setup.up()
    await running.saysOnStderr('could not reach the signer at https://localhost')
  }
  await pointTo(setup, url, '  ca: ./ca.pem\n')
  await runOnce(setup)
  assert.equal(setup.countersign('verify').status, 0)
})

test('a signer without TLS is refused outside the loopback, at both ends', async () => {
  await using setup = await setUp()
  const open = setup.countersign('signer', '--listen', '0.0.0.0:0', ...flags)
  assert.equal(open.status, 2)
  assert.match(open.stderr, /could not listen on 0.0.0.0:0: it is not the loopback/)
  const partly = setup.countersign('signer', '--listen', '127.0.0.1:0', ...files)
  assert.match(partly.stderr, /needs --listen, --key, --state and --sequencer/)
  const again = setup.countersign('signer', '--listen', '127.0.0.1:0', ...flags, '--create')
  assert.match(again.stderr, /could not create the state of a signer/)
  await pointTo(setup, 'http://signer.example:8095')
  const check = setup.countersign('config', 'check')
  assert.equal(check.status, 2)
  assert.match(check.stderr, /signer.url: expected an https URL, or http on the loopback/)
  await pointTo(setup, 'https://signer.example:8095')
  const here = setup.countersign('signer')
  assert.equal(here.status, 2)
  assert.match(here.stderr, /the configuration says that it runs at https:\/\/signer.example:8095/)
})

test('a second ledger on a copy of the log ends, and says what happened', async () => {
  await using apart = await setUpApart()
  const { setup } = apart
  await using other = await setUp()
  const copy = other.folder
  await rm(copy, { recursive: true })
  await cp(setup.folder, copy, { recursive: true })
  await runOnce(setup)
  const behind = await ledgerEnds(copy)
  assert.equal(behind.code, 2, behind.stderr)
  assert.match(
    behind.stderr,
    /error: could not sign: \d+ records were signed, and only \d+ are durable here/,
  )
  assert.match(behind.stderr, /hint: .*another ledger writes the same log.*never reset the signer/)
  // Once it has as many records as were signed, they are others.
  let ended = behind
  for (let tries = 0; tries < 10 && !/another history/.test(ended.stderr); tries++)
    ended = await ledgerEnds(copy)
  assert.match(ended.stderr, /the signer has signed another history of this log/)
  assert.match(ended.stderr, /hint: this folder was restored from a copy and written to/)
  assert.equal(ended.code, 2)
  await runOnce(setup)
  assert.equal(setup.countersign('verify').status, 0, 'the log itself is none the worse')
})

test('a log that lost its write-ahead log, and a signer that was set back, are told apart', async () => {
  await using apart = await setUpApart()
  const { setup, signer } = apart
  const state = join(setup.folder, 'signer-state/signer-state')
  const [wal, kept] = ['countersign-data/wal', 'kept'].map((name) => join(setup.folder, name))
  assert.ok(wal !== undefined && kept !== undefined)
  await cp(wal, kept, { recursive: true })
  await rm(wal, { recursive: true })
  await cp(kept, wal, { recursive: true, filter: (path) => !path.endsWith('.wal') })
  const shrunk = await ledgerEnds(setup.folder)
  assert.equal(shrunk.code, 2)
  assert.match(shrunk.stderr, /holds no segment, and \d+ records are signed and published/)
  assert.match(shrunk.stderr, /hint: keep this folder as it is/)
  await rm(wal, { recursive: true })
  await cp(kept, wal, { recursive: true })
  const older = await readFile(state)
  await runOnce(setup)
  signer.child.kill('SIGTERM')
  assert.equal(await signer.exit, 0)
  await writeFile(state, older)
  await using back = await startCommand(setup.folder, loopback)
  await pointTo(setup, back.url)
  await using running = await setup.up()
  await running.saysOnStderr('the signer forgot what it signed')
})
