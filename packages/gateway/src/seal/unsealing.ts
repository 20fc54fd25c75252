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
import type { KeyStore, KeyStoreOptions } from './key-store.ts'
import { joinKeys, unwrapKey } from './key-wrap.ts'

/** A sealed addendum and its place: `ordinal` is from 0 within its record. */
export interface SealedPlace {
  readonly content: Uint8Array
  readonly envelope: Uint8Array
  readonly leaf: Pick<Leaf, 'id' | 'phase'>
  readonly ordinal: number
}

/** Why an addendum opens no more: its subject was `erased`, or what was kept up to `period` is `expired`. `record` says so. */
type Gone =
  | { readonly state: 'erased'; readonly record: number }
  | { readonly state: 'expired'; readonly record: number; readonly period: string }
  | { readonly state: 'sealed'; readonly why: string }

/** The key of one addendum alone: who is given it opens that one, and no other. */
export type AddendumKey = { readonly state: 'here'; readonly key: Uint8Array } | Gone

/** What came of opening an addendum. */
export type Unsealed = { readonly state: 'open'; readonly content: Uint8Array } | Gone

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
  const wrappingKey = (of: Envelope): WrappingKey => {
    if (store === undefined) return noKey
    if (store.changed()) cache.clear()
    const cached = of.period === undefined ? of.subject : `${of.subject} ${of.period}`
    const known = cache.get(cached)
    if (known !== undefined) return { state: 'here', key: known }
    const found = findWrappingKey(store, of)
    if (found.state === 'here') cache.set(cached, found.key)
    return found
  }
  const keyOf = (envelope: Uint8Array): AddendumKey => {
    const read = readEnvelope(envelope)
    if (read === undefined) return { state: 'sealed', why: 'its envelope is malformed' }
    const found = tenantAllowing(() => wrappingKey(read))
    if (found.state !== 'here') return found
    const key = unwrapKey(found.key, read.wrappedKey)
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

/** What wraps the key of an addendum, or why that cannot be had any more. */
type WrappingKey = { readonly state: 'here'; readonly key: KeyObject } | Gone

const noKey = { state: 'sealed', why: 'no key of its subject is here' } as const

/** The person comes first: who was erased is gone, however long their content would have been kept. */
function findWrappingKey(
  store: KeyStore,
  { subject, period }: Pick<Envelope, 'subject' | 'period'>,
): WrappingKey {
  const of = store.find(subject)
  if (of.state === 'destroyed') return { state: 'erased', record: of.record }
  if (period === undefined) return of.state === 'here' ? of : noKey
  const upTo = store.findPeriod(period)
  if (upTo.state === 'destroyed') return { state: 'expired', record: upTo.record, period }
  if (of.state === 'unknown') return noKey
  if (upTo.state === 'unknown') return { state: 'sealed', why: 'no key of its period is here' }
  return { state: 'here', key: joinKeys(of.key, upTo.key) }
}

/** Who holds another tenant's key is told that things are sealed, not that the store is broken. */
function tenantAllowing(find: () => WrappingKey): WrappingKey {
  try {
    return find()
  } catch (error) {
    if (error instanceof SealError && error.code === 'SEAL_TENANT_MISMATCH') return noKey
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
