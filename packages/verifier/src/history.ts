/**
 * What a range of the log tells of the lives of its writers: where sessions begin, break, are counted and end. Collected beside the
 * check of the bytes, so that what is judged is what was hashed; folded as it is read, so that a range is small however much it holds.
 */
import { decodeEntry } from '@countersign/record/decode'
import type { RecordHead } from '@countersign/record/decode'
import type { Lifecycle } from '@countersign/record/leaf'

import { FINDINGS_MAX } from './finding.ts'

/** Which records lie in a window of time; nanoseconds since the epoch, both included. */
export interface TimeWindow {
  readonly sinceNs?: bigint | undefined
  readonly untilNs?: bigint | undefined
}

/** A number that is a count of records before some place, in a session or in a range of it. */
export interface Counts {
  readonly records: number
  readonly intents: number
  readonly outcomes: number
}

/** Records that must lie between two entries of the log, and do not. */
export interface Hole {
  readonly session: string
  /** Leaf indexes of the neighbours: what is missing was to stand between them. -1 is the beginning of the log. */
  readonly after: number
  readonly before: number
  readonly message: string
}

/** A gap record: its writer says itself what is missing. */
export interface KnownGap {
  readonly entry: number
  readonly session: string
  /** Nanoseconds since the epoch, as recorded. */
  readonly from: string
  readonly to: string
  readonly count: number
  readonly why: string
}

/** All heartbeats of one session in one range, folded: what they say of the records before the range. */
export interface Heartbeats {
  readonly first: number
  last: number
  count: number
  /** Heartbeats that count no records: written by an older version. */
  uncounted: number
  readonly firstNs: bigint
  lastNs: bigint
  /** Each heartbeat's counters less what the range holds before it: the same for all, and what the session held before the range. */
  firstBase: Counts | undefined
  lastBase: Counts | undefined
  /** Gap records before the range cover at most, and at least, so many lost records. */
  gapsMax: number
  gapsMin: number
  /** Lost records in gaps of this range before its first heartbeat, and the last heartbeat's count of all lost. */
  readonly firstGaps: number
  lastLost: number
}

/** One session within one range. */
export interface Life {
  readonly first: RecordHead
  readonly firstEntry: number
  last: RecordHead
  lastEntry: number
  /** Time of the last record that is about the log or the gateway: a running gateway writes one at each heartbeat. */
  heardNs: bigint
  records: number
  intents: number
  outcomes: number
  /** Sum of the counts of its gap records. */
  gaps: number
  boot: { readonly entry: number; readonly component: string } | undefined
  shutdown: number | undefined
  heartbeats: Heartbeats | undefined
  /** Only records about the log or the gateway: a tool's session, which has no boot. */
  isTool: boolean
}

/** What a range knows, plain enough to be sent between threads. */
export interface RangeHistory {
  readonly lives: ReadonlyMap<string, Life>
  readonly holes: readonly Hole[]
  readonly gaps: readonly KnownGap[]
  readonly gapsTotal: number
  /** First entry not before the window, and last not after it. */
  readonly firstInWindow: number | undefined
  readonly lastInWindow: number | undefined
  /** Time of the last entry of the range; 0 when it holds none. */
  readonly endNs: bigint
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Where the class of a record begins: its envelope has one spelling, and members of fixed width before it. */
const CLASS_AT = '{"v":1,"id":"01234567-0123-7000-8000-0123456789ab","class":"'.length
const OWN_CLASSES = ['lifecycle"', 'ledger"'].map((name) => encoder.encode(name))

// A quote inside a JSON string is escaped, so this text can only be the member itself.
const TIME = /"time":\{"occurred":"(\d+)"(?:,"observed":"(\d+)")?\}/

/** Follows the records of a range in their order. */
export class History {
  readonly #window: TimeWindow
  readonly #lives = new Map<string, Life>()
  readonly #holes: Hole[] = []
  readonly #gaps: KnownGap[] = []
  #gapsTotal = 0
  #lastBytes: Uint8Array | undefined
  #firstInWindow: number | undefined
  #lastInWindow: number | undefined

  constructor(window: TimeWindow) {
    this.#window = window
  }

  /** Takes a record that was checked; `bytes` stay as they are until `done`. */
  add(head: RecordHead, entry: number, bytes: Uint8Array): void {
    const life = this.#live(head, entry)
    this.#lastBytes = bytes
    this.#place(entry, bytes)
    if (isOwn(bytes)) this.#note(life, entry, bytes)
    else life.isTool = false
    life.records += 1
    if (head.phase === 'intent') life.intents += 1
    if (head.phase === 'outcome') life.outcomes += 1
    life.last = head
    life.lastEntry = entry
  }

  done(): RangeHistory {
    return {
      lives: this.#lives,
      holes: this.#holes,
      gaps: this.#gaps,
      gapsTotal: this.#gapsTotal,
      firstInWindow: this.#firstInWindow,
      lastInWindow: this.#lastInWindow,
      endNs: this.#lastBytes === undefined ? 0n : timeOf(this.#lastBytes),
    }
  }

