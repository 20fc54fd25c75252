/** One request's journey. The order is the guarantee: nothing is forwarded that is not already recorded. */
import type {
  AcknowledgementLevel,
  Actor,
  Captured,
  Decision,
  Receipt,
} from '@countersign/record/vocabulary'
import type { Draft } from '@countersign/record/leaf'
import type { Exchange, Held, Malformed, Observed, RecordReference } from './capture.ts'
import type { Losses } from './journey/losses.ts'
import type { OpenIntents } from './journey/open-intents.ts'
import type { Transcriber } from './journey/transcriber.ts'

export { openLosses, type Losses } from './journey/losses.ts'
export { openOpenIntents, type OpenIntents } from './journey/open-intents.ts'
export {
  openTranscriber,
  type Transcriber,
  type TranscriberOptions,
} from './journey/transcriber.ts'
export { unfinished } from './journey/unfinished.ts'

/** The rooms as the journey sees them; `gateway.ts` builds them. */
export interface Rooms {
  identify(captured: Captured): Actor | Promise<Actor>
  decide(actor: Actor, captured: Captured): Decision
  /** Resolves when the record has reached `level` (D0 by default); `onLevel` hears of each, D0 also after a rejection. */
  append(draft: Draft, options?: AppendRequest): Promise<Receipt>
  /** What a rejected append means for the request that waited for it. */
  whyUnavailable(cause: unknown): Failure
  /** False once the promise of mode bounded is broken: the ledger has been silent for longer than it may. */
  withinBound(): boolean
  /** Resolves when bounded records are no longer waiting longer than promised. */
  pressure(): Promise<void> | undefined
  readonly write: Transcriber
  readonly open: OpenIntents
  readonly losses: Losses
  /** Told of each finished request: the canonical log line and the metrics. */
  finished(summary: Summary): void
}

/** How one record is appended. */
export interface AppendRequest {
  readonly level?: AcknowledgementLevel
  readonly onLevel?: (receipt: Receipt) => void
}

/** What a canonical log line says. */
export interface Summary {
  readonly captured: Captured
  readonly actor: Actor
  readonly decision: Decision
  readonly held?: Held
  readonly leafIndex?: number
  /** The level that the intent had reached when the request was forwarded. */
  readonly level?: AcknowledgementLevel
  readonly failure?: Failure
  /** What was thrown, for the log. */
  readonly cause?: unknown
}

export async function journey(exchange: Exchange, rooms: Rooms): Promise<void> {
  const { captured } = exchange
  let actor: Actor
  try {
    // Bad credentials do not throw: an unknown actor is still an actor, and is recorded as one.
    const identified = rooms.identify(captured)
    actor = identified instanceof Promise ? await identified : identified
  } catch (cause) {
    // Only a new pseudonym that cannot be stored ends here: nobody passes without one.
    const decision = rooms.decide(nobodyKnown, captured)
    failClosed({ exchange, actor: nobodyKnown, decision }, rooms, {
      failure: 'identity_unavailable',
      cause,
    })
    return
  }
  const decision = rooms.decide(actor, captured)
  if (decision.mode === 'strict') return walkStrictly({ exchange, actor, decision }, rooms)
  return walkAhead({ exchange, actor, decision }, rooms)
}

interface Walk {
  readonly exchange: Exchange
  readonly actor: Actor
  readonly decision: Decision
}

/**
 * Intent durable before a byte is forwarded, and signed or witnessed where policy says so; outcome durable before the last byte
 * is answered.
 */
