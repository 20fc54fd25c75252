/**
 * One process per file. The lock is SQLite's own file lock (fcntl) on an empty database: the kernel releases it when the
 * process ends, however it ends, so kill -9 leaves nothing locked; it also holds between containers that share the folder.
 */
import { DatabaseSync } from 'node:sqlite'

export interface Lock {
  release(): void
}

/** SQLITE_BUSY: somebody else has it. */
const BUSY = 5

/**
 * Takes the lock of a file, which is created when missing, or fails at once.
 * @returns undefined when another process, or this one, holds it.
 * @throws the error of SQLite when the file cannot be made or used.
 */
export function takeLock(path: string): Lock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return undefined
    throw error
  }
  return { release: () => database.close() }
}
