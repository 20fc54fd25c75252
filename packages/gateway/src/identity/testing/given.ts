/** A folder, a clock and a configuration for the tests of this room. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Captured } from '@countersign/record/vocabulary'
import type { LoadedConfig } from '../../config.ts'
import { configSchema } from '../../config/schema.ts'
import type { Clock } from '../../platform.ts'
import { openIdentity } from '../open.ts'
import type { Operator } from '../operator.ts'
import type { Identity } from '../open.ts'

/** A clock that stands still until it is moved. */
export interface MovableClock extends Clock {
  moveMs(ms: number): void
}

export function givenClock(startMs: number = Date.now()): MovableClock {
  let movedNs = 0n
  return {
    nowNs: () => BigInt(startMs) * 1_000_000n + movedNs,
    monotonicNs: () => movedNs,
    moveMs(ms) {
      movedNs += BigInt(ms) * 1_000_000n
    },
  }
}

export async function givenFolder(): Promise<{
  path: string
  [Symbol.asyncDispose](): Promise<void>
}> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-identity-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

export function givenLoaded(folder: string, parts: Record<string, unknown>): LoadedConfig {
  const config = configSchema.parse({
    origin: 'audit.example.com/test',
    signer: { key: 'signer.key', state: 'signer.state' },
    sequencer: { key: 'sequencer.key' },
    fingerprintKey: 'fingerprint.key',
    listen: {},
    ...parts,
  })
  const path = join(folder, 'countersign.yaml')
  return {
    config,
    path,
    baseDir: folder,
    sha256: '',
    warnings: [],
    resolve: (relative) => resolve(folder, relative),
  }
}

/** The room, open on a folder of its own. */
export interface Room extends AsyncDisposable {
  readonly identity: Identity
  readonly clock: MovableClock
  readonly folder: string
}

export async function openRoom(
  parts: Record<string, unknown>,
  prepare: (folder: string) => Promise<void> = () => Promise.resolve(),
  operator?: Operator,
): Promise<Room> {
  const folder = await givenFolder()
  await prepare(folder.path)
  const clock = givenClock()
  const identity = await openIdentity({
    loaded: givenLoaded(folder.path, parts),
    clock,
    stateDir: join(folder.path, 'state'),
    fingerprintKey: new Uint8Array(32).fill(7),
    ...(operator === undefined ? {} : { operator }),
  })
  return {
    identity,
    clock,
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await identity.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

export interface Presenting {
  readonly authorization?: string
  readonly proxyAuthorization?: string
  readonly apiKey?: string
  readonly certificate?: Uint8Array
  readonly address?: string
  readonly direction?: Captured['direction']
  readonly occurredNs?: bigint
}

export function givenRequest({ certificate, ...parts }: Presenting, clock: Clock): Captured {
  const { authorization, proxyAuthorization, apiKey, address = '203.0.113.9' } = parts
  const tls = certificate === undefined ? undefined : { version: 'TLSv1.3', certificate }
  return {
    id: '019a0000-0000-7000-8000-000000000000',
    direction: parts.direction ?? 'inbound',
    kind: 'http',
    occurredNs: parts.occurredNs ?? clock.nowNs(),
    request: {
      method: 'GET',
      scheme: 'http',
      host: 'a',
      port: 80,
      path: '/',
      headers: [],
      body: { framing: 'none' },
    },
    trace: { id: '1'.repeat(32), span: '2'.repeat(16), flags: '01' },
    requestId: 'r-1',
    peer: { address, port: 1, ...(tls === undefined ? undefined : { tls }) },
    client: { address, chain: [] },
    presented: {
      ...(authorization === undefined ? undefined : { authorization }),
      ...(proxyAuthorization === undefined ? undefined : { proxyAuthorization }),
      ...(apiKey === undefined ? undefined : { apiKey }),
    },
  }
}
