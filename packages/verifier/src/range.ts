/**
 * Checks a run of entry bundles against the tiles of level 0 beside them. Ranges do not depend on each other, so they may be checked
 * on several threads; what a range cannot judge alone (its tiles against the level above, sessions that began earlier) it hands back.
 */
import { scanEntry } from '@countersign/record/decode'
import { RecordError } from '@countersign/record/errors'
import { decodeBundle } from '@countersign/tlog/bundle'
import { HASH_BYTES } from '@countersign/tlog/hash'
import { checkTileBytes, TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { TlogError } from '@countersign/tlog/errors'

import { Findings } from './finding.ts'
import type { Finding } from './finding.ts'
import { hashEntries, hashTile } from './hashes.ts'
import { History } from './history.ts'
import type { RangeHistory, TimeWindow } from './history.ts'
import { Sessions } from './sessions.ts'
import type { SessionRuns } from './sessions.ts'
import { readTile } from './source.ts'
import type { LogSource, Room, Sha256Into } from './source.ts'

/** Bundles `start` to `end` (exclusive) of a log of `size` entries. */
export interface BundleRange {
  readonly size: number
  readonly start: number
  readonly end: number
  /** When given, the lives of writers are followed too, and records placed in this window. */
  readonly history?: TimeWindow | undefined
}

/** Two files that disagree: `tile` holds another hash in `slot` than what is below it gives. */
export interface Mismatch {
  readonly tile: Tile
  readonly slot: number
  readonly below: Tile
  /** For entries: where the entry starts in its bundle. */
  readonly byte?: number
}

/** What a range found, plain enough to be sent between threads. */
export interface RangeResult {
  /** The hash of each full tile of the range, as stored; 32 bytes each. */
  readonly roots: Uint8Array
  /** The stored partial tile at the end of the log, empty when there is none in this range. */
  readonly partial: Uint8Array
  readonly mismatches: readonly Mismatch[]
  readonly findings: { readonly kept: readonly Finding[]; readonly total: number }
  readonly sessions: SessionRuns
  readonly history?: RangeHistory | undefined
  readonly entryBytes: number
}

export interface RangeTools {
  readonly source: LogSource
  readonly sha256Into: Sha256Into
  /** Told after each bundle how many entries it held. */
  readonly onEntries?: ((entries: number) => void) | undefined
}

/** Where files are read from, and what is wrong with them goes; what is read stays valid until `room` is lent again. */
export interface Reading {
  readonly source: LogSource
  readonly findings: Findings
  readonly room?: Room
}

const NOTHING = new Uint8Array(0)

/** Hashes every entry of the range, compares each with its tile, and reads each as a record. */
export async function verifyRange(range: BundleRange, tools: RangeTools): Promise<RangeResult> {
  const findings = new Findings()
  const sessions = new Sessions()
  const history = range.history === undefined ? undefined : new History(range.history)
  const mismatches: Mismatch[] = []
  const roots = new Uint8Array(HASH_BYTES * (range.end - range.start))
  let partial = new Uint8Array(0)
  let fullTiles = 0
  let entryBytes = 0
  const rooms = { bundle: { bytes: NOTHING }, tile: { bytes: NOTHING } }
  for (let index = range.start; index < range.end; index++) {
    const width = tileWidth(range.size, 0, index)
    const bundle: Tile = { level: 'entries', index, width }
    const tile: Tile = { level: 0, index, width }
    const entries = await readEntries(bundle, {
      source: tools.source,
      findings,
      room: rooms.bundle,
    })
    const computed = hashEntries(entries, width, tools.sha256Into)
    const stored = await readHashes(tile, { source: tools.source, findings, room: rooms.tile })
    mismatches.push(...compare({ tile, stored, computed }, entries))
    checkRecords({ bundle, entries }, { sessions, history, findings })
    // Upwards goes what is stored: whether that or what is below is wrong shows only against the level above.
    const upwards = stored ?? computed
    if (width < TILE_WIDTH) partial = Uint8Array.from(upwards)
    else roots.set(hashTile(upwards, tools.sha256Into), HASH_BYTES * fullTiles++)
    for (const entry of entries) entryBytes += entry.length
    tools.onEntries?.(width)
  }
  return {
    roots: roots.subarray(0, HASH_BYTES * fullTiles),
    partial,
    mismatches,
    findings: { kept: findings.kept, total: findings.total },
    sessions: sessions.runs(),
    history: history?.done(),
    entryBytes,
  }
}

/** The bytes of a tile; `undefined`, and a finding, when it is missing or holds no such number of hashes. */
export async function readHashes(
  tile: Tile,
  { source, findings, room }: Reading,
): Promise<Uint8Array | undefined> {
  const bytes = await readTile(source, tile, room)
  const path = tilePath(tile)
  if (bytes === undefined) {
    findings.add({ code: 'FILE_MISSING', path, message: 'there is no such tile' })
    return undefined
  }
  try {
    checkTileBytes(bytes, tile.width)
    return bytes
  } catch (error) {
    findings.add({ code: 'FILE_MALFORMED', path, message: reasonOf(error) })
    return undefined
  }
}

/** The slots in which a stored tile differs from what is below it. */
export function differingSlots(stored: Uint8Array, computed: Uint8Array): number[] {
  const slots: number[] = []
  for (let slot = 0; slot * HASH_BYTES < stored.length; slot++) {
    if (!sameHash(stored, computed, slot * HASH_BYTES)) slots.push(slot)
  }
  return slots
}

export function reasonOf(error: unknown): string {
  if (error instanceof TlogError || error instanceof RecordError) return error.message
  throw error
}

async function readEntries(
  bundle: Tile,
  { source, findings, room }: Reading,
): Promise<Uint8Array[]> {
  const bytes = await readTile(source, bundle, room)
  const path = tilePath(bundle)
  const entry = bundle.index * TILE_WIDTH
  if (bytes === undefined) {
    findings.add({ code: 'FILE_MISSING', path, entry, message: 'there is no such entry bundle' })
    return []
  }
  try {
    return decodeBundle(bytes, bundle.width)
  } catch (error) {
    findings.add({ code: 'FILE_MALFORMED', path, entry, message: reasonOf(error) })
    return []
  }
}

interface Compared {
  readonly tile: Tile
  readonly stored: Uint8Array | undefined
  readonly computed: Uint8Array
}

function compare({ tile, stored, computed }: Compared, entries: readonly Uint8Array[]): Mismatch[] {
  // A file that is missing or unreadable has its own finding.
  if (stored === undefined || entries.length === 0) return []
  return differingSlots(stored, computed).map((slot) => ({
    tile,
    slot,
    below: { ...tile, level: 'entries' },
    byte: (entries[slot]?.byteOffset ?? 0) - (entries[0]?.byteOffset ?? 0),
  }))
}

interface Collectors {
  readonly sessions: Sessions
  readonly history: History | undefined
  readonly findings: Findings
}

function checkRecords(
  { bundle, entries }: { bundle: Tile; entries: readonly Uint8Array[] },
  { sessions, history, findings }: Collectors,
): void {
  let entry = bundle.index * TILE_WIDTH - 1
  for (const bytes of entries) {
    entry += 1
    try {
      const head = scanEntry(bytes)
      sessions.add(head, entry)
      history?.add(head, entry, bytes)
    } catch (error) {
      findings.add({
        code: 'RECORD_MALFORMED',
        path: tilePath(bundle),
        entry,
        message: reasonOf(error),
      })
    }
  }
}

function sameHash(a: Uint8Array, b: Uint8Array, at: number): boolean {
  for (let byte = at; byte < at + HASH_BYTES; byte++) if (a[byte] !== b[byte]) return false
  return true
}
