/** Time, passed in everywhere so that tests own it. */
export interface Clock {
  /** Nanoseconds since the epoch. May step when the machine's clock is set. */
  nowNs(): bigint
  /** Nanoseconds from an arbitrary start; never goes back. For durations and time-outs. */
  monotonicNs(): bigint
}

/** `Date.now` has whole milliseconds: the finer part comes from the monotonic clock, as long as both agree to this much. */
const DRIFT_NS_MAX = 2_000_000n
const NS_PER_MS = 1_000_000n

let offsetNs = wallNs() - process.hrtime.bigint()

/** The machine's clocks. */
export const systemClock: Clock = {
  nowNs(): bigint {
    const now = process.hrtime.bigint() + offsetNs
    const drift = now - wallNs()
    if (drift < DRIFT_NS_MAX && drift > -DRIFT_NS_MAX) return now
    // The wall clock was set or slewed: follow it.
    offsetNs = wallNs() - process.hrtime.bigint()
    return process.hrtime.bigint() + offsetNs
  },
  monotonicNs: () => process.hrtime.bigint(),
}

function wallNs(): bigint {
  return BigInt(Date.now()) * NS_PER_MS
}
