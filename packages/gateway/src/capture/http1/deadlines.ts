/**
 * One coarse clock and one interval for all time-outs of a server or a client, instead of a timer for each socket.
 * Whoever is watched keeps its own deadlines as plain numbers and looks at them once a tick, so setting one costs a store.
 * A time-out is late by up to one tick. Lost with the process; nothing depends on it.
 */

/** Something with deadlines. */
export interface Timed {
  /** Called once a tick. @param nowMs on the same scale as `Deadlines.nowMs`. */
  tick(nowMs: number): void
}

/** The coarse clock, and what looks at it. */
export interface Deadlines {
  /** Milliseconds, monotonic, of the last tick. */
  readonly nowMs: number
  watch(timed: Timed): void
  forget(timed: Timed): void
  close(): void
}

/** No deadline; later than every other. */
export const never: number = Number.POSITIVE_INFINITY

const tickMsDefault = 250

/** Starts ticking. The process may end while it does. @param tickMs how late a time-out may be. */
export function openDeadlines({ tickMs = tickMsDefault }: { tickMs?: number } = {}): Deadlines {
  const watched = new Set<Timed>()
  let nowMs = performance.now()
  const interval = setInterval(() => {
    nowMs = performance.now()
    for (const timed of watched) timed.tick(nowMs)
  }, tickMs).unref()
  return {
    get nowMs() {
      return nowMs
    },
    watch: (timed) => void watched.add(timed),
    forget: (timed) => void watched.delete(timed),
    close: () => {
      clearInterval(interval)
      watched.clear()
    },
  }
}
