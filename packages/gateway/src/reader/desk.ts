/**
 * Where a request to the API waits between the journey, which knows who asks and what was decided, and the handler, which knows what
 * was shown. Holds requests under way; guarantees that a handler answers only what the journey let through, once, and that what it
 * says it showed is in the outcome's record. Lost with the process: the intents are on record, and the next boot ends them.
 */
import type { ReadAccess, ReadFacts, ReadStatement } from '@countersign/record/reading'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import type { Exchange, Held, Observed } from '../capture.ts'
import { readAddendum } from './read-draft.ts'

/** What the handler is told of a request. */
export interface Asked {
  /** The id of its record. */
  readonly record: string
  readonly actor: Actor
  readonly accesses: readonly ReadAccess[]
  /** Says what is shown, before the answer ends. Once. */
  said(facts: ReadFacts, statement: ReadStatement, cause?: string): void
}

interface Waiting {
  readonly captured: Captured
  readonly actor: Actor
  taken: boolean
  said?: { readonly facts: ReadFacts; readonly statement: ReadStatement; readonly cause?: string }
}

export interface DeskOptions {
  readonly accesses: (actor: Actor, nowNs: bigint) => readonly ReadAccess[]
  readonly decide: (actor: Actor, captured: Captured) => Decision
  readonly salt: () => Uint8Array
}

export class Desk {
  readonly #options: DeskOptions
  /** By our own span, which is in the head that the handler gets, and which nobody outside can guess. */
  readonly #waiting = new Map<string, Waiting>()

  constructor(options: DeskOptions) {
    this.#options = options
  }

  /** The decision of policy; whoever is let through waits here. */
  decide(actor: Actor, captured: Captured): Decision {
    const decision = this.#options.decide(actor, captured)
    if (decision.allowed) this.#waiting.set(captured.trace.span, { captured, actor, taken: false })
    return decision
  }

  /** The same exchange, whose outcome says what was read. */
  watch(exchange: Exchange): Exchange {
    const { captured } = exchange
    const { span } = captured.trace
    return {
      captured,
      forward: async (decision, options) => {
        try {
          const held = await exchange.forward(decision, options)
          return this.#withRead(held, span)
        } finally {
          this.#waiting.delete(span)
        }
      },
      refuse: (decision, record) => {
        this.#waiting.delete(span)
        return exchange.refuse(decision, record)
      },
      unavailable: (reason) => {
        this.#waiting.delete(span)
        exchange.unavailable(reason)
      },
    }
  }

  /** The request with this traceparent, which came through the journey and was not handled yet. */
  take(traceparent: string | null): Asked | undefined {
    const span = traceparent?.split('-')[2] ?? ''
    const waiting = this.#waiting.get(span)
    if (waiting === undefined || waiting.taken) return undefined
    waiting.taken = true
    const { captured, actor } = waiting
    return {
      record: captured.id,
      actor,
      accesses: this.#options.accesses(actor, captured.occurredNs),
      said(facts, statement, cause) {
        waiting.said = { facts, statement, ...(cause === undefined ? {} : { cause }) }
      },
    }
  }

  #withRead(held: Held, span: string): Held {
    const said = this.#waiting.get(span)?.said
    if (said === undefined) return held
    const observed: Observed = {
      ...held.observed,
      read: said.facts,
      ...(said.cause === undefined ? {} : { cause: { id: said.cause, basis: 'declared' } }),
      addenda: [...held.observed.addenda, readAddendum(said.statement, this.#options.salt())],
    }
    return { observed, release: () => held.release(), abort: () => held.abort() }
  }
}