  #live(head: RecordHead, entry: number): Life {
    const known = this.#lives.get(head.session)
    if (known !== undefined) {
      if (head.seq !== known.last.seq + 1 || head.prev !== known.last.id)
        this.#holes.push(holeBetween(known, { head, entry }))
      return known
    }
    const life: Life = {
      first: head,
      firstEntry: entry,
      last: head,
      lastEntry: entry,
      heardNs: 0n,
      records: 0,
      intents: 0,
      outcomes: 0,
      gaps: 0,
      boot: undefined,
      shutdown: undefined,
      heartbeats: undefined,
      isTool: true,
    }
    this.#lives.set(head.session, life)
    return life
  }

  #place(entry: number, bytes: Uint8Array): void {
    const { sinceNs, untilNs } = this.#window
    if (sinceNs === undefined && untilNs === undefined) return
    const timeNs = timeOf(bytes)
    if (this.#firstInWindow === undefined && timeNs >= (sinceNs ?? 0n)) this.#firstInWindow = entry
    if (untilNs === undefined || timeNs <= untilNs) this.#lastInWindow = entry
  }

  #note(life: Life, entry: number, bytes: Uint8Array): void {
    const { leaf } = decodeEntry(bytes)
    const fact = leaf.lifecycle
    life.heardNs = BigInt(leaf.time.occurred)
    if (fact?.kind === 'boot') life.boot ??= { entry, component: fact.component }
    else if (fact?.kind === 'shutdown') life.shutdown ??= entry
    else if (fact?.kind === 'rotation' && entry === 0) {
      // Written when the log was made: a session that is this one record.
      life.boot ??= { entry, component: 'ledger' }
      life.shutdown ??= entry
    } else if (fact?.kind === 'gap') {
      life.gaps += fact.count
      this.#gapsTotal += 1
      const { from, to, count, why } = fact
      if (this.#gaps.length < FINDINGS_MAX)
        this.#gaps.push({ entry, session: leaf.session, from, to, count, why })
    } else if (fact?.kind === 'heartbeat') this.#count(life, { entry, counters: fact.counters })
  }

  /** Holds a heartbeat against the one before, and against what lies between them. */
  #count(life: Life, { entry, counters }: { entry: number; counters: Counters }): void {
    const lost = counters['lost'] ?? 0
    const base = baseOf(counters, life)
    const before = life.heartbeats
    if (before === undefined) {
      life.heartbeats = {
        first: entry,
        last: entry,
        count: 1,
        uncounted: base === undefined ? 1 : 0,
        firstNs: life.heardNs,
        lastNs: life.heardNs,
        firstBase: base,
        lastBase: base,
        gapsMax: lost - life.gaps,
        gapsMin: 0,
        firstGaps: life.gaps,
        lastLost: lost,
      }
      return
    }
    if (base !== undefined && before.lastBase !== undefined && !sameCounts(base, before.lastBase)) {
      const { session } = life.first
      const message = `the heartbeats ${before.last} and ${entry} of session ${session} count ${difference(base, before.lastBase)} than the log holds between them`
      this.#holes.push({ session, after: before.last, before: entry, message })
    }
    before.firstBase ??= base
    before.lastBase = base ?? before.lastBase
    before.uncounted += base === undefined ? 1 : 0
    before.gapsMax = Math.min(before.gapsMax, lost - life.gaps)
    before.gapsMin = Math.max(before.gapsMin, before.lastLost - life.gaps)
    before.last = entry
    before.lastNs = life.heardNs
    before.lastLost = lost
    before.count += 1
  }
}

type Counters = Extract<Lifecycle, { kind: 'heartbeat' }>['counters']

/** What a session had before a range, by a heartbeat's counters and what the range held before the heartbeat. */
function baseOf(counters: Counters, held: Counts): Counts | undefined {
  const { records, intents, outcomes } = counters
  if (records === undefined || intents === undefined || outcomes === undefined) return undefined
  return {
    records: records - held.records,
    intents: intents - held.intents,
    outcomes: outcomes - held.outcomes,
  }
}

export function sameCounts(a: Counts, b: Counts): boolean {
  return a.records === b.records && a.intents === b.intents && a.outcomes === b.outcomes
}

/** `2 records, 1 intents more`: in words, by which two counts differ. */
export function difference(counted: Counts, found: Counts): string {
  const parts = (['records', 'intents', 'outcomes'] as const).flatMap((name) => {
    const by = counted[name] - found[name]
    return by === 0 ? [] : [`${Math.abs(by)} ${name} ${by > 0 ? 'more' : 'fewer'}`]
  })
  return parts.join(', ')
}

/** What is missing between two records of a session that do not follow one another. */
export function holeBetween(
  before: { readonly last: RecordHead; readonly lastEntry: number },
  { head, entry }: { head: RecordHead; entry: number },
): Hole {
  const { session, seq } = head
  const missing = seq - before.last.seq - 1
  const what =
    missing > 0
      ? `${missing} of its records are missing (${before.last.seq + 1} to ${seq - 1})`
      : `record ${seq} follows ${before.last.seq}`
  const message = `session ${session} is broken: after entry ${before.lastEntry}, ${what}`
  return { session, after: before.lastEntry, before: entry, message }
}

function isOwn(bytes: Uint8Array): boolean {
  return OWN_CLASSES.some((name) => name.every((byte, at) => bytes[CLASS_AT + at] === byte))
}

/** When a record was written, nearly: when its event was observed, or occurred. */
function timeOf(bytes: Uint8Array): bigint {
  const [, occurred = '0', observed] = TIME.exec(decoder.decode(bytes)) ?? []
  return BigInt(observed ?? occurred)
}
