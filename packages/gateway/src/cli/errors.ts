/**
 * `USAGE`: the command was not understood. `CANNOT_RUN`: it was, and could not be carried out. `DENIED`: whoever asked may not,
 * which is an answer.
 */
export type CommandErrorCode = 'USAGE' | 'CANNOT_RUN' | 'DENIED'

/** The place in a text that somebody wrote to which an error points: characters from 0, `to` not included. */
export interface Pointed {
  readonly text: string
  readonly from: number
  readonly to: number
}

/** The one error of the command line: it exits 2, or 1 when it is `DENIED`. `hint` is the one thing to try next. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError'
  readonly code: CommandErrorCode
  readonly hint: string | undefined
  readonly at: Pointed | undefined

  constructor(
    code: CommandErrorCode,
    message: string,
    {
      hint,
      at,
      cause,
    }: { hint?: string | undefined; at?: Pointed | undefined; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
    this.at = at
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of anything that was thrown, when it has one: `ENOENT`, `LEDGER_FULL`... */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The `hint` of anything that was thrown, when it has one. */
export function hintOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('hint' in error)) return undefined
  return typeof error.hint === 'string' ? error.hint : undefined
}
