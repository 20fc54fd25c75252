/**
 * Records become transactions: an intent and its outcome are joined by their id, and what stands alone is a row of its own. Pure: the
 * rows of a log follow from its records and their order alone, wherever the batches end.
 *
 * Each record is in exactly one row, and each ended row stands at the leaf of a record of its batch:
 * - an intent waits, as an open row, until its outcome comes;
 * - an outcome takes the intent that waits under its id; without one, it is a row that says what the outcome alone does;
 * - an intent whose id already waits is a row of its own at once, `reason` `id_used_twice`: the first keeps its place;
 * - anything else is a row of its own.
 */
import type { Leaf } from '@countersign/record/leaf'
import type { Transaction } from '@countersign/record/transaction'
import { factsOf } from './facts.ts'
import type { Fields } from './facts.ts'
import { revealedBy, worseContent } from './revealed.ts'
import type { RecordAddendum } from './revealed.ts'

/** One record of a log, verified, with its addenda as far as they could be opened. */
export interface LogRecord {
  /** Leaf index, 0-based. */
  readonly index: number
  readonly leaf: Leaf
  readonly addenda: readonly RecordAddendum[]
}

/** A record as a transaction of its own. */
export interface Joinable {
  readonly phase: Leaf['phase']
  readonly transaction: Transaction
}

/** What an intent that shares its id with one that waits says of itself. */
export const ID_USED_TWICE = 'id_used_twice'

/** Reads one record of a log. */
export function joinable(origin: string, { index, leaf, addenda }: LogRecord): Joinable {
  const facts = factsOf(leaf)
  const transaction = {
    ...facts,
    ...revealedBy(addenda),
    origin,
    index,
    id: leaf.id,
    time: facts.time ?? '0',
  }
  if (leaf.phase !== 'intent') return { phase: leaf.phase, transaction }
  return { phase: 'intent', transaction: { ...transaction, outcome: 'open' } }
}

/** The intents that wait, by record id. */
export interface OpenIntents {
  get(id: string): Transaction | undefined
  set(id: string, intent: Transaction): unknown
  delete(id: string): unknown
}

/** Takes the next record of a log. `waiting` changes. @returns the row that ended, if one did */
export function join(
  { phase, transaction }: Joinable,
  waiting: OpenIntents,
): Transaction | undefined {
  const { id } = transaction
  const intent = waiting.get(id)
  if (phase === 'intent') {
    if (intent !== undefined) return { ...transaction, reason: ID_USED_TWICE }
    waiting.set(id, transaction)
    return undefined
  }
  if (phase === 'single' || intent === undefined) return transaction
  waiting.delete(id)
  return joined(intent, transaction)
}

/** What only an outcome knows. Of all else the intent was there first, and is believed where the two contradict. */
const OF_THE_OUTCOME: readonly (keyof Fields)[] = [
  'ended',
  'outcome',
  'reason',
  'severity',
  'status',
  'request.bytes',
  'response.bytes',
  'duration',
  'first_byte',
  'pinned',
  'resolved',
  'sni',
  'tls',
  'payload.type',
  'payload.bytes',
  'payload.keys',
  // It repeats the decision only where a later stage overruled it.
  'allowed',
  'rule',
  'decision',
  'policy',
  'would_deny',
  'mode',
  'read.role',
  'read.rows',
  'read.unmasked',
]

function joined(intent: Transaction, outcome: Transaction): Transaction {
  const endings: Record<string, unknown> = {}
  for (const field of OF_THE_OUTCOME) {
    if (outcome[field] !== undefined) endings[field] = outcome[field]
  }
  return {
    ...outcome,
    ...intent,
    ...endings,
    ...textsOfBoth(intent, outcome),
    outcome: outcome.outcome ?? 'unknown',
    origin: intent.origin,
    index: outcome.index,
    intent: intent.index,
  }
}

/** Headers and bodies are of both halves, and each record holds its own. */
function textsOfBoth(intent: Transaction, outcome: Transaction): Fields {
  const texts: Record<string, string> = {
    content: worseContent(intent.content ?? 'none', outcome.content ?? 'none'),
  }
  for (const field of ['headers', 'body'] as const) {
    const both = [intent[field], outcome[field]].filter((each) => each !== undefined)
    if (both.length > 0) texts[field] = both.join('\n')
  }
  return texts
}
