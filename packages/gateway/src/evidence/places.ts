/**
 * Where in a log a time or a session lies. Ids are UUIDv7 and the log is nearly in their order: the latest id in each bundle rises all
 * along unless a clock was set back, so a binary search over bundles lands near, and a short scan does the rest.
 */
import { decodeEntry, scanEntry } from '@countersign/record/decode'
import { idTimeMs, isId } from '@countersign/record/id'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { EvidenceError } from './errors.ts'
import type { EvidenceLog } from './log.ts'
import type { LeafRange } from './selection.ts'

/** Bundles looked at before where something should begin, and after where it should end: clocks step. */
const SLACK_BUNDLES = 8
const NS_PER_MS = 1_000_000n

/**
 * The leaf indexes from the first to the last record that occurred between two times, both included. Records between them that bear
 * another time belong to it: the order of the log is what is signed.
 * @param between nanoseconds since the epoch; an absent one is the beginning or the end of the log.
 * @throws {EvidenceError} `EVIDENCE_EMPTY`
 */
export async function findByTime(
  log: EvidenceLog,
  between: { readonly sinceNs?: bigint | undefined; readonly untilNs?: bigint | undefined },
): Promise<LeafRange> {
  const { sinceNs, untilNs } = between
  const from = sinceNs === undefined ? 0 : await firstSince(log, sinceNs)
  const to = untilNs === undefined ? log.head.size - 1 : await lastUntil(log, untilNs)
  if (from === undefined || to === undefined || from > to)
    throw new EvidenceError(
      'EVIDENCE_EMPTY',
      'could not export: no record occurred between these times',
      {
        hint: 'times are in UTC, such as 2026-11-25T08:00:00Z',
      },
    )
  return { from, to }
}

/**
 * Where a session lies, from its first record to its shutdown.
 * @returns its leaf indexes; `isOpen` when no shutdown is on record, and then `to` is its last record so far.
 * @throws {EvidenceError} `EVIDENCE_EMPTY`
 */
export async function findSession(
  log: EvidenceLog,
  session: string,
): Promise<LeafRange & { readonly isOpen: boolean }> {
  const bundles = bundlesOf(log)
  const near = await firstReaching(log, idTimeMs(session))
  let from: number | undefined
  let to = 0
  for (let bundle = Math.max(0, near - SLACK_BUNDLES); bundle < bundles; bundle++) {
    for (const [slot, entry] of (await log.bundle(bundle)).entries()) {
      if (scanEntry(entry).session !== session) continue
      to = bundle * TILE_WIDTH + slot
      from ??= to
      if (decodeEntry(entry).leaf.lifecycle?.kind === 'shutdown') return { from, to, isOpen: false }
    }
    if (from === undefined && bundle >= near + SLACK_BUNDLES) break
  }
  if (from !== undefined) return { from, to, isOpen: true }
  throw new EvidenceError(
    'EVIDENCE_EMPTY',
    `could not export: no record of session ${session} is where its time says`,
    {
      hint: "a session is named in every record: 'countersign show INDEX --json'",
    },
  )
}

async function firstSince(log: EvidenceLog, sinceNs: bigint): Promise<number | undefined> {
  const near = await firstReaching(log, Number(sinceNs / NS_PER_MS))
  for (let bundle = Math.max(0, near - SLACK_BUNDLES); bundle < bundlesOf(log); bundle++)
    for (const [slot, entry] of (await log.bundle(bundle)).entries())
      if (occurredNs(entry) >= sinceNs) return bundle * TILE_WIDTH + slot
  return undefined
}

async function lastUntil(log: EvidenceLog, untilNs: bigint): Promise<number | undefined> {
  const near = await firstReaching(log, Number(untilNs / NS_PER_MS) + 1)
  for (let bundle = Math.min(bundlesOf(log) - 1, near + SLACK_BUNDLES); bundle >= 0; bundle--) {
    const entries = await log.bundle(bundle)
    const slot = entries.findLastIndex((entry) => occurredNs(entry) <= untilNs)
    if (slot >= 0) return bundle * TILE_WIDTH + slot
  }
  return undefined
}

/** The first bundle whose latest id is as late as `timeMs`; the last bundle when none is. */
async function firstReaching(log: EvidenceLog, timeMs: number): Promise<number> {
  let low = 0
  let high = Math.max(0, bundlesOf(log) - 1)
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((await latestIdMs(log, middle)) >= timeMs) high = middle
    else low = middle + 1
  }
  return low
}

async function latestIdMs(log: EvidenceLog, bundle: number): Promise<number> {
  let latest = 0
  for (const entry of await log.bundle(bundle)) {
    const { id } = scanEntry(entry)
    if (isId(id)) latest = Math.max(latest, idTimeMs(id))
  }
  return latest
}

function occurredNs(entry: Uint8Array): bigint {
  return BigInt(decodeEntry(entry).leaf.time.occurred)
}

function bundlesOf({ head }: EvidenceLog): number {
  return Math.ceil(head.size / TILE_WIDTH)
}
