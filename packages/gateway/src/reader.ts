/**
 * The read side of one machine: follows logs into the index, and answers whoever may ask. It builds the rooms of the read side, and the
 * rooms of the write side once more for itself, since reading the log is access like any other. Everything it holds can be made again
 * from the logs; while it is down, requests pass and are recorded as ever.
 */
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { openSalts } from '@countersign/record/salt'
import type { LoadedConfig } from './config.ts'
import {
  type CanonicalLog,
  type Lifetime,
  type Program,
  type WriteSide,
  closeAll,
  openCanonicalLog,
  openLifetime,
  openWriteSide,
} from './gateway.ts'
import { createOperatorKey } from './identity.ts'
import { journey, recordMalformed } from './journey.ts'
import { layoutOf } from './ledger.ts'
import { type Clock, systemClock } from './platform.ts'
import { type Reading, compileReading } from './policy.ts'
import { type ApiFront, API_SERVICE, openApiFront } from './reader/api-front.ts'
import { type Counts, openCounts } from './reader/counts.ts'
import { Desk } from './reader/desk.ts'
import { messageOf } from './reader/errors.ts'
import { followAll } from './reader/follow-all.ts'
import type { FollowAlarm } from './reader/follow-log.ts'
import { openIndexOf } from './reader/index-place.ts'
import { Live } from './reader/live.ts'
import { openLogs } from './reader/logs.ts'
import { type Following, portsOf } from './reader/ports.ts'
import { removeRunFile, writeRunFile } from './reader/run-file.ts'
import { openSavedQuestions } from './reader/saved-questions.ts'
import { apiRoutes, createApi } from './report.ts'
import type { Index } from './search.ts'

export { hasRebuilt } from './reader/index-place.ts'
export { reindex } from './reader/reindex.ts'

/** A running reader. */
export interface Reader {
  /** URL of the API. */
  readonly url: string
  /** Puts another version of the configuration in force: who may read, keys, certificates, limits of requests. */
  reload(loaded: LoadedConfig): Promise<void>
  /** Puts on record that a version was refused; the one in force stays. */
  refused(sha256: string, cause: unknown): Promise<void>
  close(): Promise<void>
}

export interface ReaderOptions {
  readonly loaded: LoadedConfig
  /** For the boot record. */
  readonly program: Program
  readonly clock?: Clock
}

/** What is replaced on reload, in one assignment: a request sees all of one version. */
interface InForce {
  loaded: LoadedConfig
  reading: Reading
}

interface Standing {
  readonly clock: Clock
  readonly inForce: InForce
  readonly log: CanonicalLog
  readonly index: Index
  readonly desk: Desk
  readonly write: WriteSide
  readonly counts: Counts
  readonly lifetime: Lifetime
  readonly salt: () => Uint8Array
  /** Aborted when the reader ends: nobody waits for who only listens. */
  readonly ending: AbortController
}

/** What is open, the last first: closed in this order. */
type Closers = (() => Promise<void>)[]

/** This boot's key for whoever can read the data folder, and under whose name they are on record. */
interface Operator {
  readonly key: string
  readonly name: string
}

/**
 * Starts a reader; the ledger must be running.
 * @throws {ConfigError | PolicyError | IdentityError | LedgerError | SearchError | CaptureError | ReaderError} what could not be opened, and why.
 */
export async function startReader(options: ReaderOptions): Promise<Reader> {
  const closers: Closers = []
  try {
    return await start(options, closers)
  } catch (cause) {
    await closeAll(closers).catch(() => undefined)
    throw cause
  }
}

async function start(options: ReaderOptions, closers: Closers): Promise<Reader> {
  const { loaded } = options
  const operator =
    loaded.config.reader.operator === 'none'
      ? undefined
      : { key: createOperatorKey(), name: userInfo().username }
  const standing = await stand(options, operator, closers)
  await standing.lifetime.begin()
  closers.unshift(() => standing.lifetime.end())
  const live = new Live()
  const following = await follow(standing, live, closers)
  const front = await openFront(standing, { live, following })
  closers.unshift(() => front.close())
  const runDir = runDirOf(loaded)
  await writeRunFile(runDir, {
    api: front.localUrl,
    ...(operator === undefined ? {} : { key: operator.key }),
  })
  closers.unshift(() => removeRunFile(runDir))
  return {
    url: front.url,
    reload: (next) => reload(next, standing, front),
    refused: (sha256, cause) => standing.lifetime.refused(sha256, cause),
    async close() {
      standing.ending.abort()
      await closeAll(closers)
    },
  }
}

