/**
 * Judges whether a range of the log has no hole. Proved from what every record carries: its number in its session and the record
 * before it; and from heartbeats, which count what was written, and gap records, which count what could not be. What no record can
 * tell, such as how a session that crashed would have gone on, is said and not passed over.
 */
import { FINDINGS_MAX } from './finding.ts'
import { difference, holeBetween, sameCounts } from './history.ts'
import type { Counts, Hole, KnownGap, Life, RangeHistory } from './history.ts'

/** Leaf indexes, both included. An empty range has `last` before `first`. */
export interface EntryRange {
  readonly first: number
  readonly last: number
}

/**
 * How a session ended. `crash`: another of its kind booted later. `running`: the log ends with it. `silent`: the log goes on for long
 * without it. `tool`: it has no boot and holds no requests, only a fact or two about the log: an alarm, an erasure.
 */
export type SessionEnd = 'shutdown' | 'crash' | 'running' | 'silent' | 'tool'

export interface SessionFate {
  readonly session: string
  /** `gateway`, `reader` or `ledger`, as it booted; absent for a session without a boot. */
  readonly component?: string | undefined
  readonly firstEntry: number
  readonly lastEntry: number
  readonly records: number
  readonly heartbeats: number
  readonly end: SessionEnd
}

/** The judgement. Lists are cut at 100; totals are not. */
export interface Completeness {
  readonly range: EntryRange
  /** `unproved`: no hole was found, and not everything can be proved. */
  readonly verdict: 'complete' | 'unproved' | 'holes'
  readonly holes: readonly Hole[]
  readonly holesTotal: number
  /** What cannot be proved, and why. */
  readonly unproved: readonly string[]
  readonly unprovedTotal: number
  readonly gaps: readonly KnownGap[]
  /** All gap records of the log when `gapsTruncated`: more than 100 are not told apart by range. */
  readonly gapsTruncated: boolean
  readonly openIntents: readonly { readonly entry: number; readonly id: string }[]
  readonly openIntentsTotal: number
  readonly sessions: readonly SessionFate[]
  readonly sessionsTotal: number
}

export interface Judged {
  readonly size: number
  readonly histories: readonly RangeHistory[]
  /** Intents without an outcome, by id, with the leaf index. */
  readonly open: ReadonlyMap<string, number>
  /** Asked for by index; by time when absent, or all of the log. */
  readonly entries?: EntryRange | undefined
  readonly isWindow: boolean
}

/** Without a heartbeat for so many of its intervals, a session no longer runs. */
const SILENT_INTERVALS = 3n
/** A log that goes on for less than this without a session says nothing about it. */
const SILENT_NS_MIN = 60_000_000_000n

/** @returns the judgement; the log itself must have been verified. */
export function judge(judged: Judged): Completeness {
  const { histories, size } = judged
  const range = rangeOf(judged)
  const joined = join(histories)
  const fates = fatesOf(joined.lives, { endNs: maxOf(histories.map(({ endNs }) => endNs)), size })
  const holes = joined.holes
    .filter((hole) => touches(range, hole.after, hole.before))
    // The closest first: a record left out breaks the order in one place, and then the count of a heartbeat far behind it.
    .toSorted((a, b) => a.before - a.after - (b.before - b.after) || a.after - b.after)
  const here = fates.filter(({ life, until }) => touches(range, life.firstEntry, until))
  const unproved = here.flatMap((fate) => doubts(fate, range))
  const gaps = histories.flatMap((history) => history.gaps)
  const open = [...judged.open]
    .map(([id, entry]) => ({ entry, id }))
    .filter(({ entry }) => entry >= range.first && entry <= range.last)
  return {
    range,
    verdict: holes.length > 0 ? 'holes' : unproved.length > 0 ? 'unproved' : 'complete',
    holes: holes.slice(0, FINDINGS_MAX),
    holesTotal: holes.length,
    unproved: unproved.slice(0, FINDINGS_MAX),
    unprovedTotal: unproved.length,
    gaps: gaps
      .filter(({ entry }) => entry >= range.first && entry <= range.last)
      .slice(0, FINDINGS_MAX),
    gapsTruncated: histories.some((history) => history.gapsTotal > history.gaps.length),
    openIntents: open.slice(0, FINDINGS_MAX),
    openIntentsTotal: open.length,
    sessions: here.slice(0, FINDINGS_MAX).map(({ fate }) => fate),
    sessionsTotal: here.length,
  }
}

