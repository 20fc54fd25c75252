/**
 * Seals the addenda of drafts: each under a fresh key, that under its subject's and, where it is not kept for ever, its period's; those
 * under the tenant's. Holds the keys seen last; guarantees that a key which was destroyed seals nothing from the next turn of the
 * event loop on, and is forgotten within a second. Lost with this process: nothing, the store has the keys.
 */
import { createSecretKey, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { encodeEnvelope, envelopeHead, sealingContext } from '@countersign/record/envelope'
import type { Addendum, Draft } from '@countersign/record/leaf'
import { openRandom } from '@countersign/record/salt'
import { subjectOf } from '@countersign/record/subject'
import {
  sealChunked,
  SEALING_KEY_BYTES,
  SEALING_SALT_BYTES,
} from '@countersign/tlog/chunked-encryption'
import { sealPrimitives } from '../cryptography.ts'
import { Lru } from '../platform.ts'
import { openKeyStore } from './key-store.ts'
import type { KeyStore, KeyStoreOptions } from './key-store.ts'
import { joinKeys, wrapKey } from './key-wrap.ts'

export interface SealingOptions extends KeyStoreOptions {
  /** Keys of subjects, each with a period, kept in memory. */
  readonly keysCachedMax?: number
}

export interface Sealing {
  /**
   * The same draft with its addenda sealed; the leaf will name the digests of the ciphertexts. What belongs to an erased subject, or
   * to a period that is over, is sealed under a key that nobody keeps.
   * @throws {SealError} `SEAL_KEYS_UNAVAILABLE`, `SEAL_TENANT_MISMATCH`: nothing was sealed, and nothing may be recorded in clear.
   */
  seal(draft: Draft): Draft
  close(): void
}

/** About 10 MB. */
const KEYS_CACHED_MAX = 50_000
/** An idle gateway looks so often whether a key that it still holds was destroyed. */
const LOOK_INTERVAL_MS = 1_000

/** @throws {SealError} */
export async function openSealing(options: SealingOptions): Promise<Sealing> {
  const store = await openKeyStore(options)
  const keys = openKeys(store, options.keysCachedMax ?? KEYS_CACHED_MAX)
  const random = openRandom()
  return {
    seal(draft) {
      if (draft.addenda.length === 0) return draft
      const { leaf } = draft
      // Nothing leaves in clear for want of a subject.
      const subject = draft.subject ?? subjectOf('unknown', BigInt(leaf.time.occurred))
      const under = keys.keyFor(subject, draft.dropAfter)
      const addenda = draft.addenda.map((addendum, ordinal) =>
        sealAddendum(addendum, { under, context: sealingContext(leaf, ordinal), random }),
      )
      return { ...draft, addenda }
    },
    close() {
      keys.close()
      store.close()
    },
  }
}

/** What wraps the keys of a subject's addenda that are kept up to the same day, and what their envelopes begin with. */
interface WrappingKey {
  readonly key: KeyObject
  readonly head: Uint8Array
}

interface Under {
  readonly under: WrappingKey
  readonly context: Uint8Array
  readonly random: (count: number) => Uint8Array
}

function sealAddendum({ name, content }: Addendum, { under, context, random }: Under): Addendum {
  const key = random(SEALING_KEY_BYTES)
  const salt = random(SEALING_SALT_BYTES)
  const sealed = sealChunked(content, { key, salt, context }, sealPrimitives)
  const envelope = encodeEnvelope(under.head, wrapKey(under.key, key))
  key.fill(0)
  return { name, content: sealed, envelope }
}

interface Keys {
  keyFor(subject: string, period: string | undefined): WrappingKey
  close(): void
}

function openKeys(store: KeyStore, cachedMax: number): Keys {
  const cache = new Lru<string, WrappingKey>(cachedMax)
  let hasLooked = false
  const look = (): void => {
    if (store.changed()) cache.clear()
  }
  // Once a turn: what another process commits while this one runs cannot be earlier or later than it anyway.
  const lookOnce = (): void => {
    if (hasLooked) return
    look()
    hasLooked = true
    setImmediate(() => {
      hasLooked = false
    })
  }
  const timer = setInterval(look, LOOK_INTERVAL_MS).unref()
  return {
    keyFor(subject, period) {
      lookOnce()
      const cached = period === undefined ? subject : `${subject} ${period}`
      const known = cache.get(cached)
      if (known !== undefined) return known
      const key = keyIn(store, subject, period)
      const head = envelopeHead(subject, period)
      // A request that began before its subject was erased, or its period was over: its outcome stays on record, and nobody opens it.
      if (key === undefined) return { key: createSecretKey(randomBytes(SEALING_KEY_BYTES)), head }
      const made = { key, head }
      cache.set(cached, made)
      return made
    },
    close: () => clearInterval(timer),
  }
}

/** Undefined when a key that it takes was destroyed. */
function keyIn(
  store: KeyStore,
  subject: string,
  period: string | undefined,
): KeyObject | undefined {
  const of = store.findOrCreate(subject)
  if (of.state !== 'here' || period === undefined) return of.state === 'here' ? of.key : undefined
  const upTo = store.findOrCreatePeriod(period)
  return upTo.state === 'here' ? joinKeys(of.key, upTo.key) : undefined
}
