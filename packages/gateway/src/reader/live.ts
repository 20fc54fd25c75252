/**
 * Transactions as they reach the index, for whoever watches. Holds no past: who is too slow is told so, and asks for what was missed.
 */
import type { Transaction } from '@countersign/record/transaction'

/** Transactions that may wait for one watcher. */
export const WAITING_MAX = 5_000

/** What a watcher gets: transactions in the order of their logs, or that some were missed. */
export type Seen =
  | { readonly kind: 'transactions'; readonly transactions: readonly Transaction[] }
  | { readonly kind: 'missed' }

export class Live {
  readonly #watchers = new Set<Watcher>()

  get watchers(): number {
    return this.#watchers.size
  }

  publish(transactions: readonly Transaction[]): void {
    if (transactions.length === 0) return
    for (const watcher of this.#watchers) watcher.push(transactions)
  }

  /** Ends when `signal` aborts, or after it said that some were missed. */
  async *watch(signal: AbortSignal): AsyncGenerator<Seen, void, undefined> {
    const watcher = new Watcher()
    this.#watchers.add(watcher)
    const stop = (): void => watcher.wake()
    signal.addEventListener('abort', stop)
    try {
      while (!signal.aborted) {
        const seen = watcher.take()
        if (seen === undefined) await watcher.changed()
        else yield seen
        if (seen?.kind === 'missed') return
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#watchers.delete(watcher)
    }
  }
}

class Watcher {
  #waiting: Transaction[] = []
  #missed = false
  #wake: () => void = () => undefined

  push(transactions: readonly Transaction[]): void {
    if (this.#waiting.length + transactions.length > WAITING_MAX) this.#missed = true
    else this.#waiting.push(...transactions)
    this.#wake()
  }

  /** What waits comes first; only then that some were missed. */
  take(): Seen | undefined {
    if (this.#waiting.length > 0) {
      const transactions = this.#waiting
      this.#waiting = []
      return { kind: 'transactions', transactions }
    }
    return this.#missed ? { kind: 'missed' } : undefined
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  wake(): void {
    this.#wake()
  }
}
