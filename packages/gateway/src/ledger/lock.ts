/**
 * One process per folder. The lock is SQLite's own file lock (fcntl) on an empty database: the kernel releases it when the
 * process ends, however it ends, so kill -9 leaves nothing locked; it also holds between containers that share the folder.
 */
import { DatabaseSync } from 'node:sqlite'
import { LedgerError } from './errors.ts'

export interface Lock {
  release(): void
}

/**
 * Takes the lock of a file, which is created when missing, or fails at once.
 * @throws {LedgerError} `LEDGER_IN_USE` when another process, or this one, holds it.
 */
export function takeLock(path: string, what: string): Lock {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new LedgerError(
      'LEDGER_IN_USE',
      `could not open ${what}: another process uses it (${path})`,
      {
        cause,
        hint: 'stop the other process; one folder has one writer',
      },
    )
  }
  return { release: () => database.close() }
}
