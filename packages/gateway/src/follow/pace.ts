/** What a pace is kept by. */
export interface PaceClock {
  readonly wait: (ms: number) => Promise<void>
  /** Any clock that only goes forward. */
  readonly nowMs: () => number
}

/** Shorter waits cost more than they hold back. */
const WAIT_MS_MIN = 5

/** Lets so many bytes pass in a second, on average: whoever reads more waits. */
export class Pace {
  readonly #bytesPerSecond: number
  readonly #clock: PaceClock
  #dueMs: number

  constructor(bytesPerSecond: number, clock: PaceClock) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
    this.#dueMs = clock.nowMs()
  }

  async spend(bytes: number): Promise<void> {
    const nowMs = this.#clock.nowMs()
    // What was not used is not saved up: after a pause nothing comes in a burst.
    this.#dueMs = Math.max(this.#dueMs, nowMs) + (bytes / this.#bytesPerSecond) * 1000
    const ms = this.#dueMs - nowMs
    if (ms >= WAIT_MS_MIN) await this.#clock.wait(ms)
  }
}
