/**
 * Who read a record, or anything of a person: by the records of reads, which list what they returned. The index says which records are
 * reads, and the log itself what each returned.
 */
import { decodeEntry } from '@countersign/record/decode'
import { parseLeafList } from '@countersign/record/leaf-list'
import type { Page, Question } from '@countersign/record/question'
import type { LeavesOfLog } from '@countersign/record/reading'
import type { Transaction } from '@countersign/record/transaction'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { readBundle, readHead } from '../follow.ts'
import type { PublishedLog } from '../follow.ts'
import type { Index } from '../search.ts'

/** Records of one person that are looked for, at most. */
const RECORDS_OF_SUBJECT_MAX = 100_000
const PAGE_ROWS = 1000

/** What a question of who read is about. */
export type WhoRead =
  | { readonly kind: 'record'; readonly origin: string; readonly records: readonly number[] }
  | { readonly kind: 'subject'; readonly subject: string }

export interface WhoReadOptions {
  readonly index: Pick<Index, 'search'>
  /** The log of an origin, where it is followed. */
  readonly logOf: (origin: string) => PublishedLog | undefined
}

/** Reads that returned one of these records, newest first. @throws {SearchError | FollowError} */
export async function readsOf(
  which: WhoRead,
  page: { readonly limit: number; readonly cursor?: string },
  options: WhoReadOptions,
): Promise<Page> {
  const wanted =
    which.kind === 'record'
      ? new Map([[which.origin, new Set(which.records)]])
      : await recordsOf(which.subject, options.index)
  const listed = openLists(options)
  const found: Transaction[] = []
  let { cursor } = page
  do {
    const reads: Page = await options.index.search(
      {
        question: READS,
        // No more than are asked for: the cursor of an answer stands behind its last row.
        limit: Math.min(PAGE_ROWS, page.limit - found.length),
        ...(cursor === undefined ? {} : { cursor }),
      },
      EVERYTHING,
    )
    for (const read of reads.transactions)
      if (returned(await listed(read), wanted)) found.push(read)
    cursor = reads.cursor
  } while (cursor !== undefined && found.length < page.limit)
  return { transactions: found, ...(cursor === undefined ? {} : { cursor }) }
}

const EVERYTHING = { scope: { kind: 'all' }, unmasked: true } as const
const NOWHERE = { from: 0, to: 0 } as const

const READS: Question = {
  text: 'class:read read.rows:>0',
  filter: {
    kind: 'and',
    parts: [
      { kind: 'compare', field: 'class', operator: '=', value: 'read', at: NOWHERE },
      { kind: 'compare', field: 'read.rows', operator: '>', value: 0, at: NOWHERE },
    ],
  },
}

async function recordsOf(
  subject: string,
  index: Pick<Index, 'search'>,
): Promise<Map<string, Set<number>>> {
  const records = new Map<string, Set<number>>()
  const question: Question = {
    text: `actor.id:${subject}`,
    filter: { kind: 'compare', field: 'actor.id', operator: '=', value: subject, at: NOWHERE },
  }
  let cursor: string | undefined
  let count = 0
  do {
    const page: Page = await index.search(
      { question, limit: PAGE_ROWS, ...(cursor === undefined ? {} : { cursor }) },
      EVERYTHING,
    )
    for (const transaction of page.transactions) {
      const places = records.get(transaction.origin) ?? new Set()
      places.add(transaction.index)
      if (transaction.intent !== undefined) places.add(transaction.intent)
      records.set(transaction.origin, places)
    }
    count += page.transactions.length
    cursor = page.cursor
  } while (cursor !== undefined && count < RECORDS_OF_SUBJECT_MAX)
  return records
}

function returned(
  lists: readonly LeavesOfLog[],
  wanted: ReadonlyMap<string, ReadonlySet<number>>,
): boolean {
  return lists.some(({ origin, leaves }) => {
    const places = wanted.get(origin)
    if (places === undefined) return false
    return parseLeafList(leaves).some(({ from, to }) => {
      for (let leaf = from; leaf <= to; leaf += 1) if (places.has(leaf)) return true
      return false
    })
  })
}

/** What a read says that it returned: out of its entry, in a bundle that is kept for the next one. */
function openLists({ logOf }: WhoReadOptions): (read: Transaction) => Promise<readonly LeavesOfLog[]> {
  let kept: { readonly key: string; readonly entries: readonly Uint8Array[] } | undefined
  return async ({ origin, index }) => {
    const log = logOf(origin)
    if (log === undefined) return []
    const bundle = Math.floor(index / TILE_WIDTH)
    const key = `${bundle} ${origin}`
    if (kept?.key !== key || kept.entries.length <= index % TILE_WIDTH)
      kept = { key, entries: await readBundle(log, await readHead(log), bundle) }
    const entry = kept.entries[index % TILE_WIDTH]
    return entry === undefined ? [] : (decodeEntry(entry).leaf.read?.records ?? [])
  }
}
