/** Why a verification could not be run. What is wrong with a log is no error but a finding. */
export type VerifierErrorCode =
  | 'SOURCE_UNREADABLE'
  | 'KEY_UNREADABLE'
  | 'POLICY_UNREADABLE'
  | 'USAGE'

/** The one error of this package. */
export class VerifierError extends Error {
  override readonly name: string = 'VerifierError'
  readonly code: VerifierErrorCode

  constructor(code: VerifierErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
