/** Opens sealed addenda for those who have the tenant's key: reads, and changes nothing. */
import type { KeyObject } from 'node:crypto'
import { decodeEnvelope, sealingContext } from '@countersign/record/envelope'
import type { Envelope } from '@countersign/record/envelope'
import { RecordError } from '@countersign/record/errors'
import type { Leaf } from '@countersign/record/leaf'
import { openChunked } from '@countersign/tlog/chunked-encryption'
import { TlogError } from '@countersign/tlog/errors'
import { sealPrimitives } from '../cryptography.ts'
import { Lru } from '../platform.ts'
import { SealError } from './errors.ts'
import { openKeyStoreForReading } from './key-store.ts'
import type { KeyStoreOptions, SubjectKey } from './key-store.ts'
import { unwrapKey } from './key-wrap.ts'

/** A sealed addendum and its place: `ordinal` is from 0 within its record. */
export interface SealedPlace {
  readonly content: Uint8Array
  readonly envelope: Uint8Array
  readonly leaf: Pick<Leaf, 'id' | 'phase'>
  readonly ordinal: number
}

/** The key of one addendum alone: who is given it opens that one, and no other. `record` is the leaf index of the erasure. */
export type AddendumKey =
  | { readonly state: 'here'; readonly key: Uint8Array }
  | { readonly state: 'erased'; readonly record: number }
  | { readonly state: 'sealed'; readonly why: string }

/** What came of opening an addendum. */
export type Unsealed =
  | { readonly state: 'open'; readonly content: Uint8Array }
  | { readonly state: 'erased'; readonly record: number }
  | { readonly state: 'sealed'; readonly why: string }

export interface Unsealing {
  /** @throws {SealError} when the store cannot be read */
  keyOf(envelope: Uint8Array): AddendumKey
  /** Whoever calls has compared the ciphertext with its digest. @throws {SealError} when the store cannot be read */
  open(place: SealedPlace): Unsealed
  close(): void
}

const KEYS_CACHED_MAX = 10_000

/** @throws {SealError} `SEAL_KEYS_UNAVAILABLE` */
export function openUnsealing(options: KeyStoreOptions): Unsealing {
  const store = openKeyStoreForReading(options)
  const cache = new Lru<string, KeyObject>(KEYS_CACHED_MAX)
  const subjectKey = (subject: string): SubjectKey => {
    if (store === undefined) return { state: 'unknown' }
    if (store.changed()) cache.clear()
    const key = cache.get(subject)
    if (key !== undefined) return { state: 'here', key }
    const found = store.find(subject)
    if (found.state === 'here') cache.set(subject, found.key)
    return found
  }
  const keyOf = (envelope: Uint8Array): AddendumKey => {
    const read = readEnvelope(envelope)
    if (read === undefined) return { state: 'sealed', why: 'its envelope is malformed' }
    const { subject, wrappedKey } = read
    const found = tenantAllowing(() => subjectKey(subject))
    if (found.state === 'destroyed') return { state: 'erased', record: found.record }
    if (found.state === 'unknown') return { state: 'sealed', why: 'no key of its subject is here' }
    const key = unwrapKey(found.key, wrappedKey)
    return key === undefined
      ? { state: 'sealed', why: 'its envelope is not under the key of its subject' }
      : { state: 'here', key }
  }
  return {
    keyOf,
    open({ content, envelope, leaf, ordinal }) {
      const found = keyOf(envelope)
      if (found.state !== 'here') return found
      const context = sealingContext(leaf, ordinal)
      try {
        const opened = openChunked(content, { key: found.key, context }, sealPrimitives)
        return { state: 'open', content: opened }
      } catch (error) {
        if (!(error instanceof TlogError)) throw error
        return { state: 'sealed', why: error.message }
      }
    },
    close: () => store?.close(),
  }
}

/** Who holds another tenant's key is told that things are sealed, not that the store is broken. */
function tenantAllowing(find: () => SubjectKey): SubjectKey {
  try {
    return find()
  } catch (error) {
    if (error instanceof SealError && error.code === 'SEAL_TENANT_MISMATCH')
      return { state: 'unknown' }
    throw error
  }
}

/** Attacker-controlled: what lies in a pack beside a ciphertext is covered by no digest. */
function readEnvelope(envelope: Uint8Array): Envelope | undefined {
  try {
    return decodeEnvelope(envelope)
  } catch (error) {
    if (!(error instanceof RecordError)) throw error
    return undefined
  }
}
