/**
 * The contract between capture and the journey: capture offers an exchange, the journey decides what
 * becomes of it. Capture never decides; the journey never touches a socket.
 */
import type { Addendum, Leaf } from '@countersign/record/leaf'
import type { ReadFacts } from '@countersign/record/reading'
import type { Captured, Decision, Peer } from '@countersign/record/vocabulary'

/** What became of a request, as far as capture could see. Bytes are body bytes; times are nanoseconds. */
export interface Observed {
  readonly outcome: 'success' | 'failure' | 'denied' | 'error'
  /** Machine-readable: `upstream_unreachable`, `client_gone`, `body_framing`, `metadata_address`... */
  readonly reason?: string
  readonly status?: number
  readonly requestBytes: number
  readonly responseBytes: number
  readonly durationNs: number
  readonly firstByteNs?: number
  readonly egress?: NonNullable<Leaf['egress']>
  /** Set when a later stage (the resolved address) overruled the decision that was forwarded on. */
  readonly overruled?: Decision
  /** Of a read of the log: as whom, and what was returned. */
  readonly read?: ReadFacts
  /** What this came of, where somebody said so: another record's id. */
  readonly cause?: NonNullable<Leaf['cause']>
  /** Headers and bodies, as deep as the decision asked for; what else is to be kept under the actor's key. */
  readonly addenda: readonly Addendum[]
}

/** An answer whose last byte has not been sent. Exactly one of `release` and `abort` is called, once. */
export interface Held {
  readonly observed: Observed
  /** Sends what was held back. */
  release(): void
  /** Destroys the client's connection: what it got must not look complete. */
  abort(): void
}

/** How the answer names its record: `countersign-record` and `countersign-leaf` response headers. */
export interface RecordReference {
  readonly id: string
  /** 0-based; absent where the intent is not awaited (bounded, best-effort). */
  readonly leafIndex?: number
}

/** One request that waits for a decision. */
export interface Exchange {
  readonly captured: Captured
  /**
   * Forwards exactly what `captured` says and streams the answer, all but its last byte (or, without a
   * body, its head). With `hold: false` nothing is held back and `release` is a no-op.
   * Never rejects: what goes wrong is in `observed`.
   */
  forward(decision: Decision, options: { record: RecordReference; hold: boolean }): Promise<Held>
  /** Prepares a refusal (401, 403, 404, 407) that says the decision's rule and reason; nothing is sent before `release`. */
  refuse(decision: Decision, record: RecordReference): Held
  /** Answers 503 with a reason at once; for a ledger that cannot write. */
  unavailable(reason: string): void
}

/** A request that could not be understood: never forwarded, answered 4xx, and recorded all the same. */
export interface Malformed {
  readonly id: string
  readonly direction: 'inbound' | 'egress'
  readonly occurredNs: bigint
  readonly peer: Peer
  /** Closed vocabulary, for example `duplicate_host`, `transfer_encoding`, `path_encoded_slash`. */
  readonly defect: string
  /** For people: what, where, and what to do. Holds no secret. */
  readonly explanation: string
  readonly status: number
  /** The request line as it came, cut at 1 KiB. Goes to the addendum. */
  readonly requestLine?: string
}

/** Walks one exchange through the write side; resolves when it is answered and on record. */
export type Journey = (exchange: Exchange) => Promise<void>

/** Puts a malformed request on record; capture answers after it resolves (or rejects). */
export type RecordMalformed = (malformed: Malformed) => Promise<void>
