/**
 * The operator: whoever can read the data folder, and with it the key that a process made for them at its start. Holds the digest of
 * that key, for as long as the process lives. An attacker who reads the folder is the operator; by this they are at least on record.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Actor } from '@countersign/record/vocabulary'
import { sha256 } from '../cryptography.ts'
import { fingerprintOf, provenActor, worthless } from './actors.ts'
import type { Naming } from './actors.ts'

/** The key of one boot, and under whose name its use is on record. */
export interface Operator {
  /** As `createOperatorKey` makes it. */
  readonly key: string
  /** Login name of whoever runs the process. */
  readonly name: string
}

const PREFIX = 'cso_'
const SECRET_BYTES = 32
const shape = /^cso_[A-Za-z0-9_-]{43}$/

/** A new key: `cso_` and 43 characters (base64url) of secret. */
export function createOperatorKey(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`
}

/** Whether a text presents itself as such a key. */
export function isOperatorKey(presented: string): boolean {
  return presented.startsWith(PREFIX)
}

export interface OperatorKeys {
  identify(presented: string): Actor
  /** Lets go of the actor it holds. */
  forget(): void
}

/** @param operator absent where nobody is let in so: every key is then an unknown one. */
export function knowOperator(operator: Operator | undefined, naming: Naming): OperatorKeys {
  const digest = operator === undefined ? undefined : sha256(Buffer.from(operator.key, 'latin1'))
  let actor: Actor | undefined
  return {
    forget() {
      actor = undefined
    },
    identify(presented) {
      const kind = 'operator_key'
      if (!shape.test(presented))
        return worthless(naming, { kind, secret: presented }, ['malformed'])
      if (
        operator === undefined ||
        digest === undefined ||
        !timingSafeEqual(sha256(Buffer.from(presented, 'latin1')), digest)
      )
        return worthless(naming, { kind, secret: presented }, ['unknown_key'])
      actor ??= provenActor(
        naming,
        { type: 'user', issuer: 'operator', name: operator.name, groups: [] },
        // It ends with the process, which no clock says beforehand.
        { kind, fingerprint: fingerprintOf(naming, presented), defects: ['no_exp'] },
      )
      return actor
    },
  }
}
