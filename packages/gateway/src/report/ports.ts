/**
 * What the API needs of others: the reader process hands it in. Rooms do not import each other, so the shapes stand here in the words
 * of packages/record. Errors with a `code` of the search room (`SEARCH_*`) may be thrown by any of them; all others are internal.
 */
import type {
  AggregateRequest,
  Asking,
  Completion,
  Filter,
  Group,
  Page,
  PageRequest,
  Question,
} from '@countersign/record/question'
import type { ReadAccess, ReadFacts, ReadStatement } from '@countersign/record/reading'
import type { Transaction } from '@countersign/record/transaction'
import type { Actor } from '@countersign/record/vocabulary'
import type { Clock } from '../platform.ts'

/** Who reads, as identity knows them. */
export type ReadingActor = Pick<Actor, 'id' | 'name' | 'type' | 'groups'>

/** One request, as the reader's journey let it through. */
export interface ReadContext {
  /** Id of the record of this request: its intent is durable when the API hears of it. */
  readonly record: string
  readonly actor: ReadingActor
  /** What policy grants this actor. Empty: everything below `/v1` is refused. */
  readonly accesses: readonly ReadAccess[]
  /**
   * What the outcome record says of this read. Called exactly once for every answer below `/v1` to whoever holds an access, refusals
   * included (0 rows), and always before the end of the body.
   * @param cause record id for `cause` of the outcome: an approval names the unmasking that it approves.
   */
  said(facts: ReadFacts, statement: ReadStatement, cause?: string): void
}

/** The index, as far as the API asks it. */
export interface ReadIndex {
  search(page: PageRequest, asking: Asking): Promise<Page>
  /** By record id; a transaction outside the scope of the asking is not found. */
  find(which: { readonly id: string }, asking: Asking): Promise<Transaction | undefined>
  aggregate(request: AggregateRequest, asking: Asking): Promise<readonly Group[]>
  count(question: Question, asking: Asking): Promise<number>
}

/** The filter language. */
export interface Language {
  /** @throws `SEARCH_SYNTAX` with `at` */
  parse(text: string): Question
  /** How a filter is written. `parse` of it gives that filter back. */
  print(filter: Filter): string
  /** @param at where the cursor stands in the text, in characters from 0 */
  complete(text: string, at: number, asking: Asking): Promise<readonly Completion[]>
  matches(question: Question, transaction: Transaction): boolean
}

/** What proves one record to strangers. */
export interface ProvenRecord {
  /** As `countersign prove` writes it: C2SP tlog-proof, with the checkpoint. */
  readonly proof: string
  /** The exact bytes that are hashed into the tree. */
  readonly entry: Uint8Array
}

/** How far the reader is with one log. */
export interface LogStatus {
  readonly origin: string
  /** 0-based; the next entry to read. */
  readonly next: number
  /** Size of the log's last checkpoint that was seen and verified; absent before the first. */
  readonly size?: number
  /** How long ago the oldest entry that is not indexed yet was covered by a checkpoint; 0 when all are read. */
  readonly lagMs: number
  /** For people: why reading it stopped. Written for readers: no path, no address. */
  readonly problem?: string
  /** Verifier key of the log, for whoever checks proofs. */
  readonly vkey: string
}

/** The logs that are read, in the order of the configuration: their place in it is `n` of `/v1/logs/{n}`. */
export interface Logs {
  status(): Promise<readonly LogStatus[]>
  /** @returns undefined while no checkpoint covers that record */
  prove(origin: string, index: number): Promise<ProvenRecord | undefined>
  /** A file of the published log: `checkpoint`, `tile/...`. The path was checked. @returns undefined where there is none */
  file(origin: string, path: string): Promise<Uint8Array | undefined>
}

/** A question that readers share. */
export interface SavedQuestion {
  readonly name: string
  readonly text: string
  readonly about?: string
  /** Pseudonym of who saved it. */
  readonly by: string
  /** When it was saved: nanoseconds since the epoch, decimal. */
  readonly time: string
}

/** Where saved questions lie. No log holds them: what lies here is no evidence. */
export interface SavedQuestions {
  list(): Promise<readonly SavedQuestion[]>
  save(question: SavedQuestion): Promise<void>
  remove(name: string): Promise<void>
}

/** A read of its own within a request that goes on: one delivery of a live stream. */
export interface Delivery {
  /** Record id of the request that it belongs to: the record's `cause`. */
  readonly cause: string
  readonly actor: ReadingActor
  readonly facts: ReadFacts
  readonly statement: ReadStatement
}

/** Everything the API stands on. */
export interface ReportPorts {
  readonly index: ReadIndex
  readonly language: Language
  /** Puts the transactions of a trace in order: each step with its `transaction` and its place. */
  trailOf(trace: string, transactions: readonly Transaction[]): TrailShape
  readonly logs: Logs
  /** The log that this reader itself writes to: an unmasking counts only where it is on record there. */
  readonly origin: string
  /** Transactions that ended, as they are indexed, all logs and services; ends when `signal` is aborted. Order: as indexed. */
  live(signal: AbortSignal): AsyncIterable<Transaction>
  readonly questions: SavedQuestions
  /** Reads (class `read`) whose record lists one of these records, or any record of a subject; newest first. */
  readsOf(which: WhoRead, page: { readonly limit: number; readonly cursor?: string }): Promise<Page>
  /** Appends a record of class `read`, action `log.live`. Resolves when it is durable; when it rejects, nothing is delivered. */
  recordRead(delivery: Delivery): Promise<void>
  readonly clock: Clock
  /** Resolves after `ms`, or at once when `signal` is aborted. Never rejects. */
  pause(ms: number, signal: AbortSignal): Promise<void>
  /** An error that the reader of the log is not told: for the process's own log. */
  failed(error: unknown, record: string): void
}

/** What a question of who read is about. `records` are leaf indexes of one log. */
export type WhoRead =
  | { readonly kind: 'record'; readonly origin: string; readonly records: readonly number[] }
  | { readonly kind: 'subject'; readonly subject: string }

/** A trail, as the trace room makes it. */
export interface TrailShape {
  readonly trace: string
  readonly steps: readonly {
    readonly transaction: Transaction
    readonly depth: number
    readonly basis: 'cause' | 'span' | 'none'
  }[]
}
