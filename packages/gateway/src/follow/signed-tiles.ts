/**
 * The tiles of one signed tree, from a source that nobody believes: the partial tiles at the right edge are held against the signed
 * root, and every full tile against its hash in the tile above. So each file is known to be right before it is shown or stored.
 */
import { decodeBundle, encodeBundle } from '@countersign/tlog/bundle'
import { CompactRange } from '@countersign/tlog/compact-range'
import { equalBytes, HASH_BYTES, hashLeaf } from '@countersign/tlog/hash'
import {
  checkTileBytes,
  nodeFromTile,
  partialWidth,
  TILE_HEIGHT,
  tilePath,
  tileWidth,
  TILE_WIDTH,
} from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { sha256 } from '../cryptography.ts'
import { broken, messageOf } from './errors.ts'
import type { FollowError } from './errors.ts'
import type { Head } from './published-log.ts'

/** Reads one file of the log by its path. */
export type ReadFile = (path: string, bytesMax: number) => Promise<Uint8Array | undefined>

/**
 * Asked when a file is missing or is not what it must be.
 * @param isRight tells whether bytes are.
 * @returns the right bytes, or nothing when there are none to be had.
 */
export type Heal = (
  tile: Tile,
  found: Uint8Array | undefined,
  isRight: (bytes: Uint8Array) => boolean,
) => Promise<Uint8Array | undefined>

/** Tiles kept to check others by: one a level is in use at a time, and a few more. */
const KEPT_TILES_MAX = 32

const TILE_BYTES = TILE_WIDTH * HASH_BYTES
const BUNDLE_BYTES_MAX = TILE_WIDTH * (65_535 + 2)

export class SignedTiles {
  readonly head: Head
  readonly #read: ReadFile
  readonly #heal: Heal | undefined
  /** The partial tile of each level, empty where the level has none. */
  readonly #edge: readonly Uint8Array[]
  readonly #kept = new Map<string, Promise<Uint8Array>>()

  private constructor(
    head: Head,
    { read, heal }: { read: ReadFile; heal: Heal | undefined },
    edge: readonly Uint8Array[],
  ) {
    this.head = head
    this.#read = read
    this.#heal = heal
    this.#edge = edge
  }

  /** @throws {FollowError} `FOLLOW_BROKEN` when the tiles at the edge do not lead to the signed root */
  static async open(head: Head, read: ReadFile, heal?: Heal): Promise<SignedTiles> {
    const edge: Uint8Array[] = []
    for (let level = 0; level < levelsOf(head.size); level += 1) {
      const width = partialWidth(head.size, level)
      const index = Math.floor(head.size / TILE_WIDTH ** (level + 1))
      edge.push(width === 0 ? new Uint8Array() : await readHashes(read, { level, index, width }))
    }
    if (!equalBytes(rootOfEdge(head.size, edge), head.root))
      throw broken(`the tiles do not lead to the signed root of size ${head.size}`)
    return new SignedTiles(head, { read, heal }, edge)
  }

  /** Tile levels that a tree of this size has. */
  get levels(): number {
    return this.#edge.length
  }

  /** The partial tile at the end of a level, checked; empty when there is none. */
  edge(level: number): Uint8Array {
    return this.#edge[level] ?? new Uint8Array()
  }

