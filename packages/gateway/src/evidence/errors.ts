/**
 * `EVIDENCE_EMPTY`: nothing fits what was asked for. `EVIDENCE_LIMIT`: it would be more than a bundle may hold. `EVIDENCE_BROKEN`: what
 * was written did not verify, so the log it came from does not either. `EVIDENCE_IO`: the file could not be written.
 */
export type EvidenceErrorCode =
  | 'EVIDENCE_EMPTY'
  | 'EVIDENCE_LIMIT'
  | 'EVIDENCE_BROKEN'
  | 'EVIDENCE_IO'

/** The one error of this room. `hint` is the one thing to try next. */
export class EvidenceError extends Error {
  override readonly name: string = 'EvidenceError'
  readonly code: EvidenceErrorCode
  readonly hint: string | undefined

  constructor(
    code: EvidenceErrorCode,
    message: string,
    { hint, cause }: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
  }
}
