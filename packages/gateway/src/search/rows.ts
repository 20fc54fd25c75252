/** The index as others see it: what is written to it, and what it answers. */
import type { LeafRun } from '@countersign/record/leaf-list'
import type { RetentionDrop } from '@countersign/record/retention'
import type { Transaction } from '@countersign/record/transaction'
import type {
  AggregateRequest,
  Asking,
  Group,
  Page,
  PageRequest,
  Question,
} from '@countersign/record/question'

/** Rows of one log, and how far it is read with them. All of it lands, or may be written again without a trace. */
export interface Batch {
  readonly origin: string
  /** 0-based; the next entry to read once this batch is in. */
  readonly next: number
  /** Transactions that ended, each with the day (UTC, `YYYY-MM-DD`) after which retention drops it; none: never. */
  readonly ended: readonly IndexedTransaction[]
  /** Intents of this batch whose outcome is not read yet. */
  readonly open: readonly IndexedTransaction[]
}

export interface IndexedTransaction {
  readonly transaction: Transaction
  readonly dropAfter?: string
}

/** How far the index is with a log. */
export interface IndexedLog {
  readonly origin: string
  /** 0-based; the next entry to read. */
  readonly next: number
  /** Records that the rows stand for: as many as were read. */
  readonly records: number
  readonly transactions: number
}

/** Rows that go together when their time has come. */
export interface Partition {
  /** The day (UTC) after which it goes; absent: never. */
  readonly dropAfter?: string
  readonly rows: number
  readonly bytes: number
}

/** The index, open. @throws {SearchError} from each */
export interface Index {
  /** The next entry to read of a log, from 0. */
  next(origin: string): Promise<number>
  /** Intents of a log that still wait for their outcome, for whoever reads on: all, oldest first, or those with these record ids. */
  waiting(origin: string, ids?: readonly string[]): Promise<readonly IndexedTransaction[]>
  write(batch: Batch): Promise<void>
  /** Empties what addenda revealed in the rows of these leaves; returns when no search finds it and no file of the index holds it. */
  erase(origin: string, leaves: readonly LeafRun[]): Promise<void>
  search(page: PageRequest, asking: Asking): Promise<Page>
  /** One by its record id, or by the place of either of its records. */
  find(
    which: { readonly id: string } | { readonly origin: string; readonly index: number },
    asking: Asking,
  ): Promise<Transaction | undefined>
  aggregate(request: AggregateRequest, asking: Asking): Promise<readonly Group[]>
  /** Values of a field that begin so, the most frequent first. */
  values(field: string, beginning: string, asking: Asking): Promise<readonly string[]>
  /** How many transactions a question is about. */
  count(question: Question, asking: Asking): Promise<number>
  logs(): Promise<readonly IndexedLog[]>
  partitions(): Promise<readonly Partition[]>
  /** Drops rows of a log that a retention lets go; returns when no file of the index holds them. @returns rows dropped */
  drop(origin: string, retention: RetentionDrop): Promise<number>
  close(): Promise<void>
}
