/**
 * A small log in a folder of its own, with the real processes on it, for one fault each. It is copied from a template whose last
 * bundle is nearly full, so that a few records cross every boundary that a log has.
 */
import assert from 'node:assert/strict'
import { execFile, fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { formatVkey, parseSkey } from '@countersign/tlog/key'
import { connectLedger, runLedger } from '../../packages/gateway/src/ledger.ts'
import type { LedgerOptions } from '../../packages/gateway/src/ledger.ts'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { ed25519PublicKey, sha256, systemClock } from '../../packages/gateway/src/platform.ts'
import { runSigner } from '../../packages/gateway/src/witness.ts'
import type { SignerOptions } from '../../packages/gateway/src/witness.ts'
import { program } from '../journeys/rig.ts'
import { ONE_POOL_THREAD } from './strace.ts'

export const ORIGIN = 'log.example.com/faults'
/** Boot, shutdown and records of the template; the next few cross 256. */
const TEMPLATE_RECORDS = 246
const EXIT_TIMEOUT_MS = 60_000

/** Small, so that a few records roll to the next segment; and nothing happens that was not asked for. */
const ledgerConfig = {
  segmentBytes: '64 KiB',
  batchBytesMax: '16 KiB',
  checkpointInterval: '1 h',
}

export type Part = 'signer' | 'ledger'

export interface Child {
  readonly process: ChildProcess
  /** Resolves with false when it ended before it was ready. */
  readonly ready: Promise<boolean>
  readonly exited: Promise<{ readonly code: number | null; readonly stderr: string }>
  /** Asks it to end in order. */
  stop(): void
}

export interface Scene extends AsyncDisposable {
  readonly dir: string
  readonly dataDir: string
  readonly stateDir: string
  readonly vkey: string
  readonly ledger: LedgerOptions
  readonly signer: SignerOptions
  /** Closes it before the folder goes, whatever becomes of the test; the last one first. */
  own<T extends { close(): Promise<void> }>(closable: T): T
  /** Starts `countersign signer` or `countersign ledger`; `under` is a command to start it under. */
  start(part: Part, under?: readonly string[], env?: NodeJS.ProcessEnv): Child
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
  const signer = await runSigner(scene.signer)
  const ledger = await runLedger(scene.ledger)
  const client = await connectLedger({ socketPath: ledger.socketPath, clock: systemClock })
  for (let n = 0; n < TEMPLATE_RECORDS; n++)
    await client.append(makeDraft(n % 50 === 0 ? { content: Buffer.from(`content ${n}`) } : {}))
  await client.publish()
  await client.close()
  await ledger.close()
  await signer.close()
  return scene
}

/** The same log, in another folder. */
export async function copyOf(template: Scene): Promise<Scene> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-fault-'))
  await cp(template.dir, dir, { recursive: true })
  return await sceneIn(dir)
}

async function sceneIn(dir: string): Promise<Scene> {
  const read = async (path: string): Promise<string> =>
    (await readFile(join(dir, path), 'utf8')).trim()
  const [vkey, logKey, sequencerKey] = await Promise.all([
    read('log.vkey'),
    read('secrets/log.skey'),
    read('secrets/sequencer.skey'),
  ])
  const dataDir = join(dir, 'countersign-data')
  const stateDir = join(dir, 'signer-state')
  const socketPath = join(stateDir, 'signer.sock')
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
      logVkey: vkey,
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
    },
    start: (part, under, env) => startPart(dir, part, { under, env }),
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

function startPart(
  dir: string,
  part: Part,
  {
    under = [],
    env,
  }: { under?: readonly string[] | undefined; env?: NodeJS.ProcessEnv | undefined },
): Child {
  const node = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    '-C',
    '@countersign/source',
  ]
  const [execPath = process.execPath, ...execArgv] = [...under, ...node]
  const child = fork(program, [part, '--config', join(dir, 'countersign.yaml')], {
    // Elsewhere, so that only what is done to its files names the folder.
    cwd: '/',
    execPath,
    execArgv,
    env: { ...process.env, ...ONE_POOL_THREAD, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  })
  let stderr = ''
  child.stderr?.on('data', (piece: Buffer) => (stderr += piece.toString()))
  // A process that neither works nor ends has failed, and must not be waited for without end: it and strace above it.
  const late = setTimeout(() => {
    stderr += 'killed by the test: it did not end'
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, EXIT_TIMEOUT_MS)
  const exited = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => {
      clearTimeout(late)
      resolve({ code, stderr })
    })
  })
  const ready = new Promise<boolean>((resolve) => {
    child.once('message', () => resolve(true))
    void exited.then(() => resolve(false))
  })
  // The channel of a process that was killed breaks: its end is what counts.
  child.on('error', () => undefined)
  return {
    process: child,
    ready,
    exited,
    stop: () => {
      if (child.connected) child.send({ kind: 'stop' }, () => undefined)
    },
  }
}

/** A process that stopped by itself has said why: which file, and what to do. */
export function checkLastWords(
  { code, stderr }: { code: number | null; stderr: string },
  dir: string,
): void {
  assert.ok(code !== 0 && code !== null, `it ended with ${code} and said: ${stderr}`)
  assert.match(
    stderr,
    /^countersign: error: could not /m,
    `it ended with ${code} and said: ${stderr}`,
  )
  assert.ok(stderr.includes(dir), `it names no file: ${stderr}`)
  assert.match(stderr, /^countersign: hint: /m, `it does not say what to do: ${stderr}`)
}
