/**
 * Knows how long the oldest record that is not yet durable has been waiting. Mode bounded promises a time;
 * this is what the promise is kept with: near the bound requests wait, past it they are refused.
 */
export interface Pressure {
  /** One draft was handed to the ledger. Drafts become durable in the order in which they began. */
  began(): void
  /** The oldest waiting draft is durable. */
  durable(): void
  /** A draft was refused and will never be written; it was the newest. */
  refused(): void
  /** False when a draft has been waiting for longer than the bound. */
  withinBound(): boolean
  /** Resolves when the oldest draft is young enough again, or the bound has passed; `undefined` when there is no need to wait. */
  relief(): Promise<void> | undefined
  readonly waiting: number
}

/** Requests start to wait when the oldest draft has used up this share of the bound. */
const waitFromShare = 0.5
const compactAt = 4096

export function openPressure(options: { boundMs: number; nowMs: () => number }): Pressure {
  const { boundMs, nowMs } = options
  let began: number[] = []
  let head = 0
  let waiters: (() => void)[] = []

  const oldestAgeMs = (): number => {
    const oldest = began[head]
    return oldest === undefined ? 0 : nowMs() - oldest
  }
  const wake = (): void => {
    if (waiters.length === 0 || oldestAgeMs() > boundMs * waitFromShare) return
    const woken = waiters
    waiters = []
    for (const resolve of woken) resolve()
  }
  return {
    began() {
      began.push(nowMs())
    },
    durable() {
      head += 1
      if (head >= compactAt) {
        began = began.slice(head)
        head = 0
      }
      wake()
    },
    refused() {
      began.pop()
      wake()
    },
    withinBound: () => oldestAgeMs() <= boundMs,
    relief() {
      const age = oldestAgeMs()
      if (age <= boundMs * waitFromShare || age > boundMs) return undefined
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, boundMs - age)
        waiters.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    },
    get waiting() {
      return began.length - head
    },
  }
}
