/** Which part of a log is asked about, from the text of the command line. */
import { VerifierError } from './errors.ts'
import type { VerifyOptions } from './verify.ts'

const NS_PER_MS = 1_000_000n
const INDEX = '(?:0|[1-9]\\d{0,14})'
const RANGE = new RegExp(`^(${INDEX})-(${INDEX})$`)
const TIME = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/

/** The texts of `--complete` and its companions. */
export interface AskedRange {
  readonly complete?: boolean
  readonly range?: string
  readonly since?: string
  readonly until?: string
}

/** @returns what is to be judged, or `undefined` when completeness is not asked for. @throws {VerifierError} `USAGE` */
export function readAskedRange(asked: AskedRange): VerifyOptions['complete'] {
  const { complete = false, range, since, until } = asked
  const isWindow = since !== undefined || until !== undefined
  if (!complete) {
    if (range === undefined && !isWindow) return undefined
    throw unusable('--range, --since and --until go with --complete')
  }
  if (range !== undefined && isWindow)
    throw unusable('give --range, or --since and --until, not both')
  if (range !== undefined) return { entries: readRange(range) }
  if (!isWindow) return {}
  const sinceNs = since === undefined ? undefined : readTime('--since', since)
  const untilNs = until === undefined ? undefined : readTime('--until', until)
  if (sinceNs !== undefined && untilNs !== undefined && sinceNs > untilNs)
    throw unusable('--since is later than --until')
  return { window: { sinceNs, untilNs } }
}

function readRange(text: string): { first: number; last: number } {
  const [, first, last] = RANGE.exec(text) ?? []
  if (first === undefined || last === undefined || Number(first) > Number(last))
    throw unusable(`--range ${text} is not of the form FIRST-LAST, such as 0-1999`)
  return { first: Number(first), last: Number(last) }
}

function readTime(option: string, text: string): bigint {
  const ms = TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms))
    throw unusable(
      `${option} ${text} is no time with its zone, such as 2026-07-30T12:00:00Z or 2026-07-30`,
    )
  return BigInt(ms) * NS_PER_MS
}

function unusable(why: string): VerifierError {
  return new VerifierError('USAGE', `could not verify: ${why}`)
}
