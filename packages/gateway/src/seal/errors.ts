/** What can go wrong with the room itself. An addendum whose key is gone is none of these: it is a value. */
export type SealErrorCode =
  | 'SEAL_IN_USE'
  | 'SEAL_KEYS_UNAVAILABLE'
  | 'SEAL_TENANT_KEY'
  | 'SEAL_TENANT_MISMATCH'

/** The one error of this room. Messages say what, where and what to do; they hold no key. */
export class SealError extends Error {
  override readonly name: string = 'SealError'
  readonly code: SealErrorCode

  constructor(code: SealErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
