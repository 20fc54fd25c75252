/** The record of a read that is no request of its own: what a live stream is about to deliver. */
import { encodeAddendum } from '@countersign/record/encode'
import type { Draft } from '@countersign/record/leaf'
import type { ReadFacts, ReadStatement } from '@countersign/record/reading'
import { subjectOf } from '@countersign/record/subject'
import type { Addendum } from '@countersign/record/leaf'

/** Who reads, in what, and what they get. */
export interface Delivery {
  readonly id: string
  readonly nowNs: bigint
  /** The record id of the request that opened the stream. */
  readonly cause: string
  readonly actor: {
    readonly id: string
    readonly type: 'user' | 'service' | 'agent' | 'system' | 'anonymous' | 'unknown'
  }
  readonly facts: ReadFacts
  readonly statement: ReadStatement
  readonly environment: string | undefined
  readonly salt: Uint8Array
  /** The last day (UTC) on which why and what was asked is kept; absent: for ever. */
  readonly dropAfter?: string | undefined
}

/** Deliveries have an action of their own, by which live streams leave them out: two watchers would watch each other for ever. */
export const DELIVERY_ACTION = 'log.live'

export function deliveryDraft(delivery: Delivery): Draft {
  const { id, nowNs, cause, actor, facts, statement, environment, salt, dropAfter } = delivery
  return {
    leaf: {
      v: 1,
      id,
      class: 'read',
      action: DELIVERY_ACTION,
      crud: 'read',
      phase: 'single',
      outcome: 'success',
      ...(environment === undefined ? {} : { env: environment }),
      time: { occurred: String(nowNs) },
      cause: { id: cause, basis: 'declared' },
      actor,
      read: facts,
    },
    addenda: [readAddendum(statement, salt)],
    subject: subjectOf(actor.id, nowNs),
    ...(dropAfter === undefined ? {} : { dropAfter }),
  }
}

/** Why, and what was asked: sealed with the rest of what the record holds of the reader. */
export function readAddendum(statement: ReadStatement, salt: Uint8Array): Addendum {
  return encodeAddendum('read', { ...statement }, salt)
}
