/** Reads the configuration, builds the rooms, starts and stops them. With `reader.ts`, all that constructs rooms. */
import {
  type EgressListening,
  type EgressOptions,
  type InboundListening,
  type InboundOptions,
  type Listening,
  listenEgress,
  listenInbound,
} from './capture.ts'
import type { Config, LoadedConfig } from './config.ts'
import type { ListenerConfig } from './config/schema.ts'
import { type Admin, listenAdmin } from './gateway/admin.ts'
import { type CanonicalLog, openCanonicalLog } from './gateway/canonical-log.ts'
import { closeAll } from './gateway/close-all.ts'
import { type Lifetime, type Program, openLifetime } from './gateway/lifetime.ts'
import { type Metrics, openMetrics } from './gateway/metrics.ts'
import { type ListenerMaterial, readListener, readUpstreams } from './gateway/material.ts'
import { openOwnAddresses } from './gateway/own-addresses.ts'
import { type WriteSide, openWriteSide } from './gateway/write-side.ts'
import { type Rooms, journey, recordMalformed } from './journey.ts'
import { type Clock, systemClock } from './platform.ts'
import { type Policy, compilePolicy } from './policy.ts'

export { openCanonicalLog, type CanonicalLog } from './gateway/canonical-log.ts'
export { closeAll } from './gateway/close-all.ts'
export { openLifetime, type Lifetime, type Program } from './gateway/lifetime.ts'
export { readListener } from './gateway/material.ts'
export { openWriteSide, type WriteSide } from './gateway/write-side.ts'

/** A running gateway. */
export interface Gateway {
  readonly addresses: {
    readonly inbound?: Bound
    readonly egress?: Bound
    readonly admin?: Bound
  }
  /**
   * Puts another version of the configuration in force without dropping a connection. What cannot be
   * changed while running (listeners, data, keys) is named in the log and stays as it was.
   */
  reload(loaded: LoadedConfig): Promise<void>
  /** Puts on record that a version was refused; the one in force stays. */
  refused(sha256: string, cause: unknown): Promise<void>
  /** Stops listening, lets open requests end, writes the last records. */
  close(): Promise<void>
}

export interface Bound {
  readonly address: string
  readonly port: number
}

/** What is replaced on reload, in one assignment: a request sees all of one version. */
interface InForce {
  loaded: LoadedConfig
  policy: Policy
}

interface Running {
  readonly clock: Clock
  readonly inForce: InForce
  readonly write: WriteSide
  readonly rooms: Rooms
  readonly lifetime: Lifetime
  readonly metrics: Metrics
  readonly log: CanonicalLog
  readonly health: { up: boolean }
}

/** What a gateway is started from. */
export interface GatewayOptions {
  readonly loaded: LoadedConfig
  /** For the boot record. */
  readonly program: Program
  readonly clock?: Clock
}

