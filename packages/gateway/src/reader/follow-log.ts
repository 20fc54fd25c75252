/**
 * Follows one log into the index, for as long as the process lives. What does not verify is never indexed: reading stops there, an
 * alarm is on record, and it is tried again, since the damage may be mended. What cannot be reached is tried again, ever more rarely.
 * Holds how far it is; lost with it, nothing: the index knows.
 */
import type { AlarmCause, Leaf } from '@countersign/record/leaf'
import type { Transaction } from '@countersign/record/transaction'
import { openRecord } from '../contents.ts'
import { follow, readHead } from '../follow.ts'
import type { Followed } from '../follow.ts'
import type { Clock } from '../platform.ts'
import { openIndexer } from '../search.ts'
import type { Index, Indexer } from '../search.ts'
import { codeOf, messageOf } from './errors.ts'
import type { FollowedLog } from './logs.ts'

/** How it stands with one log. */
export interface LogProgress {
  readonly origin: string
  /** 0-based; the next entry to index. */
  readonly next: number
  /** Of the last verified checkpoint. */
  readonly size?: number
  /** For how long the oldest entry has waited that is signed and not in the index yet. */
  readonly lagMs: number
  /** Why reading stopped, in words for whoever asks. */
  readonly problem?: string
}

export interface FollowLogOptions {
  readonly log: FollowedLog
  readonly index: Index
  readonly dropAfterOf: (transaction: Transaction) => string | undefined
  /** Told of transactions once they can be found. */
  readonly onIndexed: (transactions: readonly Transaction[]) => void
  /** Told of each retention once all before it is in the index. */
  readonly onRetention?: (leaf: Leaf, origin: string) => Promise<void>
  readonly alarm: (alarm: FollowAlarm) => void
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Waits before it tries again. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
}

/** What the reader puts on record about a log. */
export interface FollowAlarm {
  readonly what: Extract<AlarmCause, 'log_unverified' | 'index_full'>
  readonly raised: boolean
  readonly about: string
  readonly detail: string
}

const PAUSE_MS_MIN = 250
const PAUSE_MS_MAX = 10_000
/** What did not verify is looked at again so often. */
const UNVERIFIED_PAUSE_MS = 10_000
const NS_PER_MS = 1_000_000n

const UNVERIFIED: ReadonlySet<string> = new Set(['FOLLOW_BROKEN', 'FOLLOW_FORKED', 'FOLLOW_SHRANK'])

export class LogFollower {
  readonly #options: FollowLogOptions
  #origin: string
  #indexer: Indexer | undefined
  #size: number | undefined
  /** Sizes that were seen, and when, of which not all is indexed. */
  #behind: { readonly size: number; readonly atNs: bigint }[] = []
  #problem: string | undefined
  #raised: FollowAlarm['what'] | undefined

  constructor(options: FollowLogOptions) {
    this.#options = options
    this.#origin = options.log.origin
  }

  progress(): LogProgress {
    const { clock } = this.#options
    const next = this.#indexer?.written ?? 0
    const oldest = this.#behind.find(({ size }) => size > next)
    return {
      origin: this.#origin,
      next,
      ...(this.#size === undefined ? {} : { size: this.#size }),
      lagMs: oldest === undefined ? 0 : Number((clock.monotonicNs() - oldest.atNs) / NS_PER_MS),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    }
  }

  /** Resolves when `signal` aborts. Never rejects for what a log or an index is. */
  async run(): Promise<void> {
    const { signal, pause } = this.#options
    let pauseMs = PAUSE_MS_MIN
    while (!signal.aborted) {
      const before = this.#indexer?.written
      try {
        await this.#readOn()
      } catch (error) {
        if (signal.aborted) return
        pauseMs =
          this.#indexer?.written === before ? Math.min(pauseMs * 2, PAUSE_MS_MAX) : PAUSE_MS_MIN
        this.#tell(error)
        await pause(UNVERIFIED.has(codeOf(error) ?? '') ? UNVERIFIED_PAUSE_MS : pauseMs, signal)
      }
    }
  }

  /** From where the index is to the end of the log, and on. */
  async #readOn(): Promise<void> {
    const { log, index, dropAfterOf, onIndexed, signal } = this.#options
    this.#origin = (await readHead(log)).origin
    // Whatever was under way when it failed is read again from where the index is: rows that landed are not written twice.
    const indexer = await openIndexer({
      origin: this.#origin,
      dropAfterOf,
      index: {
        next: (origin) => index.next(origin),
        waiting: (origin) => index.waiting(origin),
        erase: (origin, leaves) => index.erase(origin, leaves),
        async write(batch) {
          await index.write(batch)
          onIndexed(batch.ended.map(({ transaction }) => transaction))
        },
      },
    })
    this.#indexer = indexer
    for await (const followed of follow(log, { from: indexer.next, live: true, signal })) {
      this.#saw(followed.head.size)
      await takeRecords(followed, { log, indexer, onRetention: (leaf) => this.#letGo(leaf) })
      // At the end of what is signed there is nobody to wait for.
      if (indexer.next === followed.head.size) await indexer.flush()
      this.#mended()
      if (signal.aborted) break
    }
    await indexer.flush()
  }

  async #letGo(leaf: Leaf): Promise<void> {
    await this.#options.onRetention?.(leaf, this.#origin)
  }

  #saw(size: number): void {
    if (size === this.#size) return
    this.#size = size
    const next = this.#indexer?.written ?? 0
    this.#behind = this.#behind.filter((seen) => seen.size > next)
    this.#behind.push({ size, atNs: this.#options.clock.monotonicNs() })
  }

  #tell(error: unknown): void {
    const { alarm } = this.#options
    const code = codeOf(error) ?? ''
    this.#problem = messageOf(error)
    const what = UNVERIFIED.has(code)
      ? 'log_unverified'
      : code === 'SEARCH_FULL'
        ? 'index_full'
        : undefined
    if (what === undefined || what === this.#raised) return
    this.#raised = what
    alarm({ what, raised: true, about: this.#origin, detail: this.#problem })
  }

  #mended(): void {
    this.#problem = undefined
    const what = this.#raised
    if (what === undefined) return
    this.#raised = undefined
    const { alarm } = this.#options
    alarm({ what, raised: false, about: this.#origin, detail: 'reading goes on' })
  }
}

/** Opens records and hands them to the indexer, in order. */
export async function takeRecords(
  { from, entries }: Followed,
  {
    log,
    indexer,
    onRetention,
  }: {
    readonly log: FollowedLog
    readonly indexer: Indexer
    readonly onRetention: (leaf: Leaf) => Promise<void>
  },
): Promise<void> {
  for (const [at, entry] of entries.entries()) {
    const record = await openRecord(entry, { index: from + at, store: log.addenda })
    if (record.leaf.lifecycle?.kind === 'retention') {
      // What it lets go was before it. A crash between the two: it is read again, and lets go of what is left.
      await indexer.flush()
      await onRetention(record.leaf)
    }
    await indexer.take(record)
  }
}
