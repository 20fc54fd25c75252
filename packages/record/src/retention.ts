/**
 * How long something is kept, and the day after which it goes. Pure: whoever seals, whoever indexes and whoever destroys come to the
 * same day. A day is in UTC, spelt `2026-11-26`.
 */
import type { Leaf } from './leaf.ts'

/** Days by label and by service; what no rule is about stays for ever. */
export interface RetentionRules {
  readonly default?: number | undefined
  readonly labels: Readonly<Record<string, number>>
  readonly services: Readonly<Record<string, number>>
}

/** What the rules look at. */
export interface Kept {
  readonly labels?: readonly string[] | undefined
  readonly service?: string | undefined
}

/** What a day matches, in a regular expression. */
export const DAY_PATTERN = '[0-9]{4}-[0-9]{2}-[0-9]{2}'

const DAY_NS = 86_400_000_000_000n
const DAY_MS = 86_400_000
/** Periods that a class of records has at a time, about: so many keys, so many partitions. */
const PERIODS_AT_A_TIME = 30
/** 2149-06-05: what would be kept beyond is kept for ever. Two bytes of days, as an index has them, end on the next. */
const LAST_DAY = 65_534

/**
 * For how many days something is kept: the shortest of the rules of its labels and its service, else the default.
 * @returns undefined: for ever.
 */
export function retentionDays(
  rules: RetentionRules,
  { labels, service }: Kept,
): number | undefined {
  const days: number[] = []
  // A label may be called `constructor`.
  for (const label of labels ?? [])
    if (Object.hasOwn(rules.labels, label)) days.push(rules.labels[label] ?? 0)
  if (service !== undefined && Object.hasOwn(rules.services, service))
    days.push(rules.services[service] ?? 0)
  return days.length === 0 ? rules.default : Math.min(...days)
}

/**
 * The last day on which something is kept, never earlier than `days` after it happened. Days are taken together in buckets of a
 * thirtieth of `days`, counted from the epoch, so it may be later by one bucket less a day.
 * @returns undefined: it is kept for ever.
 */
export function dropAfter(occurredNs: bigint, days: number | undefined): string | undefined {
  if (days === undefined) return undefined
  const bucket = bucketDays(days)
  const last = Math.ceil((Number(occurredNs / DAY_NS) + days) / bucket) * bucket
  return last > LAST_DAY ? undefined : spelt(last)
}

/** Days that go together where something is kept for so long. */
export function bucketDays(days: number): number {
  return Math.max(1, Math.floor(days / PERIODS_AT_A_TIME))
}

/** The day of a time in nanoseconds since the epoch. */
export function dayOf(ns: bigint): string {
  return spelt(Number(ns / DAY_NS))
}

/** Whether a text spells a day that there is. */
export function isDay(text: string): boolean {
  const ms = new RegExp(`^${DAY_PATTERN}$`).test(text)
    ? Date.parse(`${text}T00:00:00Z`)
    : Number.NaN
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)
}

/** The rules in one spelling, for a digest: whoever knows the configuration can tell by which rules something went. */
export function rulesText({ default: always, labels, services }: RetentionRules): string {
  const sorted = (rules: Readonly<Record<string, number>>): [string, number][] =>
    Object.entries(rules).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify({
    default: always ?? null,
    labels: sorted(labels),
    services: sorted(services),
  })
}

/** Which days a retention record lets go: those before `today`, except those that a hold keeps. */
export interface RetentionDrop {
  readonly today: string
  readonly kept: readonly string[]
}

/** What a record lets go of an index; undefined when it is no retention. */
export function dropOf({ lifecycle }: Pick<Leaf, 'lifecycle'>): RetentionDrop | undefined {
  return lifecycle?.kind === 'retention'
    ? { today: lifecycle.today, kept: lifecycle.kept }
    : undefined
}

/** Whether rows with this last day go. */
export function isDropped({ today, kept }: RetentionDrop, day: string): boolean {
  return day < today && !kept.includes(day)
}

/** Collects retention records: which of them says that the key of a period was destroyed. */
export class Retentions {
  readonly #records = new Map<string, number>()

  /** Takes a record when it is a retention, and leaves all others. @param index its own place in the log. */
  add(index: number, { lifecycle, time }: Pick<Leaf, 'lifecycle' | 'time'>): void {
    if (lifecycle?.kind !== 'retention') return
    const { today, periods } = lifecycle
    // What is still to be kept is excused by nobody.
    if (today > dayOf(BigInt(time.occurred))) return
    for (const period of periods)
      if (period < today && !this.#records.has(period)) this.#records.set(period, index)
  }

  /** The index of the first record that lets a period go. */
  covering(period: string): number | undefined {
    return this.#records.get(period)
  }
}

function spelt(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10)
}
