/**
 * The records a gateway, or a reader, writes about itself: what its predecessor left open, boot, configuration in force,
 * heartbeats, gaps, shutdown. Heartbeats follow one another only when durable: `journey/unfinished.ts` relies on it.
 */
import { readFileSync } from 'node:fs'
import type { Lifecycle } from '@countersign/record/leaf'
import type { Identity } from '../identity.ts'
import type { Rooms } from '../journey.ts'
import { unfinished } from '../journey.ts'
import type { Ledger } from '../ledger.ts'
import type { Clock } from '../platform.ts'

export interface Lifetime {
  /** Closes what a crash left open, then writes boot and configuration. Rejects when the ledger cannot. */
  begin(): Promise<void>
  /** Another configuration is in force, or the same with other keys. @param previous SHA-256 (hex) of the one before. */
  changed(previous: string): Promise<void>
  /** A version was refused; the old one stays in force. */
  refused(config: string, cause: unknown): Promise<void>
  /** Last heartbeat and shutdown. */
  end(): Promise<void>
}

/** What program this is. `binary` is a SHA-256 (hex) over its files. */
export interface Program {
  readonly version: string
  readonly binary: string
}

export interface LifetimeOptions {
  readonly component: 'gateway' | 'reader'
  readonly rooms: Rooms
  readonly ledger: Ledger
  readonly clock: Clock
  readonly program: Program
  readonly totals: () => Readonly<Record<string, number>>
  /** SHA-256 (hex) of the configuration file and of the policy compiled from it. */
  readonly inForce: () => { config: string; policy: string }
  readonly identity: Pick<Identity, 'keyChanges' | 'keysRecorded'>
  readonly heartbeatIntervalMs: number
  readonly onError: (cause: unknown) => void
}

export function openLifetime(options: LifetimeOptions): Lifetime {
  const { rooms, ledger, clock } = options
  const drift = openDrift(clock)
  let timer: NodeJS.Timeout | undefined
  let beating: Promise<void> = Promise.resolve()

  const write = async (fact: Lifecycle): Promise<void> => {
    await rooms.append(rooms.write.lifecycle(fact))
  }
  const writeKeys = async (): Promise<void> => {
    const changes = options.identity.keyChanges()
    for (const { key, change } of changes) await write({ kind: 'key', change, key })
    options.identity.keysRecorded(changes)
  }
  const beat = async (): Promise<void> => {
    await writeGap(rooms)
    const oldest = rooms.open.oldest()
    await write({
      kind: 'heartbeat',
      // Taken in the same turn in which the heartbeat gets its number: they count exactly the records before it.
      counters: { ...options.totals(), lost: rooms.losses.total, ...ledger.written },
      clock: drift(),
      ...(oldest === undefined ? {} : { open_from: oldest }),
      open: rooms.open.count,
      // Two sessions of one ledger: each boot closes what its own kind left.
      ...(options.component === 'gateway' ? {} : { component: options.component }),
    })
  }
  const schedule = (): void => {
    timer = setTimeout(() => {
      beating = beat().catch(options.onError).finally(schedule)
    }, options.heartbeatIntervalMs)
    timer.unref()
  }
  return {
    async begin() {
      await closeUnfinished(options)
      const { config, policy } = options.inForce()
      await write({
        kind: 'boot',
        component: options.component,
        ...options.program,
        config,
        clock: drift(),
      })
      await write({ kind: 'config', config, policy, accepted: true })
      await writeKeys()
      schedule()
    },
    async changed(previous) {
      const inForce = options.inForce()
      if (inForce.config !== previous) {
        await write({ kind: 'config', ...inForce, previous, accepted: true })
      }
      await writeKeys()
    },
    async refused(config, cause) {
      const { policy } = options.inForce()
      const error = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
      await write({ kind: 'config', config, policy, accepted: false, error })
    },
    async end() {
      clearTimeout(timer)
      await beating
      clearTimeout(timer)
      // After an outage the queue may still be full, and would refuse the gap, which nobody else remembers.
      while (ledger.pending > 0) await ledger.status()
      await beat()
      await write({ kind: 'shutdown', component: options.component })
    },
  }
}

/** What a session before this one left open is over, and nobody knows how it ended. */
async function closeUnfinished({ ledger, rooms, component }: LifetimeOptions): Promise<void> {
  const { durable } = await ledger.status()
  for (const intent of await unfinished(ledger, durable, component))
    await rooms.append(rooms.write.unknown(intent))
}

async function writeGap(rooms: Rooms): Promise<void> {
  const gap = rooms.losses.take()
  if (gap === undefined) return
  try {
    await rooms.append(rooms.write.lifecycle(gap))
  } catch (cause) {
    if (!rooms.losses.isWaiting(cause)) rooms.losses.putBack(gap)
    throw cause
  }
}

/** How far the wall clock has moved away from the monotonic one since the process began: a step shows here. */
function openDrift(clock: Clock): () => { source: string; offset_ns: number } {
  const startedWall = clock.nowNs()
  const startedMonotonic = clock.monotonicNs()
  const source = clockSource()
  return () => ({
    source,
    offset_ns: Number(clock.nowNs() - startedWall - (clock.monotonicNs() - startedMonotonic)),
  })
}

function clockSource(): string {
  try {
    const path = '/sys/devices/system/clocksource/clocksource0/current_clocksource'
    return `system/${readFileSync(path, 'utf8').trim()}`
  } catch {
    // Not Linux, or hidden from us: the name is a convenience, the offset is the evidence.
    return 'system'
  }
}
