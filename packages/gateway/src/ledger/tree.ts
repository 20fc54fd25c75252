/**
 * The Merkle tree in memory: its right edge, and the tiles that are not yet wholly published. Everything older is read from
 * the tiles on disk, so memory does not grow with the log. Lost with the process; rebuilt from tiles and the write-ahead log.
 */
import { CompactRange } from '@countersign/tlog/compact-range'
import { hashLeaf } from '@countersign/tlog/hash'
import { nodeFromTile, placeOfNode, tilePath } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { sha256 } from '../platform.ts'
import { eachEntry } from './entries.ts'

const HASH_BYTES = 32
const WIDTH = 256
const TILE_BYTES = WIDTH * HASH_BYTES
const HEIGHT = 8

/** The tiles of one level that are in memory: `tiles[0]` is tile `base`; the last may be partial. */
interface Level {
  base: number
  tiles: Buffer[]
  /** Hashes of this level in the whole tree. */
  hashes: number
}

/** Reads a tile of the log's folder, exactly `tile.width` hashes. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>

export class Tree {
  #range: CompactRange
  readonly #levels: Level[] = []
  readonly #onNode = (level: number, _index: number, hash: Uint8Array): void => {
    if (level % HEIGHT === 0) this.#push(level / HEIGHT, hash)
  }

  constructor() {
    this.#range = new CompactRange(sha256)
  }

  /**
   * Rebuilds the edge of a published tree from its partial tiles. The caller compares the root.
   * @throws what `read` throws.
   */
  static async load(size: number, read: ReadTile): Promise<Tree> {
    const tree = new Tree()
    for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / WIDTH)) {
      const width = hashes % WIDTH
      const base = Math.floor(hashes / WIDTH)
      const tile = Buffer.alloc(TILE_BYTES)
      if (width > 0) tile.set(await read({ level, index: base, width }))
      tree.#levels.push({ base, tiles: width > 0 ? [tile] : [], hashes })
    }
    tree.#range = CompactRange.from(size, tree.#edge(size), sha256)
    return tree
  }

  /** Leaves so far. */
  get size(): number {
    return this.#range.size
  }

  root(): Uint8Array {
    return this.#range.root()
  }

  /** Appends every entry of a section. The one way in, for a commit and for recovery. */
  apply(entries: Buffer): void {
    eachEntry(entries, (entry) => this.#range.append(hashLeaf(sha256, entry), this.#onNode))
  }

  /** The hash of a complete subtree, if its tile is in memory. */
  node(level: number, index: number): Uint8Array | undefined {
    const place = placeOfNode(level, index)
    const tile = this.#tile(place.level, place.index)
    return tile === undefined ? undefined : nodeFromTile(sha256, tile, place)
  }

  /**
   * The first `width` hashes of a tile, as a copy: publication reads it while the tree grows on.
   * @throws {RangeError} when the tile was released.
   */
  tile({ level, index, width }: Tile & { level: number }): Uint8Array {
    const tile = this.#tile(level, index)
    if (tile === undefined)
      throw new RangeError(`could not find ${tilePath({ level, index, width })} in memory`)
    return Uint8Array.from(tile.subarray(0, width * HASH_BYTES))
  }

  /** Forgets the tiles that are full at `publishedSize`: they are on disk. */
  release(publishedSize: number): void {
    let hashes = publishedSize
    for (const level of this.#levels) {
      const keep = Math.floor(hashes / WIDTH)
      if (keep > level.base) {
        level.tiles.splice(0, keep - level.base)
        level.base = keep
      }
      hashes = keep
    }
  }

  #tile(level: number, index: number): Buffer | undefined {
    const held = this.#levels[level]
    if (held === undefined || index < held.base) return undefined
    const tile = held.tiles[index - held.base]
    const width = Math.min(WIDTH, held.hashes - index * WIDTH)
    return tile === undefined || width <= 0 ? undefined : tile.subarray(0, width * HASH_BYTES)
  }

  #push(level: number, hash: Uint8Array): void {
    const held = (this.#levels[level] ??= { base: 0, tiles: [], hashes: 0 })
    const at = held.hashes % WIDTH
    if (at === 0) held.tiles.push(Buffer.allocUnsafeSlow(TILE_BYTES))
    held.tiles.at(-1)?.set(hash, at * HASH_BYTES)
    held.hashes += 1
  }

  /** The complete subtrees of a tree of `size`, largest first: each lies in the partial tile of its level. */
  #edge(size: number): Uint8Array[] {
    const hashes: Uint8Array[] = []
    for (let level = 52, start = 0; level >= 0; level--) {
      const span = 2 ** level
      if (Math.floor(size / span) % 2 === 0) continue
      const hash = this.node(level, start / span)
      if (hash === undefined)
        throw new RangeError('could not load the tree: its edge is not in its partial tiles')
      hashes.push(hash)
      start += span
    }
    return hashes
  }
}
