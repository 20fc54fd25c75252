/** Every reason for which the reader does not run. */
export type ReaderErrorCode =
  /** A log cannot be followed as configured. */
  | 'READER_LOG'
  /** What the reader needs beside its index cannot be written or opened. */
  | 'READER_IO'

/** The error of the reader itself; what its rooms throw passes as it is. `hint` is the one thing to try next. */
export class ReaderError extends Error {
  override readonly name: string = 'ReaderError'
  readonly code: ReaderErrorCode
  readonly hint: string | undefined

  constructor(
    code: ReaderErrorCode,
    message: string,
    { hint, cause }: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
  }
}

/** The text of an error, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of anything that was thrown, when it has one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
