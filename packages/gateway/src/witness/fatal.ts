/** The end of a process that does not know what it has on disk: the next start reads what is there. */
import { messageOf } from './errors.ts'
import type { WitnessError } from './errors.ts'

/** Says why, and ends the process with 2. */
export function endProcess(error: WitnessError): void {
  const why = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`
  process.stderr.write(`countersign: error: ${error.message}${why}\n`)
  if (error.hint !== undefined) process.stderr.write(`countersign: hint: ${error.hint}\n`)
  process.exit(2)
}
