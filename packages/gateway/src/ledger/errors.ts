/** Every reason the ledger refuses or stops. Callers switch on it. */
export type LedgerErrorCode =
  | 'LEDGER_EXISTS'
  | 'LEDGER_MISSING'
  | 'LEDGER_IN_USE'
  | 'LEDGER_CORRUPT'
  | 'LEDGER_SPLIT'
  | 'LEDGER_IO'
  | 'LEDGER_LIMIT'
  | 'LEDGER_FULL'
  | 'LEDGER_UNAVAILABLE'
  | 'LEDGER_CLOSED'
  | 'LEDGER_RANGE'
  | 'LEDGER_PROTOCOL'
  | 'SIGNER_UNAVAILABLE'
  | 'SIGNER_REFUSED'
  | 'SIGNER_STATE'
  | 'WITNESS_QUORUM'
  | 'WITNESS_POLICY'

/** After these the process must stop: what is on disk, or what was signed, is not what it should be. */
const FATAL: ReadonlySet<LedgerErrorCode> = new Set<LedgerErrorCode>([
  'LEDGER_CORRUPT',
  'LEDGER_SPLIT',
  'LEDGER_IO',
])

export interface LedgerErrorOptions extends ErrorOptions {
  /**
   * True when the draft whose `append` rejected is on record all the same, or will be: it is still queued, or it is durable
   * and did not reach the level that was asked for.
   */
  readonly kept?: boolean
  /** One line for the operator: what to do now. */
  readonly hint?: string
}

/** The one error of this room. `code` is closed and stable; the message holds no secret. */
export class LedgerError extends Error {
  override readonly name: string = 'LedgerError'
  readonly code: LedgerErrorCode
  /** Of `append`: false says the draft is not and will not be on record. Count it. */
  readonly kept: boolean
  readonly hint: string | undefined

  constructor(code: LedgerErrorCode, message: string, options: LedgerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.kept = options.kept ?? false
    this.hint = options.hint
  }

  /** Whether the process that meets this error must stop. */
  get fatal(): boolean {
    return FATAL.has(this.code)
  }
}

/** What to do when the disk refuses. */
export const DISK_HINT =
  'look at the disk (space, errors in dmesg), then start again; acknowledged records are safe'

/**
 * What the operating system refused, as an error of this room; anything else passes as it is.
 * @param what "could not ...".
 */
export function systemError(code: LedgerErrorCode, what: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error
  const message = `${what}: ${error.message}`
  return new LedgerError(code, message, { cause: error, hint: DISK_HINT })
}

/** What to do with a folder that does not hold what was written. */
export const CORRUPT_HINT =
  'keep this folder as it is; restore it whole from a copy made while the ledger was stopped, or start a new log under a new origin'

/** A damaged file: which one, which byte, why. */
export function corrupt(place: { path: string; byte: number }, why: string): LedgerError {
  return new LedgerError(
    'LEDGER_CORRUPT',
    `could not read the ledger: ${place.path}, byte ${place.byte}: ${why}`,
    { hint: CORRUPT_HINT },
  )
}

/** The text of an error, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A failure that nobody foresaw is a programmer's error: it must end the process, not a promise. */
export function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
