/** API keys, in memory: from the text a client presents to an actor. */
import { timingSafeEqual } from 'node:crypto'
import type { Actor, CredentialDefect, CredentialKind } from '@countersign/record/vocabulary'
import { sha256 } from '../cryptography.ts'
import { fingerprintOf, provenActor, worthless } from './actors.ts'
import type { Naming, Subject } from './actors.ts'
import type { ApiKeyEntry } from './api-key-file.ts'

interface Held {
  readonly digest: Buffer
  readonly subject: Subject
  readonly expiresNs: bigint | undefined
  readonly isRevoked: boolean
  readonly notes: readonly CredentialDefect[]
  /** Made on first use: the fingerprint needs the secret. */
  actor: Actor | undefined
}

export interface ApiKeys {
  /** Judges a presented key at a time (nanoseconds since the epoch). */
  identify(presented: string, nowNs: bigint): Actor
  /** The subject a key id stands for; for credentials that come with a name of their own. */
  subjectOf(presented: string): string | undefined
  /** Lets go of the actors it holds. */
  forget(): void
}

const shape = /^csk_([a-z2-7]{8})_([A-Za-z0-9_-]{43})$/
const yearNs = 366n * 86_400_000_000_000n

/** An entry, and whom it stands for when that is not written in the entry itself. */
export interface KeyForSubject {
  readonly entry: ApiKeyEntry
  readonly subject: Subject
}

export function holdApiKeys(
  keys: readonly KeyForSubject[],
  naming: Naming,
  kind: CredentialKind,
): ApiKeys {
  const held = new Map<string, Held>()
  for (const { entry, subject } of keys) held.set(entry.id, hold(entry, subject))
  return {
    forget() {
      for (const key of held.values()) key.actor = undefined
    },
    subjectOf: (presented) => held.get(shape.exec(presented)?.[1] ?? '')?.subject.name,
    identify(presented, nowNs) {
      const [, id = '', secret = ''] = shape.exec(presented) ?? []
      const refuse = (defect: CredentialDefect): Actor =>
        worthless(naming, { kind, secret: presented }, [defect])
      if (id === '') return refuse('malformed')
      const key = held.get(id)
      if (key === undefined) return refuse('unknown_key')
      // Constant time, though only digests meet here: a digest can not be steered byte by byte either.
      const isRight = timingSafeEqual(sha256(Buffer.from(secret, 'latin1')), key.digest)
      if (!isRight) return refuse('bad_signature')
      if (key.isRevoked) return refuse('revoked')
      if (key.expiresNs !== undefined && nowNs >= key.expiresNs) return refuse('expired')
      key.actor ??= provenActor(naming, key.subject, {
        kind,
        fingerprint: fingerprintOf(naming, presented),
        ...(key.expiresNs === undefined
          ? undefined
          : { expires: Number(key.expiresNs / 1_000_000_000n) }),
        defects: key.notes,
      })
      return key.actor
    },
  }
}

function hold(entry: ApiKeyEntry, subject: Subject): Held {
  const createdNs = BigInt(Date.parse(entry.created)) * 1_000_000n
  const expiresNs =
    entry.expires === undefined ? undefined : BigInt(Date.parse(entry.expires)) * 1_000_000n
  const notes: CredentialDefect[] = []
  if (expiresNs === undefined) notes.push('no_exp')
  else if (expiresNs - createdNs > yearNs) notes.push('long_lived')
  return {
    digest: Buffer.from(entry.sha256, 'hex'),
    subject,
    expiresNs,
    isRevoked: entry.revoked !== undefined,
    notes,
    actor: undefined,
  }
}
