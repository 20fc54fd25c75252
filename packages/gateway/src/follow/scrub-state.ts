/**
 * How far a scrubber has come, and what damage it has found and told: one small file, replaced whole. Lost, the log is scrubbed from
 * its beginning, and damage that is still there is told once more. Trusted for nothing else.
 */
import { readFile } from 'node:fs/promises'
import { writeDurably } from '../platform.ts'
import { FollowError, messageOf } from './errors.ts'

/** One file that is not what it was. */
export interface Damage {
  /** Below the log, or the name of a pack of addenda. */
  readonly path: string
  readonly what: 'tile_damaged' | 'addenda_damaged'
  readonly detail: string
  /** Milliseconds since the epoch. */
  readonly sinceMs: number
  /** Whether its alarm is on record. */
  readonly recorded: boolean
}

export interface ScrubState {
  readonly version: 1
  /** Groups of 256 records below this one are done in this pass. */
  readonly cursor: number
  /** Groups that this pass goes through. */
  readonly groups: number
  /** Full passes so far, and when the last one ended; milliseconds since the epoch. */
  readonly passes: number
  readonly lastPassMs: number | null
  /** Bytes that the last full pass read. */
  readonly lastPassBytes: number | null
  readonly damage: readonly Damage[]
  /** Files that were put right since the first pass. */
  readonly repaired: number
}

export const NEW_STATE: ScrubState = {
  version: 1,
  cursor: 0,
  groups: 0,
  passes: 0,
  lastPassMs: null,
  lastPassBytes: null,
  damage: [],
  repaired: 0,
}

/** The state in a file; a new one when there is none, or none that can be read. @throws {FollowError} `FOLLOW_STORE` */
export async function readScrubState(path: string): Promise<ScrubState> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return NEW_STATE
    throw new FollowError('FOLLOW_STORE', `could not read ${path}: ${messageOf(cause)}`, { cause })
  }
  try {
    const value: unknown = JSON.parse(text)
    return isState(value) ? value : NEW_STATE
  } catch {
    // It is written whole: whatever else is there, was put there. All it costs is another pass.
    return NEW_STATE
  }
}

/** @throws {FollowError} `FOLLOW_STORE` */
export async function writeScrubState(path: string, state: ScrubState): Promise<void> {
  try {
    await writeDurably(path, `${JSON.stringify(state)}\n`)
  } catch (cause) {
    throw new FollowError('FOLLOW_STORE', `could not write ${path}: ${messageOf(cause)}`, { cause })
  }
}

function isState(value: unknown): value is ScrubState {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === 1 &&
    'cursor' in value &&
    Number.isSafeInteger(value.cursor) &&
    'damage' in value &&
    Array.isArray(value.damage)
  )
}
