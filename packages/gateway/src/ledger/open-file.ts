import { closeSync, openSync } from 'node:fs'
import { namingFile } from '../platform.ts'

/** Opens a file for some synchronous work, and closes it. @throws the error of the operating system, naming the file. */
export function withFileSync<T>(path: string, flags: string, work: (file: number) => T): T {
  try {
    const file = openSync(path, flags)
    try {
      return work(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw namingFile(error, path)
  }
}
