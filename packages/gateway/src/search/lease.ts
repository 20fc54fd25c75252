/**
 * Who writes an index that lies on a server: one reader at a time, as long as it says so every few seconds in a table. ClickHouse has no
 * lock and no transaction to make one of, so this rests on time: on how fast clocks run, not on what they show.
 *
 * - Whoever wants it writes a claim, waits, and looks. What was written before it is visible by then, since a claim that took longer is
 *   given up by its own writer. The first claim has it.
 * - Whoever has it stops to write before the others may think that it is gone.
 *
 * What it does not do: a statement that was sent in time and reaches ClickHouse late, through a network that kept it, is not refused.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../platform.ts'
import { oneRow } from './engine.ts'
import type { Engine } from './engine.ts'
import { SearchError } from './errors.ts'
import { LEASES } from './schema.ts'
import type { Placement } from './schema.ts'
import { isGone, thisProcess } from './this-process.ts'
import type { ProcessName } from './this-process.ts'

export interface LeaseTimes {
  /** How often it is said that it is still wanted. */
  readonly beatMs: number
  /** After so long without a word it is anybody's. */
  readonly lapseMs: number
  /** So long before that its holder stops to write. */
  readonly marginMs: number
  /** How long a claim may take to be visible to all. */
  readonly claimMs: number
}

const TIMES: LeaseTimes = { beatMs: 3000, lapseMs: 15_000, marginMs: 4000, claimMs: 1000 }

/** Claims that took too long before it is given up. */
const CLAIMS_MAX = 3
const NS_PER_MS = 1_000_000n

export interface LeaseOptions {
  readonly engine: Engine
  readonly placement: Placement
  readonly clock: Clock
  readonly times?: Partial<LeaseTimes>
  readonly process?: ProcessName
}

/** The right to write, held. */
export interface Lease {
  /** Grows when it lapsed and was taken again: others may have written in between. */
  readonly generation: number
  /**
   * Returns when we may write. Where the lease lapsed it is taken again, and that fails once all the same: what was known is old.
   * @throws {SearchError} `SEARCH_IN_USE` when another reader has it by now, else `SEARCH_UNAVAILABLE`
   */
  assure(): Promise<void>
  /** Lets the next reader have it at once. */
  release(): Promise<void>
}

/** A claim as it stands in the table. */
interface Claim extends ProcessName {
  readonly token: string
  readonly since: string
  readonly beat: string
  readonly silentMs: number
}

interface State extends LeaseOptions {
  readonly times: LeaseTimes
  readonly own: ProcessName
  token: string
  since: string
  generation: number
  /** By the monotonic clock. */
  validUntilNs: bigint
  taking: Promise<void> | undefined
  beating: Promise<void> | undefined
}

/** Takes it. @throws {SearchError} `SEARCH_IN_USE` when another reader has it, which is named */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { engine, placement } = options
  for (const sql of leaseTable(placement)) await engine.command(sql)
  const state: State = {
    ...options,
    times: { ...TIMES, ...options.times },
    own: options.process ?? thisProcess(),
    token: '',
    since: '',
    generation: 0,
    validUntilNs: 0n,
    taking: undefined,
    beating: undefined,
  }
  await waitForOthers(state)
  await claim(state)
  const beats = setInterval(() => beatOnce(state), state.times.beatMs)
  // A process that has nothing else to do may end.
  beats.unref()
  return {
    get generation() {
      return state.generation
    },
    assure: () => assure(state),
    async release() {
      clearInterval(beats)
      await state.beating
      if (isValid(state)) await engine.insert(oneRow(LEASES, { ...rowOf(state), gone: 1 }))
    },
  }
}

/** Reader of which the table speaks: there is one for each database. */
const NAME = 'reader'

