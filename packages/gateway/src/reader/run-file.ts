/**
 * `run/reader.json`: where the API is, and this boot's operator key. For whoever owns the data folder: they could read everything there
 * anyway, and by this key they are on record for it. An attacker who reads it is the operator until the next boot.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../platform.ts'

const MODE = 0o600

export interface RunFile {
  /** URL of the API. */
  readonly api: string
  /** Absent where the configuration gives the operator no access. */
  readonly key?: string
}

export async function writeRunFile(runDir: string, content: RunFile): Promise<void> {
  await writeDurably(runFilePath(runDir), `${JSON.stringify(content)}\n`, { mode: MODE })
}

/** When the reader ends nobody is sent to a port that is somebody else's by then. */
export async function removeRunFile(runDir: string): Promise<void> {
  await rm(runFilePath(runDir), { force: true })
}

function runFilePath(runDir: string): string {
  return join(runDir, 'reader.json')
}
