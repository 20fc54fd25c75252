/**
 * A small log in a folder of its own, with the real processes on it, for one fault each. It is copied from a template whose last
 * bundle is nearly full, so that a few records cross every boundary that a log has.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { formatVkey, parseSkey } from '@countersign/tlog/key'
import { connectLedger, layoutOf } from '../../packages/gateway/src/ledger.ts'
import type { LedgerOptions } from '../../packages/gateway/src/ledger.ts'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { ed25519PublicKey, sha256 } from '../../packages/gateway/src/cryptography.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import type { SignerOptions } from '../../packages/gateway/src/witness.ts'
import { program } from '../journeys/rig.ts'
import { startCommand, startHeld } from './processes.ts'
import type { Child } from './processes.ts'

export const ORIGIN = 'log.example.com/faults'
/** Boot, shutdown and records of the template; the next few cross 256. */
const TEMPLATE_RECORDS = 246

/** Small, so that a few records roll to the next segment; and nothing happens that was not asked for. */
const ledgerConfig = {
  segmentBytes: '64 KiB',
  batchBytesMax: '16 KiB',
  checkpointInterval: '1 h',
}

export type Part = 'signer' | 'ledger'

export interface Scene extends AsyncDisposable {
  readonly dir: string
  readonly dataDir: string
  readonly stateDir: string
  /** The log's key of type 0x01, by which everything is verified here. */
  readonly vkey: string
  readonly ledger: LedgerOptions
  readonly signer: SignerOptions
  /** Closes it before the folder goes, whatever becomes of the test; the last one first. */
  own<T extends { close(): Promise<void> }>(closable: T): T
  /** Starts `countersign signer` or `countersign ledger`. */
  start(part: Part, env?: NodeJS.ProcessEnv): Child
  /** As `start`, but it waits with its configuration until `go`: nothing of the log is open yet. */
  startHeld(part: Part): Promise<Child>
}

/** A log of 250 records, written and published by the real thing. Dispose of it last. */
export async function makeTemplate(): Promise<Scene> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-faults-'))
  await promisify(execFile)(process.execPath, [program, 'init', dir, '--origin', ORIGIN])
  await writeFile(
    join(dir, 'countersign.yaml'),
    JSON.stringify({
      origin: ORIGIN,
      data: './countersign-data',
      signer: { key: './secrets/log.skey', state: './signer-state' },
      sequencer: { key: './secrets/sequencer.skey' },
      fingerprintKey: './secrets/fingerprint.key',
      listen: { inbound: '127.0.0.1:0' },
      identities: [{ keys: './secrets/api-keys.yaml' }],
      ledger: ledgerConfig,
    }),
  )
  const scene = await sceneIn(dir)
  // By the processes themselves: what they compile is cached now, and the runs that follow are alike.
  const children = [scene.start('signer'), scene.start('ledger')]
  for (const child of children) assert.ok(await child.ready, 'the template is made')
  const client = await connectLedger({
    socketPath: layoutOf(scene.dataDir).socket,
    clock: systemClock,
  })
  for (let n = 0; n < TEMPLATE_RECORDS; n++)
    await client.append(makeDraft(n % 50 === 0 ? { content: Buffer.from(`content ${n}`) } : {}))
  await client.publish()
  await client.close()
  for (const child of children.toReversed()) {
    child.stop()
    assert.equal((await child.exited).code, 0)
  }
  return scene
}

/** The same log in another folder: a new one below `parent`. */
export async function copyOf(template: Scene, parent = tmpdir()): Promise<Scene> {
  const dir = await mkdtemp(join(parent, 'countersign-fault-'))
  await cp(template.dir, dir, { recursive: true })
  return await sceneIn(dir)
}

async function sceneIn(dir: string): Promise<Scene> {
  const read = async (path: string): Promise<string> =>
    (await readFile(join(dir, path), 'utf8')).trim()
  const [logVkey, logKey, sequencerKey] = await Promise.all([
    read('log.vkey'),
    read('secrets/log.skey'),
    read('secrets/sequencer.skey'),
  ])
  const [vkey = ''] = logVkey.split('\n')
  const dataDir = join(dir, 'countersign-data')
  const stateDir = join(dir, 'signer-state')
  const socketPath = join(stateDir, 'signer.sock')
  const config = join(dir, 'countersign.yaml')
  const owned: { close(): Promise<void> }[] = []
  return {
    own: (closable) => {
      owned.push(closable)
      return closable
    },
    dir,
    dataDir,
    stateDir,
    vkey,
    ledger: {
      dataDir,
      origin: ORIGIN,
      sequencerKey,
      logVkey,
      signerSocket: socketPath,
      clock: systemClock,
      program: { version: '0.0.0', binary: '0'.repeat(64) },
      segmentBytes: 64 * 1024,
      batchBytesMax: 16 * 1024,
      checkpointIntervalMs: 3_600_000,
    },
    signer: {
      key: logKey,
      stateDir,
      sequencerVkey: vkeyOf(sequencerKey),
      origin: ORIGIN,
      socketPath,
      clock: systemClock,
    },
    start: (part, env) => startCommand([part, '--config', config], env),
    startHeld: (part) => startHeld([part, '--config', config], config),
    [Symbol.asyncDispose]: async () => {
      for (const closable of owned.toReversed()) await closable.close().catch(() => undefined)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function vkeyOf(skey: string): string {
  const { name, id, type, seed } = parseSkey(skey, sha256, ed25519PublicKey)
  return formatVkey({ name, id, type, publicKey: ed25519PublicKey(seed) })
}
