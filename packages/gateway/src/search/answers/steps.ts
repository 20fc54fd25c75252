/** Steps of time in which nothing was are in the answer, too: a gap in a line would be drawn as something else. */
import type { AggregateRequest, Group } from '@countersign/record/question'
import type { QueryLimits } from '../engine.ts'
import { SearchError } from '../errors.ts'

interface Filling {
  readonly request: AggregateRequest
  readonly everyNs: bigint
  readonly limits: QueryLimits
  readonly nowNs: bigint
}

/** @throws {SearchError} `SEARCH_LIMIT` where that would be more groups than an answer holds */
export function filled(groups: readonly Group[], filling: Filling): Group[] {
  const { request, everyNs, limits } = filling
  const span = spanOf(groups, filling)
  if (span === undefined) return []
  const steps = (span.to - span.from) / everyNs + 1n
  const series = seriesOf(groups, request)
  if (steps * BigInt(series.size) > BigInt(limits.rowsMax)) {
    throw new SearchError(
      'SEARCH_LIMIT',
      `could not answer: ${steps} steps of time for each of ${series.size} groups are more than ${limits.rowsMax}`,
      { hint: 'ask for wider steps, less time, or fewer groups' },
    )
  }
  const nothing = request.measures.map(({ kind }) =>
    kind === 'count' || kind === 'rate' || kind === 'distinct' ? 0 : null,
  )
  return Array.from({ length: Number(steps) }, (_, at) =>
    String(span.from + BigInt(at) * everyNs),
  ).flatMap((time) =>
    [...series.values()].map(
      ({ by, at }): Group => at.get(time) ?? { time, by, measures: nothing },
    ),
  )
}

interface Series {
  readonly by: Group['by']
  readonly at: Map<string, Group>
}

function seriesOf(groups: readonly Group[], { by }: AggregateRequest): Map<string, Series> {
  const series = new Map<string, Series>()
  // Without fields to group by there is one line, even of nothing.
  if (by.length === 0) series.set(keyOf({}, by), { by: {}, at: new Map() })
  for (const group of groups) {
    const key = keyOf(group.by, by)
    const one = series.get(key) ?? { by: group.by, at: new Map<string, Group>() }
    one.at.set(group.time ?? '', group)
    series.set(key, one)
  }
  return series
}

function keyOf(values: Group['by'], by: AggregateRequest['by']): string {
  return JSON.stringify(by.map((field) => values[field] ?? null))
}

/** The first and the last step: of what the question spans, or else of what was there. */
function spanOf(
  groups: readonly Group[],
  { request: { question }, everyNs, nowNs }: Filling,
): { from: bigint; to: bigint } | undefined {
  const times = groups.map(({ time }) => BigInt(time ?? 0))
  const [first] = times
  const last = times.at(-1)
  const stepOf = (ns: bigint): bigint => (ns / everyNs) * everyNs
  const { sinceNs, untilNs } = question
  const from = sinceNs === undefined ? first : stepOf(sinceNs)
  const open = sinceNs === undefined ? last : stepOf(nowNs)
  const to = untilNs === undefined ? open : stepOf(untilNs - 1n)
  if (from === undefined || to === undefined) return undefined
  // Clocks differ: what is there is in the answer, wherever it is.
  const end = last !== undefined && last > to ? last : to
  return end < from ? undefined : { from, to: end }
}
