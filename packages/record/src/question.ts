/** Questions as data: what the filter language says, what the API takes as JSON, and what answers look like. */
import type { FieldName, Transaction } from './transaction.ts'
import type { ReadScope } from './reading.ts'

/** Where in the text of a question something stands: characters from 0, `to` not included. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Values by the type of their field: `time` and `duration` are nanoseconds. */
export type FilterValue = string | number | bigint | boolean

/** A condition. A field that is absent from a transaction meets none but `not`. */
export type Filter =
  | { readonly kind: 'every' }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter }
  | {
      readonly kind: 'compare'
      readonly field: FieldName
      readonly operator: '=' | '<' | '<=' | '>' | '>='
      /** Of a list: one of its texts. Texts are compared exactly, and in their case. */
      readonly value: FilterValue
      readonly at: Span
    }
  /** One of several values; of a list: any of its texts. */
  | {
      readonly kind: 'in'
      readonly field: FieldName
      readonly values: readonly FilterValue[]
      readonly at: Span
    }
  /** A text with `*` for any characters, over the whole value; `\*` is a star, `\\` a backslash. */
  | {
      readonly kind: 'like'
      readonly field: FieldName
      readonly pattern: string
      readonly at: Span
    }
  /** Whether the field is there at all: `field:*`. */
  | { readonly kind: 'has'; readonly field: FieldName; readonly at: Span }
  /**
   * Words that stand somewhere in the texts of a transaction, in any case. Each stands there as a whole word; and where the text is more
   * than one word, it stands there as it is, too.
   */
  | { readonly kind: 'words'; readonly text: string; readonly at: Span }

/** A question: which transactions. Times are nanoseconds since the epoch; `until` is not included. */
export interface Question {
  /** As it was written. */
  readonly text: string
  readonly filter: Filter
  readonly sinceNs?: bigint
  readonly untilNs?: bigint
  /** The same as they were written, where they were relative to the time of asking: `24h`, `today`. A cursor holds on to what they meant first. */
  readonly since?: string
  readonly until?: string
}

/** As whom a question is asked. */
export interface Asking {
  readonly scope: ReadScope
  /** False where sealed content stays masked: a question by a sealed field, or by free text beyond unsealed ones, is refused. */
  readonly unmasked: boolean
  readonly signal?: AbortSignal
}

/** One page. */
export interface PageRequest {
  readonly question: Question
  /** Rows, at most `READ_ROWS_MAX`. */
  readonly limit: number
  /** By time: newest first unless `oldest`. */
  readonly order?: 'newest' | 'oldest'
  /** As an answer gave it: bound to the question, its order and the logs; stable while they grow. */
  readonly cursor?: string
}

export interface Page {
  readonly transactions: readonly Transaction[]
  /** Absent on the last page. */
  readonly cursor?: string
}

/** What is counted. */
export type Measure =
  | { readonly kind: 'count' }
  /** Per second, over the time that the question spans. */
  | { readonly kind: 'rate' }
  | { readonly kind: 'distinct'; readonly field: FieldName }
  | { readonly kind: 'sum' | 'average' | 'min' | 'max'; readonly field: FieldName }
  /** `percent` from 0 to 100, such as 99.9. */
  | { readonly kind: 'percentile'; readonly field: FieldName; readonly percent: number }

export interface AggregateRequest {
  readonly question: Question
  readonly measures: readonly Measure[]
  readonly by: readonly FieldName[]
  /** Width in nanoseconds of the steps of time, where it is asked for over time. */
  readonly everyNs?: bigint
  /** Groups, the largest by the first measure first; over time, by time. */
  readonly limit: number
}

/** Groups of an aggregate. `time` is where the step begins (nanoseconds, decimal). */
export interface Group {
  readonly time?: string
  readonly by: Readonly<Partial<Record<FieldName, string | number | boolean | null>>>
  /** In the order of the measures; null where nothing was there to measure. */
  readonly measures: readonly (number | null)[]
}

/** One way to go on with a question that is half written. */
export interface Completion {
  /** What takes the place of the characters from `from` to `to` (not included) of the text. */
  readonly insert: string
  readonly from: number
  readonly to: number
  readonly kind: 'field' | 'value' | 'operator' | 'word'
  /** Of a value: its field. */
  readonly field?: string
  readonly about?: string
}
