/** Follows every log of a configuration at the same time, each in its own loop: one that is broken or away holds up no other. */
import { dropAfter, dropOf, retentionDays } from '@countersign/record/retention'
import type { Leaf } from '@countersign/record/leaf'
import type { Transaction } from '@countersign/record/transaction'
import type { LoadedConfig } from '../config.ts'
import { retentionRules } from '../config.ts'
import type { Clock } from '../platform.ts'
import type { Index } from '../search.ts'
import { LogFollower } from './follow-log.ts'
import type { FollowAlarm } from './follow-log.ts'
import type { Live } from './live.ts'
import type { FollowedLog } from './logs.ts'
import { pause } from './pause.ts'
import type { Following } from './ports.ts'

export interface FollowAllOptions {
  readonly logs: readonly FollowedLog[]
  readonly index: Index
  readonly live: Live
  readonly inForce: () => LoadedConfig
  readonly alarm: (alarm: FollowAlarm) => void
  readonly clock: Clock
}

/** Every log under way. */
export interface FollowingAll {
  readonly following: readonly Following[]
  /** Resolves when all have stopped; what was read is in the index, or is read again. */
  close(): Promise<void>
}

export function followAll(options: FollowAllOptions): FollowingAll {
  const stop = new AbortController()
  const { logs, index, live, clock, alarm } = options
  const following = logs.map((log) => {
    const follower = new LogFollower({
      log,
      index,
      dropAfterOf: (transaction) => lastDayOf(transaction, options.inForce()),
      onIndexed: (transactions) => live.publish(transactions),
      ...(log.isOwn ? { onRetention: (leaf, origin) => letGo(leaf, origin, index) } : {}),
      alarm,
      clock,
      signal: stop.signal,
      pause,
    })
    return { log, follower }
  })
  const running = following.map(({ follower }) => follower.run())
  return {
    following,
    async close() {
      stop.abort()
      await Promise.all(running)
      for (const log of logs) log.close()
    },
  }
}

/** By the rules in force when it is indexed: the same by which its content was sealed, unless they changed since. */
function lastDayOf(transaction: Transaction, { config }: LoadedConfig): string | undefined {
  const { labels, service, time } = transaction
  return dropAfter(BigInt(time), retentionDays(retentionRules(config), { labels, service }))
}

/** A retention that is on record lets go of rows as well: of those before it, so that reading the log again does the same. */
async function letGo(leaf: Leaf, origin: string, index: Index): Promise<void> {
  const drop = dropOf(leaf)
  if (drop !== undefined) await index.drop(origin, drop)
}
