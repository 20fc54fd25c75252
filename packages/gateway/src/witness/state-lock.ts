/** One process for each state: two that sign from one state could each sign another tree. */
import { takeLock } from '../platform.ts'
import type { Lock } from '../platform.ts'
import { messageOf, WitnessError } from './errors.ts'

/**
 * Takes the lock of a state.
 * @param who 'signer' or 'witness', for the message.
 * @throws {WitnessError} `WITNESS_IN_USE` when another process holds it; `WITNESS_STATE` when it cannot be taken at all.
 */
export function lockState(path: string, who: 'signer' | 'witness'): Lock {
  let lock: Lock | undefined
  try {
    lock = takeLock(path)
  } catch (cause) {
    throw new WitnessError(
      'WITNESS_STATE',
      `could not open the ${who}: no lock ${path}: ${messageOf(cause)}`,
      {
        cause,
        hint: `the folder of the state must exist and be writable; the lock holds nothing, and may be deleted while no ${who} runs`,
      },
    )
  }
  if (lock !== undefined) return lock
  throw new WitnessError(
    'WITNESS_IN_USE',
    `could not open the ${who}: another process uses its state (${path})`,
    { hint: `stop the other process; one state has one ${who}` },
  )
}