function rangeOf({ entries, isWindow, histories, size }: Judged): EntryRange {
  if (entries !== undefined) return entries
  if (!isWindow) return { first: 0, last: size - 1 }
  const first = histories.find(({ firstInWindow }) => firstInWindow !== undefined)?.firstInWindow
  const last = histories.findLast(({ lastInWindow }) => lastInWindow !== undefined)?.lastInWindow
  return { first: first ?? size, last: last ?? -1 }
}

/** Whether what lies between two entries may lie in the range. Times of neighbours are near each other: in doubt it does. */
function touches({ first, last }: EntryRange, after: number, before: number): boolean {
  return before >= first && after <= last
}

interface Joined {
  readonly first: Life['first']
  readonly firstEntry: number
  last: Life['last']
  lastEntry: number
  heardNs: bigint
  records: number
  intents: number
  outcomes: number
  gaps: number
  boot: Life['boot']
  shutdown: number | undefined
  isTool: boolean
  heartbeats: number
  uncounted: number
  firstBeatNs: bigint
  lastBeatNs: bigint
  lastBeat: number
  lastLost: number
  /** By how much counters and log already differ: said once. */
  offset: Counts
}

function join(histories: readonly RangeHistory[]): { lives: Map<string, Joined>; holes: Hole[] } {
  const lives = new Map<string, Joined>()
  const holes: Hole[] = []
  for (const history of histories) {
    for (const [session, life] of history.lives) {
      const known = lives.get(session)
      const grown = known ?? begin(life)
      lives.set(session, grown)
      holes.push(...checkOrder(known, life), ...checkCounters(grown, life))
      grow(grown, life)
    }
    holes.push(...history.holes)
  }
  return { lives, holes }
}

/** What a range begins with must follow what the ranges before it ended with. */
function checkOrder(known: Joined | undefined, { first, firstEntry }: Life): Hole[] {
  const { session, seq, prev } = first
  if (known !== undefined) {
    if (seq === known.last.seq + 1 && prev === known.last.id) return []
    return [holeBetween(known, { head: first, entry: firstEntry })]
  }
  if (seq === 0 && prev === undefined) return []
  const message = `session ${session} begins with record ${seq}: the ${seq} before it are missing`
  return [{ session, after: -1, before: firstEntry, message }]
}

function begin({ first, firstEntry }: Life): Joined {
  return {
    first,
    firstEntry,
    last: first,
    lastEntry: firstEntry,
    heardNs: 0n,
    // Numbers count from the beginning of the session, also when the log does not hold it.
    records: first.seq,
    intents: 0,
    outcomes: 0,
    gaps: 0,
    boot: undefined,
    shutdown: undefined,
    isTool: true,
    heartbeats: 0,
    uncounted: 0,
    firstBeatNs: 0n,
    lastBeatNs: 0n,
    // Until a heartbeat says otherwise, all since its beginning is what the first one counts.
    lastBeat: firstEntry,
    lastLost: 0,
    offset: { records: 0, intents: 0, outcomes: 0 },
  }
}

/** Heartbeats count all of their session: what they say of the records before this range must be what was found there. */
function checkCounters(known: Joined, { first, heartbeats }: Life): Hole[] {
  if (heartbeats === undefined) return []
  const { session } = first
  const place = { session, after: known.lastBeat, before: heartbeats.first }
  const holes: Hole[] = []
  const expected = sum(known, known.offset)
  if (heartbeats.firstBase !== undefined && !sameCounts(heartbeats.firstBase, expected)) {
    const message = `the heartbeat ${heartbeats.first} of session ${session} counts ${difference(heartbeats.firstBase, expected)} than the log holds`
    holes.push({ ...place, message })
  }
  const gapsMin = Math.max(heartbeats.gapsMin, known.lastLost - heartbeats.firstGaps)
  if (known.gaps < gapsMin || known.gaps > heartbeats.gapsMax) {
    const message = `the heartbeats to ${heartbeats.last} of session ${session} count ${heartbeats.lastLost} lost records, and its gap records do not say the same`
    holes.push({ ...place, before: heartbeats.last, message })
  }
  return holes
}

function grow(known: Joined, life: Life): void {
  const { heartbeats } = life
  if (heartbeats !== undefined) {
    if (heartbeats.lastBase !== undefined) known.offset = less(heartbeats.lastBase, known)
    if (known.heartbeats === 0) known.firstBeatNs = heartbeats.firstNs
    known.heartbeats += heartbeats.count
    known.uncounted += heartbeats.uncounted
    known.lastBeatNs = heartbeats.lastNs
    known.lastBeat = heartbeats.last
    known.lastLost = heartbeats.lastLost
  }
  known.last = life.last
  known.lastEntry = life.lastEntry
  known.heardNs = life.heardNs > 0n ? life.heardNs : known.heardNs
  known.records += life.records
  known.intents += life.intents
  known.outcomes += life.outcomes
  known.gaps += life.gaps
  known.boot ??= life.boot
  known.shutdown = life.shutdown ?? known.shutdown
  known.isTool &&= life.isTool
}

