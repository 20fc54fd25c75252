/** Small builders for the tests of this room: a configuration, an actor, a captured request. */
import type { Actor, Captured } from '@countersign/record/vocabulary'
import { configSchema } from '../../config/schema.ts'
import type { Config } from '../../config/schema.ts'

export function givenConfig(parts: Record<string, unknown> = {}): Config {
  return configSchema.parse({
    origin: 'audit.example.com/test',
    signer: { key: 'signer.key', state: 'signer.state' },
    sequencer: { key: 'sequencer.key' },
    fingerprintKey: 'fingerprint.key',
    listen: {},
    ...parts,
  })
}

export function givenActor(parts: Partial<Actor> = {}): Actor {
  return {
    id: '0'.repeat(32),
    type: 'user',
    name: 'alice',
    groups: [],
    credential: { kind: 'jwt', defects: [] },
    ...parts,
  }
}

export const nobody: Actor = givenActor({
  type: 'anonymous',
  name: '',
  credential: { kind: 'none', defects: [] },
})

export const stranger: Actor = givenActor({
  type: 'unknown',
  name: '',
  credential: { kind: 'jwt', defects: ['expired'] },
})

/** 2026-11-22T12:00:00Z. */
export const noonNs = 1_795_348_800_000_000_000n

export interface RequestParts {
  readonly method?: string
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly scheme?: 'http' | 'https'
  readonly occurredNs?: bigint
  readonly direction?: Captured['direction']
  readonly kind?: Captured['kind']
}

export function givenRequest(parts: RequestParts = {}): Captured {
  const { method = 'GET', host = 'localhost', port = 80, path = '/', scheme = 'http' } = parts
  return {
    id: '019a0000-0000-7000-8000-000000000000',
    direction: parts.direction ?? 'inbound',
    kind: parts.kind ?? 'http',
    occurredNs: parts.occurredNs ?? noonNs,
    request: { method, scheme, host, port, path, headers: [], body: { framing: 'none' } },
    trace: { id: '1'.repeat(32), span: '2'.repeat(16), flags: '01' },
    requestId: 'r-1',
    peer: { address: '127.0.0.1', port: 40_000 },
    client: { address: '127.0.0.1', chain: [] },
    presented: {},
  }
}

/** A call out, by CONNECT to port 443 unless said otherwise. */
export function givenCall(host: string, parts: RequestParts = {}): Captured {
  return givenRequest({ direction: 'egress', kind: 'connect', port: 443, path: '', ...parts, host })
}
