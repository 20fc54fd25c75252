/** Numbers, sizes, durations and times as people write them, and as they are printed so that nothing is lost. */
import { INT64_MAX } from './limits.ts'

/** Why a text is no such quantity: what follows "…: ". */
export class QuantityError extends Error {}

const SIZES: Readonly<Record<string, bigint>> = {
  B: 1n,
  kB: 10n ** 3n,
  MB: 10n ** 6n,
  GB: 10n ** 9n,
  TB: 10n ** 12n,
  KiB: 2n ** 10n,
  MiB: 2n ** 20n,
  GiB: 2n ** 30n,
  TiB: 2n ** 40n,
}

/** Nanoseconds, the largest first. */
const DURATIONS: Readonly<Record<string, bigint>> = {
  w: 604_800_000_000_000n,
  d: 86_400_000_000_000n,
  h: 3_600_000_000_000n,
  min: 60_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  ns: 1n,
}

const DAY_NS = 86_400_000_000_000n

/** A whole number that JSON can hold, or such a number of bytes with a unit. */
export function readNumber(text: string, isSize: boolean): number {
  const whole = isSize
    ? readScaled(text, SIZES, '512, 64KiB, 1.5MB')
    : /^\d{1,16}$/.test(text)
      ? BigInt(text)
      : undefined
  if (whole === undefined) throw new QuantityError('it is no whole number')
  if (whole > Number.MAX_SAFE_INTEGER)
    throw new QuantityError('it is greater than 9007199254740991')
  return Number(whole)
}

/** @returns nanoseconds */
export function readDuration(text: string): bigint {
  if (/^\d+$/.test(text) && text !== '0')
    throw new QuantityError(`it lacks its unit, as in ${text}ms`)
  const ns = text === '0' ? 0n : readScaled(text, DURATIONS, '250ms, 1.5s, 30min, 24h')
  if (ns > INT64_MAX) throw new QuantityError('it is longer than 292 years')
  return ns
}

/** Whether a text looks like a duration. */
export function isDuration(text: string): boolean {
  return /^\d+(\.\d+)?[a-zµ]+$/.test(text)
}

export function printDuration(ns: bigint): string {
  if (ns === 0n) return '0'
  for (const [unit, scale] of Object.entries(DURATIONS))
    if (unit !== 'm' && unit !== 'µs' && ns % scale === 0n) return `${ns / scale}${unit}`
  return `${ns}ns`
}

function readScaled(text: string, units: Readonly<Record<string, bigint>>, such: string): bigint {
  const parts = /^(\d{1,19})(?:\.(\d{1,9}))?([A-Za-zµ]*)$/.exec(text)
  const [, whole = '', fraction = '', unit = ''] = parts ?? []
  const scale =
    unit === '' && units === SIZES ? 1n : Object.hasOwn(units, unit) ? units[unit] : undefined
  if (parts === null || scale === undefined) throw new QuantityError(`write it such as ${such}`)
  const scaled = BigInt(whole + fraction) * scale
  const divisor = 10n ** BigInt(fraction.length)
  if (scaled % divisor !== 0n) throw new QuantityError('it is a fraction of its smallest unit')
  return scaled / divisor
}

/** From when until when a written time lasts: a date is a day, a minute a minute. Nanoseconds since the epoch. */
export interface TimeSpan {
  readonly fromNs: bigint
  /** Not included. */
  readonly toNs: bigint
}

const TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?$/i

/** A date or time of ISO 8601, in UTC unless it says otherwise. */
export function readTime(text: string): TimeSpan {
  const parts = TIME.exec(text)
  if (parts === null) throw new QuantityError('write it such as 2026-11-26 or 2026-11-26T06:18:29Z')
  const [, year = '', month = '', day = '', hour, minute = '', second, fraction = '', zone = 'Z'] =
    parts
  const days = dayNumber(Number(year), Number(month), Number(day))
  if (Number(hour ?? 0) > 23 || Number(minute) > 59 || Number(second ?? 0) > 59)
    throw new QuantityError('there is no such time of day')
  const seconds =
    Number(hour ?? 0) * 3600 + Number(minute) * 60 + Number(second ?? 0) - offsetSeconds(zone)
  const fromNs =
    BigInt(days) * DAY_NS + BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
  const lastsNs =
    hour === undefined
      ? DAY_NS
      : second === undefined
        ? 60_000_000_000n
        : 10n ** BigInt(9 - fraction.length)
  if (fromNs < 0n || fromNs + lastsNs - 1n > INT64_MAX)
    throw new QuantityError('it is not between the years 1970 and 2262')
  return { fromNs, toNs: fromNs + lastsNs }
}

/** Days since the epoch. */
function dayNumber(year: number, month: number, day: number): number {
  const date = new Date(Date.UTC(year, month - 1, day))
  // Years before 100 would be taken for others, and a 31st of February for a day of March.
  if (year < 1970 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day)
    throw new QuantityError(
      year < 1970 ? 'it is not between the years 1970 and 2262' : 'there is no such date',
    )
  return date.getTime() / 86_400_000
}

function offsetSeconds(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0
  const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number)
  if (hours > 23 || minutes > 59) throw new QuantityError('there is no such offset from UTC')
  return (zone.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60)
}

/** To the nanosecond, so that it is read again as the same moment. */
export function printTime(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  return `${seconds}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`
}

/** Where `since:` or `until:` begin: back from now, a day by name, or a date or time. */
export function readBound(text: string, nowNs: bigint): { ns: bigint; isRelative: boolean } {
  const today = nowNs - (nowNs % DAY_NS)
  if (text === 'now') return { ns: nowNs, isRelative: true }
  if (text === 'today') return { ns: today, isRelative: true }
  if (text === 'yesterday') return { ns: today - DAY_NS, isRelative: true }
  if (/^\d{4}-/.test(text)) return { ns: readTime(text).fromNs, isRelative: false }
  if (!isDuration(text))
    throw new QuantityError('write it such as 24h, 7d, today, 2026-11-26 or 2026-11-26T06:18:29Z')
  const back = readDuration(text)
  return { ns: back > nowNs ? 0n : nowNs - back, isRelative: true }
}
