/** `RECONCILE_UNREADABLE`: the access log cannot be read. `RECONCILE_LIMIT`: there is more than one comparison may hold. */
export type ReconcileErrorCode = 'RECONCILE_UNREADABLE' | 'RECONCILE_LIMIT'

/** The one error of this room. */
export class ReconcileError extends Error {
  override readonly name: string = 'ReconcileError'
  readonly code: ReconcileErrorCode
  readonly hint: string | undefined

  constructor(
    code: ReconcileErrorCode,
    message: string,
    { hint, cause }: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
  }
}
