/** How a judgement of completeness reads. */
import type { Completeness, SessionFate } from './completeness.ts'
import { count, printable } from './summary.ts'
import type { Report } from './verify.ts'

const SHOWN_MAX = 20

const ENDS: Readonly<Record<SessionFate['end'], string>> = {
  shutdown: 'ended with a shutdown',
  crash: 'ended without a shutdown',
  running: 'running',
  silent: 'silent',
  tool: "a tool's, without boot",
}

/** The judgement for people: one line that is the answer, then what it rests on and what it leaves open. */
export function tellCompleteness(report: Report): string {
  const { completeness } = report
  const lines =
    completeness === undefined
      ? ['completeness was NOT judged: the log itself is not what was signed']
      : told(completeness)
  return `${lines.map(printable).join('\n')}\n`
}

function told(judged: Completeness): string[] {
  const { holes, holesTotal, unproved, unprovedTotal, gaps } = judged
  return [
    answer(judged),
    ...listed(
      holes.map(
        ({ message, after, before }) =>
          `  HOLE        between entries ${after < 0 ? 'before the first' : after} and ${before}: ${message}`,
      ),
      holesTotal,
    ),
    ...listed(
      unproved.map((why) => `  not proved  ${why}`),
      unprovedTotal,
    ),
    ...listed(
      gaps.map(
        ({ entry, from, to, count: missing, why }) =>
          `  gap         entry ${entry}: ${count(missing, 'record', 'records')} not written from ${time(from)} to ${time(to)}: ${why}`,
      ),
      gaps.length,
    ),
    ...(judged.gapsTruncated ? ['  gap         there are more gap records than are listed'] : []),
    ...listed(
      judged.openIntents.map(({ entry, id }) => `  open        entry ${entry}: intent ${id}`),
      judged.openIntentsTotal,
    ),
    ...listed(judged.sessions.map(sessionLine), judged.sessionsTotal),
  ]
}

function answer({ verdict, range, holesTotal, gaps, openIntentsTotal }: Completeness): string {
  const what =
    range.last < range.first
      ? 'no entry is of that time'
      : `entries ${range.first} to ${range.last}`
  if (verdict === 'holes') return `NOT complete: ${what}: ${count(holesTotal, 'hole', 'holes')}`
  const missing = gaps.reduce((sum, gap) => sum + gap.count, 0)
  const but =
    gaps.length === 0
      ? ''
      : `, but for ${count(missing, 'record', 'records')} in ${count(gaps.length, 'known gap', 'known gaps')}`
  const open = `${count(openIntentsTotal, 'intent', 'intents')} without an outcome`
  if (verdict === 'complete') return `complete: ${what}, no record left out${but}; ${open}`
  return `not proved complete: ${what}, no hole found${but}; ${open}`
}

function sessionLine({ session, component, firstEntry, lastEntry, ...fate }: SessionFate): string {
  const who = component ?? (fate.end === 'tool' ? 'tool' : 'no boot')
  const beats =
    fate.heartbeats === 0 ? '' : `, counted by ${count(fate.heartbeats, 'heartbeat', 'heartbeats')}`
  return `  session     ${session} (${who}): ${count(fate.records, 'record', 'records')}, entries ${firstEntry} to ${lastEntry}${beats}, ${ENDS[fate.end]}`
}

function listed(lines: readonly string[], total: number): string[] {
  const more = total - Math.min(lines.length, SHOWN_MAX)
  return [...lines.slice(0, SHOWN_MAX), ...(more > 0 ? [`              and ${more} more`] : [])]
}

/** Attacker-controlled: a gap may name any text as its time. */
function time(ns: string): string {
  if (!/^\d{1,19}$/.test(ns)) return ns
  return new Date(Number(BigInt(ns) / 1_000_000n)).toISOString()
}
