/** What the ledger's tests need: keys, folders, drafts, and real processes to kill. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openIds } from '@countersign/record/id'
import type { Draft } from '@countersign/record/leaf'
import { formatSkey, formatVkey, keyId } from '@countersign/tlog/key'
import { ed25519PublicKey, sha256 } from '../../cryptography.ts'
import { systemClock } from '../../platform.ts'
import { createSignerState } from '../../witness.ts'
import type { SignerOptions } from '../../witness.ts'
import { createLog } from '../create.ts'
import type { LedgerOptions } from '../process.ts'

export const ORIGIN = 'log.example.com/test'

/** A key pair as texts. */
export function makeKey(name: string): { skey: string; vkey: string } {
  const seed = randomBytes(32)
  const publicKey = ed25519PublicKey(seed)
  const key = { name, type: 1, id: keyId({ name, type: 1, publicKey }, sha256) }
  return { skey: formatSkey({ ...key, seed }), vkey: formatVkey({ ...key, publicKey }) }
}

/** A new log and a new signer in a folder of their own, with the options to run both. */
export interface TestLog extends AsyncDisposable {
  readonly folder: string
  readonly dataDir: string
  readonly vkey: string
  readonly ledger: LedgerOptions
  readonly signer: SignerOptions & { readonly socketPath: string }
  /** Closes it before the folder goes, whatever becomes of the test; the last one first. */
  own<T extends { close(): Promise<void> }>(closable: T): T
}

export async function makeLog(options: Partial<LedgerOptions> = {}): Promise<TestLog> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-ledger-'))
  const dataDir = join(folder, 'data')
  const stateDir = join(folder, 'signer')
  const log = makeKey(ORIGIN)
  const sequencer = makeKey(`${ORIGIN}/sequencer`)
  const socketPath = join(folder, 'signer.sock')
  await createLog({ dataDir, origin: ORIGIN })
  await createSignerState({ stateDir, origin: ORIGIN })
  const owned: { close(): Promise<void> }[] = []
  return {
    own: (closable) => {
      owned.push(closable)
      return closable
    },
    folder,
    dataDir,
    vkey: log.vkey,
    ledger: {
      dataDir,
      origin: ORIGIN,
      sequencerKey: sequencer.skey,
      logVkey: log.vkey,
      signerSocket: socketPath,
      clock: systemClock,
      program: { version: '0.0.0', binary: '0'.repeat(64) },
      segmentBytes: 1024 * 1024,
      batchBytesMax: 128 * 1024,
      draftBytesMax: 512 * 1024,
      ...options,
    },
    signer: {
      key: log.skey,
      stateDir,
      sequencerVkey: sequencer.vkey,
      origin: ORIGIN,
      clock: systemClock,
      socketPath,
    },
    [Symbol.asyncDispose]: async () => {
      for (const closable of owned.toReversed()) await closable.close().catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const nextId = openIds({ nowMs: () => Number(systemClock.nowNs() / 1_000_000n) })

/** A draft whose leaf has about `bytes` bytes more than it must, and one addendum when content is given. */
export function makeDraft({
  bytes = 0,
  content,
}: { bytes?: number; content?: Uint8Array } = {}): Draft {
  return {
    leaf: {
      v: 1,
      id: nextId(),
      class: 'http.server',
      action: 'orders.read',
      phase: 'single',
      reason: 'r'.repeat(bytes),
      time: { occurred: String(systemClock.nowNs()) },
    },
    addenda: content === undefined ? [] : [{ name: 'request', content }],
  }
}

/** A process of ours, started and ready. */
export interface TestProcess {
  readonly child: ChildProcess
  readonly exited: Promise<{ code: number | null; stderr: string }>
  kill(): Promise<void>
  /** As `kill`, so that a test can own it. */
  close(): Promise<void>
}

/** Starts `ledger-main.ts`, `signer-main.ts` or `witness-main.ts` and waits until it listens; `under` is a command to run it under. */
export async function startProcess(
  kind: 'ledger' | 'signer' | 'witness',
  options: object,
  under: readonly string[] = [],
): Promise<TestProcess> {
  const room = kind === 'signer' ? '../../witness/testing' : '.'
  const main = fileURLToPath(new URL(`${room}/${kind}-main.ts`, import.meta.url))
  const [command, ...args] = [
    ...under,
    process.execPath,
    '--single-threaded-gc',
    '--heap-growing-percent=200',
    '-C',
    '@countersign/source',
    main,
  ] as const
  const child = spawn(command ?? process.execPath, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '8' },
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const exited = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stderr }))
  })
  child.stdin.end(JSON.stringify(options))
  const ready = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
  const early = exited.then(() => Promise.reject(new Error(`${kind} ended at start: ${stderr}`)))
  early.catch(() => undefined)
  await Promise.race([ready, early])
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  return { child, exited, kill, close: kill }
}
