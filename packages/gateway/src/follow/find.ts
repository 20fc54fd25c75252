/**
 * Finds the records of one transaction without reading the log from end to end. Ids are UUIDv7, so the log is nearly in
 * their order: an outcome carries the id of its intent and so lies later than its id says, and clocks step. The latest id
 * in each bundle still rises all along, so a binary search over bundles lands near the intent; a short scan does the rest.
 */
import { decodeEntry } from '@countersign/record/decode'
import { idTimeMs, isId } from '@countersign/record/id'
import type { Leaf } from '@countersign/record/leaf'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { broken, messageOf } from './errors.ts'
import { readBundle } from './published-log.ts'
import type { Head, PublishedLog } from './published-log.ts'

/** A place in the log and the record there. Not proven yet. */
export interface Place {
  readonly index: number
  readonly leaf: Leaf
}

/** Bundles looked at on each side of where the intent should be. */
const SLACK_BUNDLES = 8

/** Bundles searched for the outcome once the intent is found: a million records. */
const OUTCOME_BUNDLES_MAX = 4096

/**
 * All records of the transaction `id`, in order; none when the log does not hold it.
 * @param onMiss told when the window misses and all of the log has to be read.
 */
export async function findTransaction(
  log: PublishedLog,
  head: Head,
  { id, onMiss }: { id: string; onMiss: () => void },
): Promise<Place[]> {
  const bundles = Math.ceil(head.size / TILE_WIDTH)
  if (bundles === 0) return []
  const near = await firstBundleReaching(log, head, { timeMs: idTimeMs(id), bundles })
  const window = {
    id,
    from: Math.max(0, near - SLACK_BUNDLES),
    to: Math.min(bundles, near + SLACK_BUNDLES + 1),
  }
  const found = await scan(log, head, window)
  if (found.length > 0) return found
  if (window.from === 0 && window.to === bundles) return []
  onMiss()
  return await scan(log, head, { id, from: 0, to: bundles })
}

/** The first bundle whose latest id is as late as `timeMs`; the last bundle when none is. */
async function firstBundleReaching(
  log: PublishedLog,
  head: Head,
  { timeMs, bundles }: { timeMs: number; bundles: number },
): Promise<number> {
  let low = 0
  let high = bundles - 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((await latestIdMs(log, head, middle)) >= timeMs) high = middle
    else low = middle + 1
  }
  return low
}

async function latestIdMs(log: PublishedLog, head: Head, bundle: number): Promise<number> {
  let latest = 0
  for (const entry of await readBundle(log, head, bundle)) {
    // The envelope stands first in every record: its id is found without decoding the rest.
    const id = /^\{"v":1,"id":"([0-9a-f-]{36})"/.exec(
      Buffer.from(entry.subarray(0, 64)).toString('latin1'),
    )?.[1]
    if (id !== undefined && isId(id)) latest = Math.max(latest, idTimeMs(id))
  }
  return latest
}

/** From the first record of the transaction on, the search goes past `to`, until the outcome. */
async function scan(
  log: PublishedLog,
  head: Head,
  { id, from, to }: { id: string; from: number; to: number },
): Promise<Place[]> {
  const found: Place[] = []
  const bundles = Math.ceil(head.size / TILE_WIDTH)
  const needle = Buffer.from(`"id":"${id}"`)
  for (let bundle = from; bundle < bundles; bundle += 1) {
    if (bundle >= to && (found.length === 0 || bundle >= from + OUTCOME_BUNDLES_MAX)) return found
    for (const [at, entry] of (await readBundle(log, head, bundle)).entries()) {
      if (!Buffer.from(entry.buffer, entry.byteOffset, Math.min(entry.length, 64)).includes(needle))
        continue
      const index = bundle * TILE_WIDTH + at
      const leaf = readLeaf(entry, index)
      found.push({ index, leaf })
      if (leaf.phase !== 'intent') return found
    }
  }
  return found
}

/** The record in an entry. @throws {FollowError} `FOLLOW_BROKEN` when it is no record */
export function readLeaf(entry: Uint8Array, index: number): Leaf {
  try {
    return decodeEntry(entry).leaf
  } catch (cause) {
    throw broken(`record ${index} is malformed: ${messageOf(cause)}`, cause)
  }
}
