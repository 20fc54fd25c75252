/** What the tests of sealing need: a folder of keys, a tenant key, drafts. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Draft } from '@countersign/record/leaf'
import { unwrapKey, wrapKey } from '../key-wrap.ts'
import type { TenantKey } from '../tenant-key.ts'

/** A tenant key that no file holds. */
export function newTenantKey(): TenantKey {
  const key = createSecretKey(randomBytes(32))
  return { wrap: (inner) => wrapKey(key, inner), unwrap: (wrapped) => unwrapKey(key, wrapped) }
}

export interface StateFolder extends AsyncDisposable {
  readonly stateDir: string
}

export async function stateFolder(): Promise<StateFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-seal-'))
  return {
    stateDir: join(folder, 'state'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

export const ALICE: string = 'a'.repeat(32)
export const BOB: string = 'b'.repeat(32)

/** A draft with these addenda, in the clear. */
export function draftOf(subject: string | undefined, ...contents: readonly Uint8Array[]): Draft {
  return {
    leaf: {
      v: 1,
      id: '019a0000-0000-7000-8000-000000000001',
      class: 'http.server',
      action: 'orders.read',
      phase: 'intent',
      time: { occurred: '1764072000000000000' },
    },
    addenda: contents.map((content, at) => ({ name: `part.${at}`, content })),
    ...(subject === undefined ? {} : { subject }),
  }
}
