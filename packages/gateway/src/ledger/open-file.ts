import { closeSync, openSync } from 'node:fs'
import { systemError } from './errors.ts'

/** Opens a file for some synchronous work, and closes it. @throws {LedgerError} `LEDGER_IO`, naming the file. */
export function withFileSync<T>(path: string, flags: string, work: (file: number) => T): T {
  try {
    const file = openSync(path, flags)
    try {
      return work(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw systemError('LEDGER_IO', `could not use ${path}`, error)
  }
}
