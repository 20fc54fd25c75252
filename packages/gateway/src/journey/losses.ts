/**
 * Counts the records that the ledger would not even queue, until the count itself can be recorded as a gap.
 * It guarantees that nothing is dropped silently. If the process dies with an unwritten count, the count is
 * lost, but the next boot record shows that the session ended without one.
 */
import type { Lifecycle } from '@countersign/record/leaf'
import type { Clock } from '../platform.ts'

export interface Losses {
  /** True when an append was rejected, yet its draft is on record, or is queued and will be written late. */
  isWaiting(cause: unknown): boolean
  /** Takes the reason an append was rejected, and counts one record unless it is waiting. */
  note(cause: unknown): void
  /** Takes the counted losses as a gap, to be appended; `undefined` when there are none. */
  take(): Extract<Lifecycle, { kind: 'gap' }> | undefined
  /** Puts a gap back that could not be appended. */
  putBack(gap: Extract<Lifecycle, { kind: 'gap' }>): void
  /** Records lost since the start of the process. */
  readonly total: number
}

interface Window {
  from: bigint
  to: bigint
  count: number
  why: string
}

/**
 * @param options.isQueued tells whether a rejected draft is on record, or still waiting to be written.
 */
export function openLosses(options: {
  clock: Clock
  isQueued: (cause: unknown) => boolean
  codeOf: (cause: unknown) => string
}): Losses {
  let window: Window | undefined
  let total = 0
  return {
    isWaiting: options.isQueued,
    note(cause) {
      if (options.isQueued(cause)) return
      const now = options.clock.nowNs()
      total += 1
      window ??= { from: now, to: now, count: 0, why: options.codeOf(cause) }
      window.to = now
      window.count += 1
    },
    take() {
      if (window === undefined) return undefined
      const { from, to, count, why } = window
      window = undefined
      return { kind: 'gap', from: from.toString(), to: to.toString(), count, why }
    },
    putBack(gap) {
      const from = BigInt(gap.from)
      window = {
        from,
        to: window === undefined ? BigInt(gap.to) : window.to,
        count: gap.count + (window?.count ?? 0),
        why: gap.why,
      }
    },
    get total() {
      return total
    },
  }
}
