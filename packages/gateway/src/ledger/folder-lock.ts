import { takeLock } from '../platform.ts'
import type { Lock } from '../platform.ts'
import { LedgerError, messageOf } from './errors.ts'
import type { Layout } from './layout.ts'

/**
 * Takes the lock of a data folder: one log has one writer.
 * @throws {LedgerError} `LEDGER_IN_USE` when another process, or this one, holds it; `LEDGER_IO` when it cannot be taken at all.
 */
export function lockFolder({ dataDir, lock: path }: Layout): Lock {
  let lock: Lock | undefined
  try {
    lock = takeLock(path)
  } catch (cause) {
    throw new LedgerError('LEDGER_IO', `could not lock the log: ${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'look at the disk; the lock holds nothing, and may be deleted while no ledger runs',
    })
  }
  if (lock !== undefined) return lock
  throw new LedgerError(
    'LEDGER_IN_USE',
    `could not open the log in ${dataDir}: another process uses it (${path})`,
    { hint: 'stop the other process; one log has one writer' },
  )
}
