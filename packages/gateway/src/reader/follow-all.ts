/** Follows every log of a configuration at the same time, each in its own loop: one that is broken or away holds up no other. */
import type { LoadedConfig } from '../config.ts'
import type { Clock } from '../platform.ts'
import type { Index } from '../search.ts'
import { LogFollower } from './follow-log.ts'
import type { FollowAlarm } from './follow-log.ts'
import { lastDayOf, letGo } from './let-go.ts'
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
