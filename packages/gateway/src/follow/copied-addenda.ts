/**
 * Copies the addenda that a log serves beside its tiles (`addenda/ab/cd/<hex>`), each held against the digest in its entry. What is
 * copied is what is served: ciphertexts, where content is sealed. The cursor is a leaf index: a crash copies a few again.
 */
import { decodeAddendaEntry, addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'
import { decodeBundle } from '@countersign/tlog/bundle'
import { TlogError } from '@countersign/tlog/errors'
import { equalBytes } from '@countersign/tlog/hash'
import { tilePath, tileWidth, TILE_WIDTH } from '@countersign/tlog/tile'
import { sha256 } from '../cryptography.ts'
import type { CopyStore } from './copy-store.ts'
import { broken } from './errors.ts'
import type { Head } from './published-log.ts'
import type { ReadFile } from './signed-tiles.ts'

/** An addendum of 4 MiB, and what sealing adds to it. */
const ADDENDUM_BYTES_MAX = 4 * 1024 * 1024 + 64 * 1024

/** Addenda that are fetched at once. */
const CONCURRENCY = 8

const CURSOR = 'addenda-cursor'

/** What came of one pass. */
export interface CopiedAddenda {
  readonly copied: number
  /** The log does not serve them: erased, or kept elsewhere. */
  readonly absent: number
  /** What the log served is not what its entries name: not stored. */
  readonly altered: number
}

/**
 * Copies the addenda of all entries that were copied since the last pass.
 * @throws {FollowError} `FOLLOW_UNREADABLE`, `FOLLOW_STORE`: the next pass goes on from there
 */
export async function copyAddenda(
  store: CopyStore,
  head: Head,
  { read, concurrency = CONCURRENCY }: { read: ReadFile; concurrency?: number | undefined },
): Promise<CopiedAddenda> {
  const total = { copied: 0, absent: 0, altered: 0 }
  let done = Number((await store.readState(CURSOR)) ?? 0)
  while (done < head.size) {
    const index = Math.floor(done / TILE_WIDTH)
    const entries = await ownEntries(store, head, index)
    const digests = entries.slice(done - index * TILE_WIDTH).flatMap(digestsOf)
    const waiting = digests.values()
    const work = async (): Promise<void> => {
      for (const digest of waiting) {
        const came = await copyOne(store, digest, read)
        total[came] += 1
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
    await store.settle()
    done = Math.min(head.size, (index + 1) * TILE_WIDTH)
    if (digests.length > 0 || done === head.size) await store.writeState(CURSOR, `${done}\n`)
  }
  return total
}

async function copyOne(
  store: CopyStore,
  digest: Uint8Array,
  read: ReadFile,
): Promise<keyof CopiedAddenda> {
  const path = addendumPath(encodeHex(digest))
  const own = await store.read(path)
  if (own !== undefined && equalBytes(sha256(own), digest)) return 'copied'
  const bytes = await read(path, ADDENDUM_BYTES_MAX)
  if (bytes === undefined) return 'absent'
  if (!equalBytes(sha256(bytes), digest)) return 'altered'
  await store.put(path, bytes)
  return 'copied'
}

async function ownEntries(store: CopyStore, head: Head, index: number): Promise<Uint8Array[]> {
  const path = tilePath({ level: 'entries', index, width: tileWidth(head.size, 'entries', index) })
  const bundle = await store.read(path)
  if (bundle === undefined) throw broken(`${path} is missing from the copy`)
  return decodeBundle(bundle)
}

/** Attacker-controlled: an entry of another format names no addenda. */
function digestsOf(entry: Uint8Array): readonly Uint8Array[] {
  try {
    return decodeAddendaEntry(entry).digests
  } catch (error) {
    if (error instanceof TlogError) return []
    throw error
  }
}
