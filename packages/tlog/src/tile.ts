import { TlogError } from './errors.ts'
import { HASH_BYTES, hashNode } from './hash.ts'
import type { Sha256 } from './hash.ts'
import { treeSize } from './size.ts'

/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 256

/** Levels of the tree between a hash of a tile and the hash of the whole tile. */
export const TILE_HEIGHT = 8

/** Highest level that a path may name. */
export const TILE_LEVEL_MAX = 63

/** Where a tile lies: its level counts tiles, not tree levels; `'entries'` are the entry bundles beside level 0. */
export interface Tile {
  readonly level: number | 'entries'
  /** From 0, within its level. */
  readonly index: number
  /** Hashes or entries in it, 1 to 256; under 256 it is partial. */
  readonly width: number
}

/** Where in the tiles a complete subtree is found: `levelInTile` 0 to 7, its place within the tile at that level. */
export interface NodePlace {
  readonly level: number
  readonly index: number
  readonly levelInTile: number
  readonly indexInTile: number
}

/**
 * The path of a tile below the log's prefix: `tile/0/x001/x234/067`, or with `.p/5` when it is partial.
 * @throws {TlogError} `TILE_PATH_MALFORMED` for a level, index or width that no path can name
 * @see https://c2sp.org/tlog-tiles
 */
export function tilePath({ level, index, width }: Tile): string {
  const levelOk =
    level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= TILE_LEVEL_MAX)
  if (
    !levelOk ||
    !Number.isSafeInteger(index) ||
    index < 0 ||
    !Number.isInteger(width) ||
    width < 1 ||
    width > TILE_WIDTH
  ) {
    throw malformedPath(`level ${level}, index ${index}, width ${width}`)
  }
  let rest = Math.floor(index / 1000)
  let path = String(index % 1000).padStart(3, '0')
  while (rest > 0) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
    rest = Math.floor(rest / 1000)
  }
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/**
 * Reads a path of `tilePath`, and only its one spelling: no leading zeros, no empty groups, indexes up to 2^53-1.
 * @throws {TlogError} `TILE_PATH_MALFORMED`
 */
export function parseTilePath(path: string): Tile {
  // Attacker-controlled: at most six groups of three digits hold 2^53.
  const parts =
    /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(path)
  const [level, groups] = [parts?.[1], parts?.[2]]
  if (level === undefined || groups === undefined) throw malformedPath(path)
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    index: Number(groups.replaceAll(/[x/]/g, '')),
    width: Number(parts?.[3] ?? TILE_WIDTH),
  }
  if (tilePath(tile) !== path) throw malformedPath(path)
  return tile
}

/** Hashes in the partial tile at the end of `level` (0 to 255) of a tree of `size` leaves; 0 says there is none. */
export function partialWidth(size: number, level: number | 'entries'): number {
  return hashesAtLevel(size, level === 'entries' ? 0 : level) % TILE_WIDTH
}

/** Every bundle and tile of a tree of `size` leaves: bundles first, then each level from the bottom; partial tiles included. */
export function tilesForSize(size: number): Generator<Tile, void, undefined> {
  return tilesBetween(0, size)
}

/**
 * The bundles and tiles that a log must write to grow from `oldSize` to `newSize`: those with at least one new entry or hash, partial
 * ones included; bundles first, then each level from the bottom.
 * @throws {TlogError} `SIZE_UNSAFE`; `CONSISTENCY_SHRINKS` when `newSize` is below `oldSize`
 */
export function* tilesBetween(oldSize: number, newSize: number): Generator<Tile, void, undefined> {
  treeSize(oldSize)
  treeSize(newSize)
  if (newSize < oldSize)
    throw new TlogError(
      'CONSISTENCY_SHRINKS',
      `could not list tiles: a log of ${oldSize} cannot become one of ${newSize}`,
    )
  yield* tilesOfLevel('entries', oldSize, newSize)
  for (let level = 0; hashesAtLevel(newSize, level) > 0; level++) {
    yield* tilesOfLevel(level, hashesAtLevel(oldSize, level), hashesAtLevel(newSize, level))
  }
}

