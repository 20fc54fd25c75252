/**
 * Lets go of what was kept for as long as it had to be. The order is the guarantee: the record is durable before a key is lost, and
 * each step can be done again. A generator, so that the order stands in one place: it yields after each step, and whoever stops
 * asking stops as a crash would.
 */
import type { Lifecycle } from '@countersign/record/leaf'
import { destroyPeriods } from '../seal.ts'
import { CommandError } from './errors.ts'
import type { HoldOn, RetentionScan } from './retention-scan.ts'

/** A day that content is kept up to. */
export interface Period {
  readonly day: string
  readonly addenda: number
}

/** A day that is over. `record`: one that says so already, of a run that was cut short. */
export interface DuePeriod extends Period {
  readonly record?: number
}

/** A day that is over, and that a hold keeps. */
export interface HeldPeriod extends Period {
  readonly holds: readonly HoldOn[]
}

/** What is to be done on a day; all lists ascend. */
export interface RetentionPlan {
  readonly today: string
  /** Keys that go. */
  readonly due: readonly DuePeriod[]
  /** Days before today that stay, keys and rows. */
  readonly kept: readonly HeldPeriod[]
  /** Keys whose day has not come. */
  readonly later: readonly Period[]
}

/** What was just done, and cannot be undone. */
export type RetentionStep =
  | { readonly step: 'recorded'; readonly record: number; readonly periods: readonly string[] }
  | {
      readonly step: 'keys_destroyed'
      readonly record: number
      readonly periods: readonly string[]
    }

export interface RetentionOptions {
  readonly stateDir: string
  readonly plan: RetentionPlan
  readonly by: string
  readonly basis?: string | undefined
  /** SHA-256 (hex) of the rules in force. */
  readonly rules: string
  /** Appends a record of this kind and waits until it is durable; returns its index. */
  readonly append: (fact: Lifecycle) => Promise<number>
  /** Waits until it is published. */
  readonly publish: () => Promise<unknown>
  /** Periods in one record; more take several. */
  readonly periodsMax?: number
}

/** Days in one record: with as many that are kept, a record has room to spare. Four years of days. */
const PERIODS_MAX = 1_500
/** Days before today that may be on hold. They stand in the record, so that whoever drops rows knows them. */
export const KEPT_MAX = 1_500

/**
 * What is due on a day.
 * @param periods days whose keys are here.
 * @throws {CommandError} `CANNOT_RUN` when more days are on hold than one record can name: then nothing may go.
 */
export function planRetention(
  scan: RetentionScan,
  { periods, today }: { periods: readonly string[]; today: string },
): RetentionPlan {
  const on = (day: string): Period => ({ day, addenda: scan.addenda.get(day) ?? 0 })
  const kept = [...scan.held]
    .filter(([day]) => day < today)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([day, holds]) => ({ ...on(day), holds }))
  if (kept.length > KEPT_MAX)
    throw new CommandError(
      'CANNOT_RUN',
      `could not begin: legal holds keep ${kept.length} days, and a record can name ${KEPT_MAX}; nothing goes`,
      { hint: "release holds that are over, with 'countersign release'" },
    )
  const due = periods.filter((day) => day < today && !scan.held.has(day))
  return {
    today,
    due: due.map((day) => {
      const record = scan.recorded.covering(day)
      return record === undefined ? on(day) : { ...on(day), record }
    }),
    kept,
    later: periods.filter((day) => day >= today).map(on),
  }
}

/** The lock on erasures must be held since before the plan was made: see seal/erasure-lock.ts. */
export async function* retaining(
  options: RetentionOptions,
): AsyncGenerator<RetentionStep, void, undefined> {
  const { plan } = options
  // A run before this one got as far as its record: what it says is made true first.
  for (const [record, periods] of unfinished(plan))
    yield await destroyKeys(options, { record, periods })
  const fresh = plan.due.filter(({ record }) => record === undefined)
  // A run that finds nothing has a record too: by it the index drops its rows.
  for (const some of pieces(fresh, options.periodsMax ?? PERIODS_MAX)) {
    const periods = some.map(({ day }) => day)
    // A crash before this leaves everything as it was.
    const record = await options.append(factOf(options, some))
    // From here on it is on record that these days are gone. A crash leaves their keys: run again, they go.
    yield { step: 'recorded', record, periods }
    await options.publish()
    // Also when there are none: what SQLite kept beside its file after a crash is cut.
    yield await destroyKeys(options, { record, periods })
  }
}

async function destroyKeys(
  { stateDir }: RetentionOptions,
  { record, periods }: { record: number; periods: readonly string[] },
): Promise<RetentionStep> {
  await destroyPeriods({ stateDir, periods, record })
  return { step: 'keys_destroyed', record, periods }
}

function factOf(
  { plan, by, basis, rules }: RetentionOptions,
  periods: readonly DuePeriod[],
): Lifecycle {
  return {
    kind: 'retention',
    by,
    ...(basis === undefined ? {} : { basis }),
    today: plan.today,
    periods: periods.map(({ day }) => day),
    // Each record says by itself what stays.
    kept: plan.kept.map(({ day }) => day),
    addenda: periods.reduce((sum, { addenda }) => sum + addenda, 0),
    rules,
  }
}

/** Days that are on record and not gone, by their record. */
function unfinished({ due }: RetentionPlan): Map<number, string[]> {
  const found = new Map<number, string[]>()
  for (const { day, record } of due)
    if (record !== undefined) found.set(record, [...(found.get(record) ?? []), day])
  return found
}

/** At least one, perhaps empty. */
function pieces<T>(all: readonly T[], max: number): readonly (readonly T[])[] {
  const count = Math.max(1, Math.ceil(all.length / max))
  return Array.from({ length: count }, (_, at) => all.slice(at * max, (at + 1) * max))
}