  /** The hashes of a tile of this tree, checked. @throws {FollowError} `FOLLOW_BROKEN`, `FOLLOW_UNREADABLE` */
  async tile(level: number, index: number): Promise<Uint8Array> {
    const width = tileWidth(this.head.size, level, index)
    if (width < TILE_WIDTH) return this.edge(level)
    const key = `${level}/${index}`
    const kept = this.#kept.get(key)
    // What is used stays: a tile is asked for once for each of those below it.
    this.#kept.delete(key)
    const reading = kept ?? this.#check(level, index)
    this.#kept.set(key, reading)
    if (kept !== undefined) return await kept
    for (const oldest of this.#kept.keys())
      if (this.#kept.size > KEPT_TILES_MAX) this.#kept.delete(oldest)
    // What failed may succeed when it is asked for again.
    reading.catch(() => this.#kept.delete(key))
    return await reading
  }

  /** What a full tile must hash to. */
  async hashOf(level: number, index: number): Promise<Uint8Array> {
    const above = await this.tile(level + 1, Math.floor(index / TILE_WIDTH))
    const at = (index % TILE_WIDTH) * HASH_BYTES
    return above.subarray(at, at + HASH_BYTES)
  }

  /** The bundle beside a tile of level 0, exactly as wide, checked. @throws {FollowError} */
  async bundle(index: number): Promise<Uint8Array> {
    const width = tileWidth(this.head.size, 'entries', index)
    const tile: Tile = { level: 'entries', index, width }
    const hashes = await this.tile(0, index)
    const isRight = (bytes: Uint8Array): boolean => isBundleOf(bytes, hashes)
    const found = await readTileFile(this.#read, tile, BUNDLE_BYTES_MAX)
    const cut = found === undefined ? undefined : cutBundle(found, width)
    if (cut !== undefined && isRight(cut)) return cut
    const healed = await this.#heal?.(tile, found, isRight)
    if (healed !== undefined) return healed
    throw wrong(tile, found, 'does not hold the entries that were signed')
  }

  /** The root that the first `size` leaves of this tree have. */
  async rootAt(size: number): Promise<Uint8Array> {
    const edge: Uint8Array[] = []
    for (let level = 0; level < levelsOf(size); level += 1) {
      const width = partialWidth(size, level)
      const index = Math.floor(size / TILE_WIDTH ** (level + 1))
      const bytes = width === 0 ? new Uint8Array() : await this.tile(level, index)
      edge.push(bytes.subarray(0, width * HASH_BYTES))
    }
    return rootOfEdge(size, edge)
  }

  async #check(level: number, index: number): Promise<Uint8Array> {
    const tile: Tile = { level, index, width: TILE_WIDTH }
    const expected = await this.hashOf(level, index)
    const isRight = (bytes: Uint8Array): boolean => isTileOf(bytes, expected)
    const found = await readTileFile(this.#read, tile, TILE_BYTES)
    if (found !== undefined && isRight(found)) return found
    const healed = await this.#heal?.(tile, found, isRight)
    if (healed !== undefined) return healed
    throw wrong(tile, found, 'is not the tile that the tree above it names')
  }
}

/** Whether the bytes are a full tile of this hash. */
export function isTileOf(bytes: Uint8Array, hash: Uint8Array): boolean {
  if (bytes.length !== TILE_BYTES) return false
  return equalBytes(nodeFromTile(sha256, bytes, { levelInTile: TILE_HEIGHT, indexInTile: 0 }), hash)
}

/** Whether the bytes are a bundle of exactly the entries whose leaf hashes a tile holds. */
export function isBundleOf(bundle: Uint8Array, tile: Uint8Array): boolean {
  let entries: Uint8Array[]
  try {
    entries = decodeBundle(bundle, tile.length / HASH_BYTES)
  } catch {
    // Whoever asked says which file it is, and that it is wrong.
    return false
  }
  return entries.every((entry, at) =>
    equalBytes(hashLeaf(sha256, entry), tile.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)),
  )
}

/** Tile levels of a tree: the highest holds less than a tile, and at least one hash. */
export function levelsOf(size: number): number {
  let levels = 0
  while (Math.floor(size / TILE_WIDTH ** levels) > 0) levels += 1
  return levels
}

/** The digits of a size in base 256 are the widths of its partial tiles, and their bits the complete subtrees of its edge. */
export function rootOfEdge(size: number, edge: readonly Uint8Array[]): Uint8Array {
  const hashes: Uint8Array[] = []
  for (const partial of edge.toReversed()) {
    const width = partial.length / HASH_BYTES
    let done = 0
    for (let levelInTile = TILE_HEIGHT - 1; levelInTile >= 0; levelInTile -= 1) {
      const span = 2 ** levelInTile
      if ((width & span) === 0) continue
      hashes.push(nodeFromTile(sha256, partial, { levelInTile, indexInTile: done / span }))
      done += span
    }
  }
  return CompactRange.from(size, hashes, sha256).root()
}

async function readHashes(read: ReadFile, tile: Tile): Promise<Uint8Array> {
  const bytes = await readTileFile(read, tile, TILE_BYTES)
  if (bytes === undefined) throw wrong(tile, bytes, 'is missing')
  try {
    checkTileBytes(bytes)
    const cut = bytes.subarray(0, tile.width * HASH_BYTES)
    checkTileBytes(cut, tile.width)
    return cut
  } catch (cause) {
    throw broken(`${tilePath(tile)} is malformed: ${messageOf(cause)}`, cause)
  }
}

/** A partial tile may be gone once the full one is there, which begins with the same bytes. */
async function readTileFile(
  read: ReadFile,
  tile: Tile,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  const path = tilePath(tile)
  const full = tilePath({ ...tile, width: TILE_WIDTH })
  return (await read(path, bytesMax)) ?? (path === full ? undefined : await read(full, bytesMax))
}

function wrong(tile: Tile, found: Uint8Array | undefined, how: string): FollowError {
  return broken(`${tilePath(tile)} ${found === undefined ? 'is missing' : how}`)
}

/** The first entries of a bundle that may be wider; what is no bundle stays as it is, and will not hash. */
function cutBundle(bytes: Uint8Array, width: number): Uint8Array {
  try {
    const entries = decodeBundle(bytes)
    return entries.length === width ? bytes : encodeBundle(entries.slice(0, width))
  } catch {
    // Whoever compares it with its tile says that it is wrong.
    return bytes
  }
}
