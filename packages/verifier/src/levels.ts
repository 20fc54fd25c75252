/**
 * The tree above the leaves: each level's tiles are recomputed from the one below, up to the root. Where two files disagree, the one
 * that the level above does not vouch for is to blame; the partial tiles at the right edge are vouched for by the signed root.
 */
import { CompactRange } from '@countersign/tlog/compact-range'
import { HASH_BYTES } from '@countersign/tlog/hash'
import type { Sha256 } from '@countersign/tlog/hash'
import { nodeFromTile, TILE_HEIGHT, TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'

import { differingSlots, readHashes } from './range.ts'
import type { Mismatch } from './range.ts'
import type { Finding, Findings } from './finding.ts'
import { hashTile } from './hashes.ts'
import type { Crypto, LogSource } from './source.ts'

/** Level 0 as the ranges left it. */
export interface Leaves {
  readonly roots: Uint8Array
  readonly partial: Uint8Array
}

export interface LevelTools {
  readonly source: LogSource
  readonly crypto: Crypto
  readonly findings: Findings
}

/** @returns the root that the stored tiles of a tree of `size` lead to, and every pair of files that disagree above level 0. */
export async function verifyLevels(
  size: number,
  leaves: Leaves,
  tools: LevelTools,
): Promise<{ root: Uint8Array; mismatches: Mismatch[] }> {
  const mismatches: Mismatch[] = []
  // One partial tile a level, lowest first; empty where the level has none.
  const partials = [leaves.partial]
  let below = leaves.roots
  for (let level = 1; below.length > 0; level++) {
    const checked = await verifyLevel({ level, size, below }, tools)
    mismatches.push(...checked.mismatches)
    partials.push(checked.partial)
    below = checked.roots
  }
  return { root: rootOfEdge(size, partials, tools.crypto.sha256), mismatches }
}

/** Turns pairs of files that disagree into findings that name one. */
export function blame(mismatches: readonly Mismatch[], isRootRight: boolean): Finding[] {
  const doubted = new Set(
    mismatches.map(({ tile, slot }) => `${tile.level} ${tile.index * TILE_WIDTH + slot}`),
  )
  const findings = new Map<string, Finding>()
  for (const { tile, slot, below, byte } of mismatches) {
    const isVouchedFor =
      tile.width < TILE_WIDTH
        ? isRootRight
        : !doubted.has(`${Number(tile.level) + 1} ${tile.index}`)
    const finding = isVouchedFor
      ? blameBelow({ tile, slot, below, byte: byte ?? 0 })
      : blameTile(tile, slot, below)
    const key = `${finding.path} ${finding.entry ?? ''} ${finding.byte ?? ''}`
    if (!findings.has(key)) findings.set(key, finding)
  }
  return [...findings.values()]
}

/** A tile of a level above 0, computed from the full tiles below it. @returns `undefined` when one of them is missing */
export async function tileFromBelow(
  tile: Tile & { level: number },
  { source, crypto, findings }: LevelTools,
): Promise<Uint8Array | undefined> {
  const hashes = new Uint8Array(tile.width * HASH_BYTES)
  for (let slot = 0; slot < tile.width; slot++) {
    const below = await readHashes(
      { level: tile.level - 1, index: tile.index * TILE_WIDTH + slot, width: TILE_WIDTH },
      { source, findings },
    )
    if (below === undefined) return undefined
    hashes.set(hashTile(below, crypto.sha256Into), slot * HASH_BYTES)
  }
  return hashes
}

async function verifyLevel(
  { level, size, below }: { level: number; size: number; below: Uint8Array },
  { source, crypto, findings }: LevelTools,
): Promise<Leaves & { mismatches: Mismatch[] }> {
  const tiles = Math.ceil(below.length / HASH_BYTES / TILE_WIDTH)
  const roots: Uint8Array[] = []
  const mismatches: Mismatch[] = []
  let partial = new Uint8Array(0)
  for (let index = 0; index < tiles; index++) {
    const tile = { level, index, width: tileWidth(size, level, index) }
    const computed = below.subarray(
      index * TILE_WIDTH * HASH_BYTES,
      (index + 1) * TILE_WIDTH * HASH_BYTES,
    )
    const stored = (await readHashes(tile, { source, findings })) ?? computed
    for (const slot of differingSlots(stored, computed)) {
      mismatches.push({
        tile,
        slot,
        below: { level: level - 1, index: index * TILE_WIDTH + slot, width: TILE_WIDTH },
      })
    }
    if (tile.width < TILE_WIDTH) partial = Uint8Array.from(stored)
    else roots.push(hashTile(stored, crypto.sha256Into))
  }
  return { roots: concat(roots), partial, mismatches }
}

/** The digits of a size in base 256 are the widths of its partial tiles, and their bits are the complete subtrees of its edge. */
export function rootOfEdge(
  size: number,
  partials: readonly Uint8Array[],
  sha256: Sha256,
): Uint8Array {
  const edge: Uint8Array[] = []
  for (const partial of partials.toReversed()) {
    const width = partial.length / HASH_BYTES
    for (let bit = TILE_HEIGHT - 1, done = 0; bit >= 0; bit--) {
      const span = 2 ** bit
      if ((width & span) === 0) continue
      edge.push(nodeFromTile(sha256, partial, { levelInTile: bit, indexInTile: done / span }))
      done += span
    }
  }
  return CompactRange.from(size, edge, sha256).root()
}

function blameTile(tile: Tile, slot: number, below: Tile): Finding {
  const message = `hash ${slot} is not that of ${below.level === 'entries' ? 'entry ' + String(slot) + ' of ' : ''}${tilePath(below)}, nor what the tree above expects`
  return { code: 'TILE_MISMATCH', path: tilePath(tile), byte: slot * HASH_BYTES, message }
}

function blameBelow({ tile, slot, below, byte }: Required<Mismatch>): Finding {
  const path = tilePath(below)
  if (below.level !== 'entries')
    return { code: 'TILE_MISMATCH', path, message: `its hash is not the one in ${tilePath(tile)}` }
  const entry = tile.index * TILE_WIDTH + slot
  return {
    code: 'ENTRY_MISMATCH',
    path,
    entry,
    byte,
    message: `entry ${entry} is not the one that was signed: its hash is not in ${tilePath(tile)}`,
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.length * HASH_BYTES)
  for (const [at, part] of parts.entries()) all.set(part, at * HASH_BYTES)
  return all
}