function leaseTable({ local, onCluster, engine, above }: Placement): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${local(LEASES)}${onCluster}
      (name String, token String, host String, machine String, pid UInt32,
        since DateTime64(3, 'UTC') DEFAULT now64(3), beat DateTime64(3, 'UTC') DEFAULT now64(3), gone UInt8 DEFAULT 0)
      ENGINE = ${engine(LEASES, 'ReplacingMergeTree(beat)')} ORDER BY (name, token)
      TTL toDateTime(beat) + INTERVAL 30 DAY SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`,
    ...above(LEASES),
  ]
}

/** Everybody's claims that have not lapsed, the first one first. */
async function claims({ engine, times }: State): Promise<readonly Claim[]> {
  const found: Claim[] = []
  for await (const row of engine.rows(
    `SELECT token, any(host) AS host, any(machine) AS machine, any(pid) AS pid, toString(min(since)) AS first,
        toString(max(beat)) AS last, dateDiff('millisecond', max(beat), now64(3)) AS silent
      FROM ${LEASES} WHERE name = '${NAME}' GROUP BY token
      HAVING max(gone) = 0 AND silent < ${times.lapseMs} ORDER BY min(since), token`,
  ))
    found.push({
      token: String(row['token']),
      host: String(row['host']),
      machine: String(row['machine']),
      pid: Number(row['pid']),
      since: String(row['first']),
      beat: String(row['last']),
      silentMs: Number(row['silent']),
    })
  return found
}

/** Until whoever has it lets it go or lapses; one that is alive says so soon. */
async function waitForOthers(state: State): Promise<void> {
  const { times } = state
  const seen = new Map<string, string>()
  const looks = Math.ceil(times.lapseMs / times.claimMs) + 1
  for (let look = 0; look <= looks; look++) {
    const [first] = await withoutGone(state, await claims(state))
    if (first === undefined) return
    const beat = seen.get(first.token)
    if (look === looks || (beat !== undefined && beat !== first.beat)) throw inUse(first)
    seen.set(first.token, first.beat)
    await pause(times.claimMs)
  }
}

/** A reader of this machine that was killed need not be waited for. */
async function withoutGone(state: State, all: readonly Claim[]): Promise<readonly Claim[]> {
  const alive = []
  for (const other of all) {
    if (isGone(other, state.own))
      await state.engine.insert(oneRow(LEASES, { ...rowOf({ ...other, own: other }), gone: 1 }))
    else alive.push(other)
  }
  return alive
}

async function claim(state: State): Promise<void> {
  const { engine, clock, times, own } = state
  for (let attempt = 0; attempt < CLAIMS_MAX; attempt++) {
    const token = randomUUID()
    const startNs = clock.monotonicNs()
    await engine.insert(oneRow(LEASES, { name: NAME, token, ...own }))
    const tookMs = Number((clock.monotonicNs() - startNs) / NS_PER_MS)
    if (tookMs < times.claimMs) {
      await pause(times.claimMs)
      const [first] = await claims(state)
      if (first?.token === token) {
        state.token = token
        state.since = first.since
        state.validUntilNs = validFrom(startNs, times)
        return
      }
      await giveUp(state, token)
      if (first !== undefined) throw inUse(first)
    } else await giveUp(state, token)
  }
  throw new SearchError(
    'SEARCH_UNAVAILABLE',
    `could not open the index: ClickHouse took longer than ${times.claimMs} ms to note who writes it`,
    { hint: 'try again when it has less to do' },
  )
}

async function giveUp({ engine, own }: State, token: string): Promise<void> {
  await engine.insert(oneRow(LEASES, { name: NAME, token, ...own, gone: 1 }))
}

function validFrom(startNs: bigint, { lapseMs, marginMs }: LeaseTimes): bigint {
  return startNs + BigInt(lapseMs - marginMs) * NS_PER_MS
}

function isValid({ clock, validUntilNs }: State): boolean {
  return clock.monotonicNs() < validUntilNs
}

function rowOf({
  token,
  since,
  own,
}: Pick<State, 'token' | 'since' | 'own'>): Record<string, unknown> {
  const { host, machine, pid } = own
  return { name: NAME, token, host, machine, pid, since }
}

function beatOnce(state: State): void {
  if (state.beating !== undefined || !isValid(state)) return
  state.beating = sayBeat(state).finally(() => {
    state.beating = undefined
  })
}

/** One that fails is followed by the next; when none is heard in time, the lease lapses. */
async function sayBeat(state: State): Promise<void> {
  const { engine, clock, times, token } = state
  const startNs = clock.monotonicNs()
  try {
    await engine.insert(oneRow(LEASES, rowOf(state)))
    // Heard too late, it is no good: others may have looked in between.
    if (isValid(state) && state.token === token) state.validUntilNs = validFrom(startNs, times)
  } catch (error) {
    if (!(error instanceof SearchError)) throw error
  }
}

async function assure(state: State): Promise<void> {
  if (isValid(state)) return
  state.taking ??= takeAgain(state).finally(() => {
    state.taking = undefined
  })
  await state.taking
  throw new SearchError(
    'SEARCH_UNAVAILABLE',
    'could not write the index: for a while ClickHouse did not hear that this reader still does, and another one could have',
    { hint: 'the reader looks what is there, and goes on by itself' },
  )
}

async function takeAgain(state: State): Promise<void> {
  const others = (await withoutGone(state, await claims(state))).filter(
    ({ token }) => token !== state.token,
  )
  const [first] = others
  if (first !== undefined) throw inUse(first)
  if (state.token !== '') await giveUp(state, state.token)
  await claim(state)
  state.generation += 1
}

function inUse({ host, pid, since, silentMs }: Claim): SearchError {
  // Attacker-controlled: whoever can write to the table chose the name.
  const shown = /^[\w.-]{1,255}$/.test(host) ? host : 'unknown'
  const seconds = Math.round(silentMs / 1000)
  return new SearchError(
    'SEARCH_IN_USE',
    `could not open the index: the reader ${shown}, process ${pid}, writes it since ${since} UTC, heard of ${seconds} s ago`,
    { hint: 'one reader an index: stop the other one, or give this one a database of its own' },
  )
}
