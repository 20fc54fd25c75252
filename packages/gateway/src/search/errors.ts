import type { Span } from '@countersign/record/question'

/** Every reason for which a question is not answered, or a row not written. Callers switch on it. */
export type SearchErrorCode =
  /** The question cannot be understood; `at` points at the characters. */
  | 'SEARCH_SYNTAX'
  /** It asks by a field that the reader may not see; `at` points at it. */
  | 'SEARCH_MASKED'
  /** The cursor is of another question, another log, or nobody's. */
  | 'SEARCH_CURSOR'
  /** It would take more rows, time or memory than it may. */
  | 'SEARCH_LIMIT'
  /** ClickHouse does not answer. */
  | 'SEARCH_UNAVAILABLE'
  /** The disk of the index is full. */
  | 'SEARCH_FULL'
  /** The index is of a newer version, or of another kind, or broken: `countersign reindex` makes it anew. */
  | 'SEARCH_SCHEMA'
  /** Another reader writes this index. */
  | 'SEARCH_IN_USE'

/** The one error of this room. `hint` is the one thing to try next. */
export class SearchError extends Error {
  override readonly name: string = 'SearchError'
  readonly code: SearchErrorCode
  readonly hint: string | undefined
  readonly at: Span | undefined

  constructor(
    code: SearchErrorCode,
    message: string,
    { hint, at, cause }: { hint?: string; at?: Span; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
    this.at = at
  }
}
