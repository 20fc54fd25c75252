/** Every reason for which a log is not read on, or not copied. Callers switch on it. */
export type FollowErrorCode =
  /** The place cannot be read, or holds no log. */
  | 'FOLLOW_UNREADABLE'
  /** The log does not reach so far. */
  | 'FOLLOW_RANGE'
  /** What was read is not what was signed. */
  | 'FOLLOW_BROKEN'
  /** Two checkpoints were signed that cannot both be of one log. Proof against whoever signed them. */
  | 'FOLLOW_FORKED'
  /** The log has fewer entries than it was signed with before. */
  | 'FOLLOW_SHRANK'
  /** The copy cannot be written, or is of another log. */
  | 'FOLLOW_STORE'
  /** Another process writes the copy. */
  | 'FOLLOW_IN_USE'

/** The one error of this room. `hint` is the one thing to try next. */
export class FollowError extends Error {
  override readonly name: string = 'FollowError'
  readonly code: FollowErrorCode
  readonly hint: string | undefined

  constructor(
    code: FollowErrorCode,
    message: string,
    { hint, cause }: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
  }
}

/** Says that a log is not what was signed, where. */
export function broken(what: string, cause?: unknown): FollowError {
  return new FollowError('FOLLOW_BROKEN', `could not verify the log: ${what}`, {
    hint: "'countersign verify' checks all of it and names every place",
    cause,
  })
}

/** The text of an error, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