/**
 * Where the complete subtree `index` of tree level `level` (0 is the leaves) is found.
 * Its tile is full or partial by the size of the log; see `tileWidth`.
 */
export function placeOfNode(level: number, index: number): NodePlace {
  const levelInTile = level % TILE_HEIGHT
  const nodesInTile = 2 ** (TILE_HEIGHT - levelInTile)
  return {
    level: Math.floor(level / TILE_HEIGHT),
    index: Math.floor(index / nodesInTile),
    levelInTile,
    indexInTile: index % nodesInTile,
  }
}

/** Width of tile `index` at `level` in a tree of `size` leaves: 256 when full, 0 when there is no such tile yet. */
export function tileWidth(size: number, level: number | 'entries', index: number): number {
  const hashes = hashesAtLevel(size, level === 'entries' ? 0 : level)
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH))
}

/**
 * The hash of a complete subtree inside a tile, from the tile's bytes.
 * @param place `levelInTile` is 0 for the hashes of the tile themselves, up to 8 for the hash of a full tile;
 * `indexInTile` counts subtrees of that level from 0.
 * @throws {TlogError} `TILE_MALFORMED` when the bytes are no tile, or hold too few hashes
 */
export function nodeFromTile(
  sha256: Sha256,
  tile: Uint8Array,
  place: Readonly<{ levelInTile: number; indexInTile: number }>,
): Uint8Array {
  const { levelInTile, indexInTile } = place
  checkTileBytes(tile)
  if (
    !Number.isInteger(levelInTile) ||
    levelInTile < 0 ||
    levelInTile > TILE_HEIGHT ||
    !Number.isInteger(indexInTile) ||
    indexInTile < 0
  ) {
    throw malformedTile(`it has no subtree ${indexInTile} at level ${levelInTile}`)
  }
  const span = 2 ** levelInTile
  const start = indexInTile * span
  if ((start + span) * HASH_BYTES > tile.length)
    throw malformedTile(`it is too narrow for subtree ${indexInTile} at level ${levelInTile}`)
  let hashes: Uint8Array[] = []
  for (let at = start; at < start + span; at++)
    hashes.push(tile.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES))
  while (hashes.length > 1) hashes = pairUp(sha256, hashes)
  const [hash] = hashes
  if (hash === undefined) throw malformedTile('it is empty')
  return hash
}

/** @throws {TlogError} `TILE_MALFORMED` unless the bytes are 1 to 256 hashes, or exactly `width` when given */
export function checkTileBytes(tile: Uint8Array, width?: number): void {
  const hashes = tile.length / HASH_BYTES
  if (!Number.isInteger(hashes) || hashes < 1 || hashes > TILE_WIDTH)
    throw malformedTile(`${tile.length} bytes are not 1 to 256 hashes`)
  if (width !== undefined && hashes !== width)
    throw malformedTile(`it holds ${hashes} hashes, not ${width}`)
}

function* tilesOfLevel(
  level: number | 'entries',
  oldHashes: number,
  newHashes: number,
): Generator<Tile, void, undefined> {
  if (newHashes === oldHashes) return
  const last = Math.floor((newHashes - 1) / TILE_WIDTH)
  for (let index = Math.floor(oldHashes / TILE_WIDTH); index <= last; index++) {
    yield { level, index, width: Math.min(TILE_WIDTH, newHashes - index * TILE_WIDTH) }
  }
}

/** A hash is in a tile only once the tile below is full: partial tiles are never hashed up. */
function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level)
}

function pairUp(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array[] {
  const parents: Uint8Array[] = []
  for (let at = 0; at + 1 < hashes.length; at += 2) {
    const [left, right] = [hashes[at], hashes[at + 1]]
    if (left !== undefined && right !== undefined) parents.push(hashNode(sha256, left, right))
  }
  return parents
}

function malformedPath(what: string): TlogError {
  return new TlogError('TILE_PATH_MALFORMED', `could not use a tile path: ${what}`)
}

function malformedTile(why: string): TlogError {
  return new TlogError('TILE_MALFORMED', `could not read a tile: ${why}`)
}
