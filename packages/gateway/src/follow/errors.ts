/**
 * `FOLLOW_UNREADABLE`: the place cannot be read, or holds no log. `FOLLOW_RANGE`: the log does not reach so far.
 * `FOLLOW_BROKEN`: what was read is not what was signed.
 */
export type FollowErrorCode = 'FOLLOW_UNREADABLE' | 'FOLLOW_RANGE' | 'FOLLOW_BROKEN'

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