interface Fate {
  readonly fate: SessionFate
  readonly life: Joined
  /** Its records end before this entry: of its own kind's next boot, or of the end of the log. */
  readonly until: number
}

function fatesOf(
  lives: ReadonlyMap<string, Joined>,
  { endNs, size }: { endNs: bigint; size: number },
): Fate[] {
  const boots = bootsOf(lives)
  return [...lives].map(([session, life]) => {
    const { boot, firstEntry, lastEntry, records, heartbeats } = life
    const next = firstAfter(boots.get(boot?.component) ?? [], lastEntry)
    const end = endOf(life, next !== undefined, endNs)
    const until = end === 'shutdown' ? lastEntry : end === 'crash' ? (next ?? size) : size
    const fate = { session, component: boot?.component, firstEntry, lastEntry, records }
    return { life, until, fate: { ...fate, heartbeats, end } }
  })
}

/** Leaf indexes of all boots, ascending, by component. */
function bootsOf(lives: ReadonlyMap<string, Joined>): Map<string | undefined, number[]> {
  const boots = new Map<string | undefined, number[]>()
  for (const { boot } of lives.values()) {
    if (boot === undefined) continue
    const known = boots.get(boot.component) ?? []
    known.push(boot.entry)
    boots.set(boot.component, known)
  }
  for (const entries of boots.values()) entries.sort((a, b) => a - b)
  return boots
}

/** By halving: a hostile log may hold a million sessions. */
function firstAfter(ascending: readonly number[], entry: number): number | undefined {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((ascending[middle] ?? 0) > entry) high = middle
    else low = middle + 1
  }
  return ascending[low]
}

function endOf(life: Joined, isFollowed: boolean, endNs: bigint): SessionEnd {
  if (life.shutdown !== undefined) return 'shutdown'
  if (life.boot === undefined && life.isTool) return 'tool'
  if (isFollowed) return 'crash'
  if (life.heartbeats < 2) return 'running'
  const interval = (life.lastBeatNs - life.firstBeatNs) / BigInt(life.heartbeats - 1)
  const quiet = endNs - life.heardNs
  return quiet > SILENT_NS_MIN && quiet > SILENT_INTERVALS * interval ? 'silent' : 'running'
}

/** What the records of a session leave open, where that touches the range. */
function doubts({ fate, life, until }: Fate, range: EntryRange): string[] {
  const { session, end, lastEntry, component } = fate
  const who = `session ${session}${component === undefined ? '' : ` of the ${component}`}`
  const found: string[] = []
  // A ledger writes a record at its boot and one at its end, and a reader answers nothing before it is on record.
  const writesBehind = component !== 'ledger' && component !== 'reader'
  const endMatters = writesBehind && touches(range, lastEntry, until)
  if (end === 'crash' && endMatters)
    found.push(
      `${who} ended without a shutdown after entry ${lastEntry}: what it answered in its last moments in modes bounded and best-effort may not be on record`,
    )
  if (end === 'silent')
    found.push(
      `${who} says nothing after entry ${lastEntry}, where heartbeats were due: neither did it shut down, nor did another boot`,
    )
  if (life.boot === undefined && end !== 'tool')
    found.push(`${who} holds records of requests, and no boot`)
  if (life.shutdown !== undefined && life.shutdown !== lastEntry)
    found.push(`${who} goes on after its shutdown, which is entry ${life.shutdown}`)
  if (life.uncounted > 0)
    found.push(
      `${who} has ${life.uncounted} heartbeats that count no records: written by an older version`,
    )
  if (life.lastLost > life.gaps)
    found.push(
      `${who} lost ${life.lastLost - life.gaps} records, as its last heartbeat says, that no gap record names`,
    )
  return found
}

function sum(a: Counts, b: Counts): Counts {
  return {
    records: a.records + b.records,
    intents: a.intents + b.intents,
    outcomes: a.outcomes + b.outcomes,
  }
}

function less(a: Counts, b: Counts): Counts {
  return {
    records: a.records - b.records,
    intents: a.intents - b.intents,
    outcomes: a.outcomes - b.outcomes,
  }
}

function maxOf(times: readonly bigint[]): bigint {
  return times.reduce((latest, time) => (time > latest ? time : latest), 0n)
}
