/** How a proof, or the lack of one, becomes an `Actor`. */
import { createHmac } from 'node:crypto'
import type {
  Actor,
  ActorType,
  Credential,
  CredentialDefect,
  CredentialKind,
} from '@countersign/record/vocabulary'
import type { Subjects } from './subjects.ts'

/** What every proof needs to name an actor. */
export interface Naming {
  readonly subjects: Subjects
  /** 32 random bytes: without them a fingerprint can not be tested against guesses. */
  readonly fingerprintKey: Uint8Array
}

/** Nobody, as a value. Shared by all: there is nobody to tell apart. */
export const anonymous: Actor = {
  id: 'anonymous',
  type: 'anonymous',
  name: '',
  groups: [],
  credential: { kind: 'none', defects: [] },
}

/** A subject that was proven. `issuer` is empty for names this installation gave itself. */
export interface Subject {
  readonly type: ActorType
  readonly issuer: string
  readonly name: string
  readonly email?: string
  readonly groups: readonly string[]
}

export function provenActor(naming: Naming, subject: Subject, credential: Credential): Actor {
  return {
    id: naming.subjects.pseudonym(JSON.stringify([subject.type, subject.issuer, subject.name])),
    type: subject.type,
    name: subject.name,
    ...(subject.email === undefined ? undefined : { email: subject.email }),
    groups: subject.groups,
    credential,
  }
}

/** An actor whose credential proves nothing. What it claimed is not repeated: nobody vouches for it. */
export function unknownActor(credential: Credential): Actor {
  return { id: 'unknown', type: 'unknown', name: '', groups: [], credential }
}

/** A credential of no worth, as it goes on record. */
export function worthless(
  naming: Naming,
  presented: { readonly kind: CredentialKind; readonly secret: string | Uint8Array },
  defects: readonly CredentialDefect[],
): Actor {
  const fingerprint = fingerprintOf(naming, presented.secret)
  return unknownActor({ kind: presented.kind, fingerprint, defects })
}

/** HMAC-SHA-256 (hex, first 128 bits): tells uses of one credential apart from another, and nothing else. */
export function fingerprintOf(naming: Naming, secret: string | Uint8Array): string {
  return createHmac('sha256', naming.fingerprintKey).update(secret).digest('hex').slice(0, 32)
}