/** Everything that needs no log: the index, and the rooms of the write side with their session in the ledger. */
async function stand(
  { loaded, program, clock = systemClock }: ReaderOptions,
  operator: Operator | undefined,
  closers: Closers,
): Promise<Standing> {
  const inForce: InForce = { loaded, reading: compileReading(loaded.config, apiRoutes) }
  const log = openCanonicalLog({ clock })
  closers.unshift(async () => log.flush())
  // Before anything is on record: an index that another reader holds, or that is newer than we are, ends it here.
  const index = await openIndexOf(loaded)
  closers.unshift(() => index.close())
  const counts = openCounts()
  const salt = openSalts()
  const desk = new Desk({
    accesses: (actor, nowNs) => inForce.reading.accesses(actor, nowNs),
    decide: (actor, captured) => ({
      ...inForce.reading.decide(actor, captured),
      service: API_SERVICE,
    }),
    salt,
  })
  const write = await openWriteSide({
    inForce: () => inForce.loaded,
    clock,
    log,
    decide: (actor, captured) => desk.decide(actor, captured),
    kindOf: (decision) => inForce.reading.kindOf(decision),
    finished(summary) {
      counts.finished(summary)
      log.finished(summary)
    },
    ...(operator === undefined ? {} : { operator }),
  })
  closers.unshift(...write.closers)
  const lifetime = lifetimeOf({ inForce, log, write, counts, clock }, program)
  const ending = new AbortController()
  return { clock, inForce, log, index, desk, write, counts, lifetime, salt, ending }
}

function lifetimeOf(
  {
    inForce,
    log,
    write,
    counts,
    clock,
  }: Pick<Standing, 'inForce' | 'log' | 'write' | 'counts' | 'clock'>,
  program: Program,
): Lifetime {
  return openLifetime({
    component: 'reader',
    rooms: write.rooms,
    ledger: write.ledger,
    // Keys that were made or revoked are on record by the gateway.
    identity: { keyChanges: () => [], keysRecorded: () => undefined },
    clock,
    program,
    totals: () => counts.totals(),
    inForce: () => ({ config: inForce.loaded.sha256, policy: inForce.reading.hash }),
    heartbeatIntervalMs: inForce.loaded.config.ledger.heartbeatInterval,
    onError: (cause) =>
      log.logger.error({ cause: String(cause) }, 'could not write a lifecycle record'),
  })
}

async function follow(
  standing: Standing,
  live: Live,
  closers: Closers,
): Promise<readonly Following[]> {
  const { inForce, index, clock } = standing
  const all = followAll({
    logs: await openLogs(inForce.loaded),
    index,
    live,
    inForce: () => inForce.loaded,
    alarm: (alarm) => raise(alarm, standing),
    clock,
  })
  closers.unshift(() => all.close())
  return all.following
}

/** On record, and in the process's own log at once: the ledger may be what is away. */
function raise(alarm: FollowAlarm, { log, write: { rooms } }: Standing): void {
  const { what, raised, about, detail } = alarm
  if (raised) log.logger.error({ what, about, detail }, 'reading a log stopped')
  else log.logger.info({ what, about }, 'reading a log goes on')
  rooms.append(rooms.write.lifecycle({ kind: 'alarm', ...alarm })).catch((cause: unknown) => {
    rooms.losses.note(cause)
    log.logger.error({ what, cause: messageOf(cause) }, 'could not put an alarm on record')
  })
}

async function openFront(
  standing: Standing,
  { live, following }: { live: Live; following: readonly Following[] },
): Promise<ApiFront> {
  const { inForce, index, write, clock, salt, log, desk, counts, ending } = standing
  const { loaded } = inForce
  const { config } = loaded
  const stateDir = join(loaded.resolve(config.data), 'state')
  const api = createApi(
    portsOf({
      index,
      following,
      live,
      questions: await openSavedQuestions(join(stateDir, 'questions.json')),
      rooms: write.rooms,
      origin: config.origin,
      inForce: () => inForce.loaded,
      rowsMax: () => inForce.loaded.config.reader.limits.rowsMax,
      newId: write.newId,
      salt,
      clock,
      ending: ending.signal,
      failed: (error, record) =>
        log.logger.error({ record, cause: messageOf(error) }, 'could not answer a question'),
    }),
  )
  return await openApiFront({
    loaded,
    desk,
    api,
    runDir: runDirOf(loaded),
    listening: {
      clock,
      ids: write.newId,
      journey: (exchange) => journey(exchange, write.rooms),
      recordMalformed: async (malformed) => {
        counts.malformed()
        log.malformed(malformed)
        await recordMalformed(malformed, write.rooms)
      },
    },
  })
}

/** Who may read, swapped in one step. A version that cannot be built changes nothing. */
async function reload(next: LoadedConfig, standing: Standing, front: ApiFront): Promise<void> {
  const { inForce, write, lifetime } = standing
  const reading = compileReading(next.config, apiRoutes)
  await write.identity.reload(next)
  await front.update(next)
  const previous = inForce.loaded
  inForce.reading = reading
  inForce.loaded = next
  await lifetime.changed(previous.sha256)
}

function runDirOf(loaded: LoadedConfig): string {
  return layoutOf(loaded.resolve(loaded.config.data)).run
}
