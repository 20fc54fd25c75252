/** What can go wrong with the room itself. A bad credential is none of these: it is a value with defects. */
export type IdentityErrorCode =
  | 'IDENTITY_AUTHORITIES_UNREADABLE'
  | 'IDENTITY_KEYS_AMBIGUOUS'
  | 'IDENTITY_KEYS_BUSY'
  | 'IDENTITY_KEYS_INVALID'
  | 'IDENTITY_KEYS_UNREADABLE'
  | 'IDENTITY_KEY_INVALID'
  | 'IDENTITY_KEY_UNKNOWN'
  | 'IDENTITY_SUBJECTS_UNAVAILABLE'

/** The one error of this room. Messages say what, where and what to do; they hold no secret. */
export class IdentityError extends Error {
  override readonly name: string = 'IdentityError'
  readonly code: IdentityErrorCode

  constructor(code: IdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
