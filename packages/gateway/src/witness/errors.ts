/** Every reason for which a signer or a witness does not start, or stops. Callers switch on it. */
export type WitnessErrorCode =
  /** The state is missing, there already, of somebody else, or cannot be read. */
  | 'WITNESS_STATE'
  /** Another process holds the state. */
  | 'WITNESS_IN_USE'
  /** A key is none, or not the one that belongs here. */
  | 'WITNESS_KEY'
  /** Over a limit of this room. */
  | 'WITNESS_LIMIT'
  /** A write or a sync failed: what is on disk is not known. Fatal. */
  | 'WITNESS_IO'

export interface WitnessErrorOptions extends ErrorOptions {
  /** One line for the operator: what to do now. */
  readonly hint?: string
}

/** The one error of this room. `code` is closed and stable; the message holds no secret. */
export class WitnessError extends Error {
  override readonly name: string = 'WitnessError'
  readonly code: WitnessErrorCode
  readonly hint: string | undefined

  constructor(code: WitnessErrorCode, message: string, options: WitnessErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}

/** What to do when the disk refuses. */
export const DISK_HINT =
  'look at the disk (space, errors in dmesg), then start again; what was signed is remembered'

/** The text of an error, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code that the system gave an error, if it did. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
