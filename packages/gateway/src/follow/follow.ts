/**
 * Follows a published log. The order is the guarantee: hash every entry up to the signed root first, show it after. Each new
 * checkpoint is reached by growing the tree of the one before, so that it is consistent with it by construction.
 */
import type { CompactRange } from '@countersign/tlog/compact-range'
import { encodeBundle } from '@countersign/tlog/bundle'
import { equalBytes, hashLeaf } from '@countersign/tlog/hash'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { sha256, sha256Hex } from '../cryptography.ts'
import { broken, FollowError } from './errors.ts'
import { readBundle, readEdge, readHead } from './published-log.ts'
import type { Head, PublishedLog } from './published-log.ts'

/** Entries in order, all in the tree of `head`; `from` is the 0-based index of the first. */
export interface Followed {
  readonly from: number
  readonly entries: readonly Uint8Array[]
  readonly head: Head
}

export interface FollowOptions {
  /** 0-based; negative counts from the end of the log as it is now. */
  readonly from: number
  /** Whether to wait for more, until `signal` aborts. */
  readonly live: boolean
  readonly signal: AbortSignal
}

/** Entries that are kept between verifying and showing; past it they are read again and compared. */
const KEPT_BYTES_MAX = 32 * 1024 ** 2

/**
 * Yields verified entries, a bundle at most at a time.
 * @throws {FollowError} `FOLLOW_BROKEN` when what is read is not what was signed; `FOLLOW_RANGE` when it does not reach to `from`; `FOLLOW_UNREADABLE`
 */
export async function* follow(
  log: PublishedLog,
  { from, live, signal }: FollowOptions,
): AsyncGenerator<Followed, void, undefined> {
  let head = await readHead(log)
  const start = from < 0 ? Math.max(0, head.size + from) : from
  if (start > head.size) {
    throw new FollowError(
      'FOLLOW_RANGE',
      `could not begin at record ${start}: the log has ${head.size}, counted from 0`,
    )
  }
  const edge = await readEdge(log, head, start)
  yield* grow(log, edge, head)
  if (!live) return
  while (!signal.aborted) {
    await log.source.changed(signal)
    const next = await readHead(log)
    checkSuccession(head, next)
    yield* grow(log, edge, next)
    head = next
  }
}

/** Verifies all entries from the edge to the head, and only then yields them. */
async function* grow(
  log: PublishedLog,
  edge: CompactRange,
  head: Head,
): AsyncGenerator<Followed, void, undefined> {
  const from = edge.size
  const bundles = await verifyBundles(log, edge, head)
  if (!equalBytes(edge.root(), head.root)) {
    throw broken(
      `the records ${from} to ${head.size - 1} do not lead to the signed root of size ${head.size}`,
    )
  }
  for (const { index, first, digest, kept } of bundles) {
    const entries = kept ?? (await readBundle(log, head, index)).slice(first - index * TILE_WIDTH)
    if (kept === undefined && digestOf(entries) !== digest)
      throw broken(`the records from ${first} changed while they were read`)
    yield { from: first, entries, head }
  }
}

interface VerifiedBundle {
  readonly index: number
  readonly first: number
  readonly digest: string
  readonly kept: readonly Uint8Array[] | undefined
}

async function verifyBundles(
  log: PublishedLog,
  edge: CompactRange,
  head: Head,
): Promise<VerifiedBundle[]> {
  const bundles: VerifiedBundle[] = []
  let keptBytes = 0
  while (edge.size < head.size) {
    const first = edge.size
    const index = Math.floor(first / TILE_WIDTH)
    const entries = (await readBundle(log, head, index)).slice(first - index * TILE_WIDTH)
    for (const entry of entries) {
      edge.append(hashLeaf(sha256, entry))
      keptBytes += entry.length
    }
    bundles.push({
      index,
      first,
      digest: digestOf(entries),
      kept: keptBytes <= KEPT_BYTES_MAX ? entries : undefined,
    })
  }
  return bundles
}

function checkSuccession(before: Head, after: Head): void {
  if (after.origin !== before.origin)
    throw broken(`it was ${before.origin} and is now ${after.origin}`)
  if (after.size < before.size) {
    throw broken(
      `it was signed with ${before.size} records and now with ${after.size}: its end was cut off`,
    )
  }
}

function digestOf(entries: readonly Uint8Array[]): string {
  return sha256Hex(encodeBundle(entries))
}
