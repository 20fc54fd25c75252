/**
 * One erasure, hold or release at a time: a hold that is being written must not be passed by an erasure that did not see it. The lock
 * is SQLite's file lock on an empty database, which the kernel releases when the process ends, however it ends.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SealError } from './errors.ts'

/** @throws {SealError} `SEAL_IN_USE` while another process holds it. */
export function lockErasures(stateDir: string): { release(): void } {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const path = join(stateDir, 'erasure.lock')
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    const message = `could not begin: another erasure, hold or release is under way (${path})`
    throw new SealError('SEAL_IN_USE', message, { cause })
  }
  return { release: () => database.close() }
}
