import { usageError } from './arguments.ts'

/** Characters of who asked, why, or for which case: they fit a record beside a list of leaves. */
const REASON_CHARACTERS_MAX = 1_000

/** A reason as it will stand on record. @throws {CommandError} `USAGE` when it is missing or too long */
export function reasonGiven(
  text: string | undefined,
  { command, name }: { command: string; name: string },
): string {
  if (text === undefined || text.trim() === '')
    throw usageError(command, `could not run: ${name} says who or why, and goes on record`)
  if (text.length > REASON_CHARACTERS_MAX)
    throw usageError(command, `could not run: ${name} is over ${REASON_CHARACTERS_MAX} characters`)
  return text
}
