/** What can go wrong while a listener is started or changed; what goes wrong with a request is a record, not an error. */

/** `LISTEN_FAILED`: the address could not be taken. `TLS_INVALID`: certificate, key or authority. `UPSTREAM_INVALID`, `HOPS_INVALID`: the configuration. */
export type CaptureErrorCode = 'LISTEN_FAILED' | 'TLS_INVALID' | 'UPSTREAM_INVALID' | 'HOPS_INVALID'

/** An operating error of capture. The message says what, where and what to do; it holds no secret. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError'
  readonly code: CaptureErrorCode

  constructor(code: CaptureErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
