/** Every reason this package refuses something. Callers switch on it; the message is for people. */
export type RecordErrorCode =
  | 'ENTRY_TOO_LARGE'
  | 'ADDENDUM_TOO_LARGE'
  | 'ADDENDA_TOO_MANY'
  | 'RECORD_MALFORMED'

/** The one error of this package. `code` is closed and stable; the message names the member, and never its content. */
export class RecordError extends Error {
  override readonly name: string = 'RecordError'
  readonly code: RecordErrorCode

  constructor(code: RecordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
