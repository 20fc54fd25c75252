/** Reads files of a log that may be slow to answer: tries again, with longer and longer pauses, a few times. */
import { setTimeout as wait } from 'node:timers/promises'
import { FollowError } from './errors.ts'
import type { LogSource } from './log-source.ts'

/** How long a source that does not answer is asked again. */
export interface Patience {
  /** Times that one file is asked for. */
  readonly triesMax: number
  /** Before the second try; each further pause is twice as long. */
  readonly pauseMs: number
  readonly pauseMsMax: number
}

export const PATIENCE: Patience = { triesMax: 5, pauseMs: 200, pauseMsMax: 5_000 }

/** A source that is asked again, and counts what it gave. */
export interface PatientReader {
  readonly read: (path: string, bytesMax?: number) => Promise<Uint8Array | undefined>
  readonly files: number
  readonly bytes: number
}

/** @param options.signal ends the waiting: what was thrown last is thrown then. */
export function fileReader(
  source: LogSource,
  { signal, ...wanted }: Partial<Patience> & { signal: AbortSignal },
): PatientReader {
  const patience = { ...PATIENCE, ...wanted }
  let files = 0
  let bytes = 0
  return {
    async read(path, bytesMax) {
      for (let tries = 1; ; tries += 1) {
        try {
          const found = await source.read(path, bytesMax)
          if (found !== undefined) [files, bytes] = [files + 1, bytes + found.length]
          return found
        } catch (error) {
          const isHopeless = !(error instanceof FollowError) || error.code !== 'FOLLOW_UNREADABLE'
          if (isHopeless || tries >= patience.triesMax || signal.aborted) throw error
          await pause(tries, patience, signal)
        }
      }
    },
    get files() {
      return files
    },
    get bytes() {
      return bytes
    },
  }
}

/** Waits after so many failures in a row; at once when `signal` aborts. */
export async function pause(
  failures: number,
  { pauseMs, pauseMsMax }: Pick<Patience, 'pauseMs' | 'pauseMsMax'>,
  signal: AbortSignal,
): Promise<void> {
  const ms = Math.min(pauseMsMax, pauseMs * 2 ** (failures - 1))
  // Aborted: there is nothing more to wait for, and the caller looks at the signal.
  await wait(ms, undefined, { signal }).catch(() => undefined)
}
