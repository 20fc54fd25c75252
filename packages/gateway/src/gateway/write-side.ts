/**
 * The write side as any process has it that takes requests: who, whether, sealed, on record. The gateway has one for what passes, and
 * the reader one for whoever reads the log. Each is a session of its own in the ledger.
 */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { openIds } from '@countersign/record/id'
import { dropAfter, retentionDays } from '@countersign/record/retention'
import type { RetentionRules } from '@countersign/record/retention'
import { openSalts } from '@countersign/record/salt'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import { type LoadedConfig, retentionRules } from '../config.ts'
import { type Identity, type IdentityOptions, openIdentity } from '../identity.ts'
import {
  type Losses,
  type OpenIntents,
  type Rooms,
  type Transcriber,
  type TranscriberOptions,
  openLosses,
  openOpenIntents,
  openTranscriber,
} from '../journey.ts'
import { type Ledger, type LedgerStatus, connectLedger, layoutOf } from '../ledger.ts'
import type { Clock } from '../platform.ts'
import { type Sealing, openSealing, readTenantKey } from '../seal.ts'
import { appender, isWaiting, whyUnavailable } from './appender.ts'
import type { CanonicalLog } from './canonical-log.ts'
import { type Pressure, openPressure } from './pressure.ts'

/** What is replaced on reload, in one assignment: a request sees all of one version. */
export interface WriteSideOptions {
  /** The configuration in force now. */
  readonly inForce: () => LoadedConfig
  readonly clock: Clock
  readonly log: CanonicalLog
  readonly decide: (actor: Actor, captured: Captured) => Decision
  /** Told of each finished request. */
  readonly finished: Rooms['finished']
  /** What a record of a decision is, where it is not that of a request to a service. */
  readonly kindOf?: TranscriberOptions['kindOf']
  /** Who is known beside those of the configuration. */
  readonly operator?: IdentityOptions['operator']
}

/** The rooms of the write side, open. */
export interface WriteSide {
  readonly rooms: Rooms
  readonly identity: Identity
  readonly ledger: Ledger
  readonly pressure: Pressure
  readonly losses: Losses
  readonly open: OpenIntents
  /** Whether the ledger answers. */
  readonly health: { up: boolean }
  readonly newId: () => string
  /** The witnesses as the ledger last saw them; null when it does not answer. */
  witnesses(): Promise<LedgerStatus['witnesses'] | null>
  readonly closers: readonly (() => Promise<void>)[]
}

const nsPerMs = 1_000_000n

/** @throws {IdentityError | SealError | LedgerError} */
export async function openWriteSide(options: WriteSideOptions): Promise<WriteSide> {
  const { clock, inForce, log } = options
  const loaded = inForce()
  const { config } = loaded
  const newId = openIds({ nowMs: () => Number(clock.nowNs() / nsPerMs) })
  const identity = await identityOf(loaded, options)
  const sealing = await sealingOf(loaded)
  const health = { up: true }
  const ledger = await ledgerOf(loaded, { clock, session: newId(), log, health })
  const pressure = openPressure({
    boundMs: config.ledger.boundedWithin,
    nowMs: () => performance.now(),
  })
  const losses = openLosses({ clock, isQueued: isWaiting, codeOf })
  const open = openOpenIntents()
  const rooms: Rooms = {
    identify: (captured) => identity.identify(captured),
    decide: options.decide,
    append: appender({ ledger, sealing, pressure }),
    whyUnavailable,
    withinBound: () => pressure.withinBound(),
    pressure: () => pressure.relief(),
    write: transcriberOf(options, newId),
    open,
    losses,
    finished: options.finished,
  }
  return {
    rooms,
    identity,
    ledger,
    pressure,
    losses,
    open,
    health,
    newId,
    witnesses: () =>
      ledger.status().then(
        ({ witnesses }) => witnesses,
        () => null,
      ),
    closers: [() => ledger.close(), () => identity.close(), async () => sealing?.close()],
  }
}

async function sealingOf(loaded: LoadedConfig): Promise<Sealing | undefined> {
  const { seal } = loaded.config
  if (seal === undefined) return undefined
  const tenantKey = await readTenantKey(loaded.resolve(seal.key))
  return openSealing({ stateDir: stateDirOf(loaded), tenantKey })
}

function stateDirOf(loaded: LoadedConfig): string {
  return join(loaded.resolve(loaded.config.data), 'state')
}

async function identityOf(
  loaded: LoadedConfig,
  { clock, operator }: WriteSideOptions,
): Promise<Identity> {
  const hex = await readFile(loaded.resolve(loaded.config.fingerprintKey), 'utf8')
  return openIdentity({
    loaded,
    clock,
    stateDir: stateDirOf(loaded),
    fingerprintKey: Buffer.from(hex.trim(), 'hex'),
    ...(operator === undefined ? {} : { operator }),
  })
}

interface LedgerStart {
  readonly clock: Clock
  readonly session: string
  readonly log: CanonicalLog
  readonly health: { up: boolean }
}

function ledgerOf(loaded: LoadedConfig, start: LedgerStart): Promise<Ledger> {
  const { config } = loaded
  const { clock, session, log, health } = start
  return connectLedger({
    socketPath: layoutOf(loaded.resolve(config.data)).socket,
    clock,
    session,
    pendingMax: config.ledger.pendingMax,
    batchBytesMax: config.ledger.batchBytesMax,
    batchAgeMs: config.ledger.batchAge,
    onDown: (cause) => {
      health.up = false
      log.logger.error({ cause: cause.message }, 'the ledger does not answer')
    },
    onUp: () => {
      health.up = true
      log.logger.info('the ledger answers')
    },
  })
}

function transcriberOf(
  { inForce, clock, kindOf }: WriteSideOptions,
  newId: () => string,
): Transcriber {
  const { environment } = inForce().config
  return openTranscriber({
    ...(environment === undefined ? {} : { environment }),
    instance: hostname(),
    ownerOf: (service) => inForce().config.services[service]?.owner?.team,
    nowNs: () => clock.nowNs(),
    newId,
    salt: openSalts(),
    dropAfter: openRetention(inForce),
    ...(kindOf === undefined ? {} : { kindOf }),
  })
}

/** Up to which day content is kept, by the rules in force now: what is sealed already keeps its day. */
function openRetention(inForce: () => LoadedConfig): NonNullable<TranscriberOptions['dropAfter']> {
  let made: { readonly of: LoadedConfig; readonly rules: RetentionRules } | undefined
  return (kept, occurredNs) => {
    const loaded = inForce()
    if (made?.of !== loaded) made = { of: loaded, rules: retentionRules(loaded.config) }
    return dropAfter(occurredNs, retentionDays(made.rules, kept))
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
}