/**
 * Starts a gateway; the ledger must be running.
 * @throws {ConfigError | PolicyError | IdentityError | LedgerError | CaptureError} what could not be opened, and why.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const running = await build(options, options.clock ?? systemClock)
  try {
    // The tail of the last session is closed, and this one announced, before the first request is taken.
    await running.lifetime.begin()
    const listeners = await listen(running)
    return gatewayOf(running, listeners)
  } catch (cause) {
    // What is open would keep the process alive, reconnecting for ever.
    await closeAll(running.write.closers).catch(() => undefined)
    throw cause
  }
}

function gatewayOf(running: Running, listeners: Listeners): Gateway {
  return {
    addresses: listeners.addresses,
    reload: (next) => reload(next, running, listeners),
    refused: (sha256, cause) => running.lifetime.refused(sha256, cause),
    async close() {
      await closeAll([
        () => listeners.close(),
        () => running.lifetime.end(),
        ...running.write.closers,
      ]).finally(() => running.log.flush())
    },
  }
}

async function build({ loaded, program }: GatewayOptions, clock: Clock): Promise<Running> {
  const { config } = loaded
  const inForce: InForce = { loaded, policy: compilePolicy(config) }
  const log = openCanonicalLog({ clock })
  const write = await openWriteSide({
    inForce: () => inForce.loaded,
    clock,
    log,
    decide: (actor, captured) => inForce.policy.decide(actor, captured),
    finished(summary) {
      metrics.finished(summary)
      log.finished(summary)
    },
  })
  const { rooms, ledger, identity, health, pressure, losses, open } = write
  const metrics = openMetrics({
    ledgerUp: () => health.up,
    waitingRecords: () => pressure.waiting,
    lostRecords: () => losses.total,
    openIntents: () => open.count,
    // That the ledger does not answer is a gauge of its own.
    witnesses: () => write.witnesses(),
  })
  const lifetime = openLifetime({
    component: 'gateway',
    rooms,
    ledger,
    identity,
    clock,
    program,
    totals: () => metrics.totals(),
    inForce: () => ({ config: inForce.loaded.sha256, policy: inForce.policy.hash }),
    heartbeatIntervalMs: config.ledger.heartbeatInterval,
    onError: (cause) =>
      log.logger.error({ cause: String(cause) }, 'could not write a lifecycle record'),
  })
  return { clock, inForce, write, rooms, lifetime, metrics, log, health }
}

interface Listeners {
  readonly addresses: Gateway['addresses']
  readonly inbound?: InboundListening
  readonly egress?: EgressListening
  close(): Promise<void>
}

async function listen(running: Running): Promise<Listeners> {
  const { loaded } = running.inForce
  const { listen: wanted } = loaded.config
  const open: (Listening | Admin)[] = []
  const started = async <T extends Listening | Admin>(listening: Promise<T>): Promise<T> => {
    const opened = await listening
    open.push(opened)
    return opened
  }
  try {
    const inbound = wanted.inbound && (await started(inboundListener(running, wanted.inbound)))
    const ownPorts = (): ReadonlySet<number> =>
      new Set([...open.map(({ port }) => port), ...portOf(wanted.log)])
    const egress =
      wanted.egress &&
      (await started(egressListener(running, { listener: wanted.egress, ownPorts })))
    const admin = wanted.admin && (await started(adminListener(running, wanted.admin.address)))
    return {
      addresses: {
        ...(inbound === undefined ? {} : { inbound: bound(inbound) }),
        ...(egress === undefined ? {} : { egress: bound(egress) }),
        ...(admin === undefined ? {} : { admin: bound(admin) }),
      },
      ...(inbound === undefined ? {} : { inbound }),
      ...(egress === undefined ? {} : { egress }),
      async close() {
        await Promise.all(open.map((listener) => listener.close()))
      },
    }
  } catch (cause) {
    await Promise.all(open.map((listener) => listener.close()))
    throw cause
  }
}

function portOf(listener: ListenerConfig | undefined): number[] {
  return listener === undefined
    ? []
    : [Number(listener.address.slice(listener.address.lastIndexOf(':') + 1))]
}

function adminListener(running: Running, listenAt: string): Promise<Admin> {
  const { metrics, rooms, health } = running
  return listenAdmin({
    listen: listenAt,
    metrics,
    notReady() {
      if (!health.up) return 'the ledger does not answer'
      return rooms.withinBound() ? undefined : 'records wait for longer than they may'
    },
  })
}

function bound(listening: Bound): Bound {
  return { address: listening.address, port: listening.port }
}

/** What both listeners are given. */
function shared(running: Running): Shared {
  return {
    limits: running.inForce.loaded.config.limits,
    clock: running.clock,
    ids: running.write.newId,
    gatewayName: 'countersign',
    journey: (exchange) => journey(exchange, running.rooms),
    recordMalformed: async (malformed) => {
      running.metrics.malformed(malformed.direction, malformed.defect)
      running.log.malformed(malformed)
      await recordMalformed(malformed, running.rooms)
    },
  }
}

type Shared = Pick<
  InboundOptions & EgressOptions,
  'limits' | 'clock' | 'ids' | 'gatewayName' | 'journey' | 'recordMalformed'
>

async function inboundListener(
  running: Running,
  listener: ListenerConfig,
): Promise<InboundListening> {
  const { loaded } = running.inForce
  return listenInbound({
    ...shared(running),
    listener: await readListener(listener, loaded),
    trustedHops: loaded.config.trustedHops,
    services: await readUpstreams(loaded),
  })
}

async function egressListener(running: Running, options: EgressStart): Promise<EgressListening> {
  const { inForce } = running
  const own = openOwnAddresses({ ports: options.ownPorts, nowMs: () => performance.now() })
  return listenEgress({
    ...shared(running),
    listener: await readListener(options.listener, inForce.loaded),
    decideAddresses: (decision, target) =>
      inForce.policy.decideAddresses(decision, { ...target, own }),
    decideTunnel: (decision, sight) => inForce.policy.decideTunnel(decision, sight),
  })
}

interface EgressStart {
  readonly listener: ListenerConfig
  /** Ports that must not be dialled on this machine: our own. */
  readonly ownPorts: () => ReadonlySet<number>
}

/** Swaps policy and identity in one step; listeners follow. A version that cannot be built changes nothing. */
async function reload(next: LoadedConfig, running: Running, listeners: Listeners): Promise<void> {
  const { inForce, write, lifetime, log } = running
  // All that can fail comes first.
  const policy = compilePolicy(next.config)
  const { limits, trustedHops, listen: wanted } = next.config
  const [services, inbound, egress] = await Promise.all([
    readUpstreams(next),
    wanted.inbound && readListener(wanted.inbound, next),
    wanted.egress && readListener(wanted.egress, next),
  ])
  await write.identity.reload(next)
  const previous = inForce.loaded
  inForce.policy = policy
  inForce.loaded = next
  listeners.inbound?.update({ services, trustedHops, limits, ...tlsOf(inbound) })
  listeners.egress?.update({ limits, ...tlsOf(egress) })
  for (const key of needRestart(previous.config, next.config)) {
    log.logger.warn({ key }, 'changed in the file, and waits for a restart')
  }
  await lifetime.changed(previous.sha256)
}

function tlsOf(material: ListenerMaterial | undefined): Pick<ListenerMaterial, 'tls'> {
  return material?.tls === undefined ? {} : { tls: material.tls }
}

/** Keys that are read once, at the start. */
function needRestart(before: Config, after: Config): string[] {
  const fixed = [
    'origin',
    'environment',
    'data',
    'signer',
    'sequencer',
    'witnesses',
    'fingerprintKey',
    'seal',
    'listen',
    'ledger',
    'scrub',
  ] as const
  return fixed.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
}