async function walkStrictly(walk: Walk, rooms: Rooms): Promise<void> {
  const { exchange, actor, decision } = walk
  const { captured } = exchange
  // A refusal forwards nothing, so it waits for no more than to be durable.
  const level = decision.allowed ? decision.acknowledge : 'D0'
  let receipt: Receipt
  try {
    receipt = await rooms.append(rooms.write.intent(captured, actor, decision), {
      level,
      onLevel: (reached) => {
        if (reached.level === 'D0') rooms.open.began(captured.id, reached.leafIndex)
      },
    })
  } catch (cause) {
    // Nothing was forwarded. The attempt is on record or may still reach the log late, so its refusal follows it there.
    failClosed(walk, rooms, { failure: rooms.whyUnavailable(cause), cause })
    return
  }
  // From here on the attempt is on record, even if we crash before it happens.
  const record: RecordReference = { id: captured.id, leafIndex: receipt.leafIndex }
  const held = decision.allowed
    ? await exchange.forward(decision, { record, hold: true })
    : exchange.refuse(decision, record)
  try {
    await outcomeDurable(
      rooms.write.outcome({ captured, actor, decision, observed: held.observed }),
      rooms,
      { level, ended: () => rooms.open.ended(captured.id) },
    )
  } catch (cause) {
    // What the client has must not look complete: its outcome is not on record yet.
    held.abort()
    rooms.losses.note(cause)
    rooms.finished({ captured, actor, decision, held, failure: 'ledger_unavailable', cause })
    return
  }
  held.release()
  rooms.finished({
    captured,
    actor,
    decision,
    held,
    leafIndex: receipt.leafIndex,
    level: receipt.level,
  })
}

/** Waits until the outcome is durable. It climbs on to the level of its route by itself: the answer does not wait for that. */
function outcomeDurable(
  draft: Draft,
  rooms: Rooms,
  { level, ended }: { level: AcknowledgementLevel; ended: () => void },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onLevel = (reached: Receipt): void => {
      if (reached.level !== 'D0') return
      ended()
      resolve()
    }
    // Once it is durable a rejection changes nothing here: why it is not witnessed is in the status of the ledger.
    rooms.append(draft, { level, onLevel }).catch(reject)
  })
}

/** Modes bounded and best-effort: one record, written behind the answer. */
async function walkAhead(walk: Walk, rooms: Rooms): Promise<void> {
  const { exchange, actor, decision } = walk
  const { captured } = exchange
  if (decision.mode === 'bounded') {
    await rooms.pressure()
    if (!rooms.withinBound()) {
      failClosed(walk, rooms, { failure: 'ledger_unavailable' })
      return
    }
  }
  const record: RecordReference = { id: captured.id }
  const held = decision.allowed
    ? await exchange.forward(decision, { record, hold: false })
    : exchange.refuse(decision, record)
  const draft = rooms.write.single({ captured, actor, decision, observed: held.observed })
  // Not awaited on the request's clock: a loss is counted, and the count becomes a record.
  rooms.append(draft).catch((cause: unknown) => rooms.losses.note(cause))
  held.release()
  rooms.finished({ captured, actor, decision, held })
}

/** Why nothing was forwarded although nobody refused. */
export type Failure =
  | 'ledger_unavailable'
  | 'signer_unavailable'
  | 'witnesses_unavailable'
  | 'identity_unavailable'

const nobodyKnown: Actor = {
  id: 'unknown',
  type: 'unknown',
  name: '',
  groups: [],
  credential: { kind: 'none', defects: [] },
}

function unavailable(reason: Failure): Observed {
  const none = { requestBytes: 0, responseBytes: 0, durationNs: 0, addenda: [] }
  return { outcome: 'error', reason, status: 503, ...none }
}

interface Closing {
  readonly failure: Failure
  /** What was thrown, when something was. */
  readonly cause?: unknown
}

/** Answers 503 and puts the refusal behind the attempt, to be written as soon as the ledger can. */
function failClosed(walk: Walk, rooms: Rooms, { failure, cause }: Closing): void {
  const { exchange, actor, decision } = walk
  const { captured } = exchange
  exchange.unavailable(failure)
  const observed = unavailable(failure)
  const intentWaits = rooms.losses.isWaiting(cause)
  const draft = intentWaits
    ? rooms.write.outcome({ captured, actor, decision, observed })
    : rooms.write.single({ captured, actor, decision, observed })
  rooms
    .append(draft, { onLevel: () => rooms.open.ended(captured.id) })
    .catch((later: unknown) => rooms.losses.note(later))
  rooms.finished({ captured, actor, decision, failure, cause })
}

/** Puts a request that could not be understood on record. Rejects when the ledger cannot take it. */
export async function recordMalformed(malformed: Malformed, rooms: Rooms): Promise<void> {
  try {
    await rooms.append(rooms.write.malformed(malformed))
  } catch (cause) {
    rooms.losses.note(cause)
    throw cause
  }
}
