/** A clock that a test turns by hand. */
import type { Deadlines, Timed } from '../deadlines.ts'

export interface ManualDeadlines extends Deadlines {
  /** Lets so many milliseconds pass, in one tick. */
  advance(ms: number): void
  readonly watched: number
}

export function openManualDeadlines(): ManualDeadlines {
  const watched = new Set<Timed>()
  let nowMs = 1_000
  return {
    get nowMs() {
      return nowMs
    },
    get watched() {
      return watched.size
    },
    watch: (timed) => void watched.add(timed),
    forget: (timed) => void watched.delete(timed),
    close: () => watched.clear(),
    advance: (ms) => {
      nowMs += ms
      for (const timed of watched) timed.tick(nowMs)
    },
  }
}
