/**
 * The Merkle tree in memory: its right edge, and the tiles that are not yet wholly published. Everything older is read from
 * the tiles on disk, so memory does not grow with the log. Lost with the process; rebuilt from tiles and the write-ahead log.
 */
import assert from 'node:assert/strict'
import { emptyRoot } from '@countersign/tlog/hash'
import { nodeFromTile, placeOfNode, tilePath } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { sha256, sha256Into } from '../cryptography.ts'
import { eachEntry } from './entries.ts'

const HASH_BYTES = 32
const WIDTH = 256
const TILE_BYTES = WIDTH * HASH_BYTES
const HEIGHT = 8

// RFC 6962, section 2.1. One buffer each, reused: hashing is synchronous.
const leafMessage = new Uint8Array(1 + 0xff_ff)
leafMessage[0] = 0x00
const nodeMessage = new Uint8Array(1 + 2 * HASH_BYTES)
nodeMessage[0] = 0x01

/** The tiles of one level that are in memory: `tiles[0]` is tile `base`; the last may be partial. */
interface Level {
  base: number
  tiles: Buffer[]
  /** Hashes of this level in the whole tree. */
  hashes: number
  /** The nodes inside the last tile, above its hashes: by height, 128 of height 1 first, 2 of height 7 last. */
  readonly inner: Buffer
}

/** Reads a tile of the log's folder, exactly `tile.width` hashes. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>

export class Tree {
  readonly #levels: Level[] = []

  /**
   * Rebuilds the edge of a published tree from its partial tiles. The caller compares the root.
   * @throws what `read` throws.
   */
  static async load(size: number, read: ReadTile): Promise<Tree> {
    const tree = new Tree()
    for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / WIDTH)) {
      const width = hashes % WIDTH
      const base = Math.floor(hashes / WIDTH)
      const held = openLevel(base)
      tree.#levels.push(held)
      if (width === 0) continue
      const tile = Buffer.alloc(TILE_BYTES)
      tile.set(await read({ level, index: base, width }))
      held.tiles.push(tile)
      // A partial tile never reaches the level above.
      for (let at = 0; at < width; at++) closeInner(held, at)
      held.hashes += width
    }
    return tree
  }

  /** Leaves so far. */
  get size(): number {
    return this.#levels[0]?.hashes ?? 0
  }

  /** The RFC 6962 root over all leaves: its complete subtrees, smallest first, are joined from the right. */
  root(): Uint8Array {
    const root = new Uint8Array(HASH_BYTES)
    let isFirst = true
    for (const held of this.#levels) {
      const width = held.hashes % WIDTH
      for (let height = 0; width >> height > 0; height++) {
        if (((width >> height) & 1) === 0) continue
        const { nodes, at } = placeIn(held, height, (width >> height) - 1)
        if (isFirst) root.set(nodes.subarray(at, at + HASH_BYTES))
        else {
          nodes.copy(nodeMessage, 1, at, at + HASH_BYTES)
          nodeMessage.set(root, 1 + HASH_BYTES)
          sha256Into(nodeMessage, root, 0)
        }
        isFirst = false
      }
    }
    return isFirst ? emptyRoot(sha256) : root
  }

  /** Appends every entry of a section. The one way in, for a commit and for recovery. */
  apply(entries: Buffer): void {
    eachEntry(entries, (entry) => {
      leafMessage.set(entry, 1)
      this.#append(0, leafMessage.subarray(0, 1 + entry.length))
    })
  }

  /** The hash of a complete subtree, if its tile is in memory. */
  node(level: number, index: number): Uint8Array | undefined {
    const place = placeOfNode(level, index)
    const { levelInTile, indexInTile } = place
    const tile = this.#tile(place.level, place.index)
    const held = this.#levels[place.level]
    if (tile === undefined || held === undefined) return undefined
    const isLast = place.index === Math.floor((held.hashes - 1) / WIDTH)
    const isComplete = ((indexInTile + 1) << levelInTile) * HASH_BYTES <= tile.length
    if (isLast && isComplete) {
      const { nodes, at } = placeIn(held, levelInTile, indexInTile)
      return Uint8Array.from(nodes.subarray(at, at + HASH_BYTES))
    }
    return nodeFromTile(sha256, tile, place)
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

  /** Adds the hash of a message to a level, and of a full tile to the level above. */
  #append(level: number, message: Uint8Array): void {
    const held = (this.#levels[level] ??= openLevel(0))
    const at = held.hashes % WIDTH
    if (at === 0) held.tiles.push(Buffer.allocUnsafeSlow(TILE_BYTES))
    const { nodes: tile } = placeIn(held, 0, 0)
    sha256Into(message, tile, at * HASH_BYTES)
    closeInner(held, at)
    held.hashes += 1
    if (at < WIDTH - 1) return
    putPair(held, HEIGHT - 1, 0)
    this.#append(level + 1, nodeMessage)
  }
}

function openLevel(base: number): Level {
  return { base, tiles: [], hashes: base * WIDTH, inner: Buffer.alloc(innerAt(HEIGHT, 0)) }
}

/** Computes the nodes inside the last tile that are complete with its hash `at`. */
function closeInner(held: Level, at: number): void {
  for (let height = 1, index = at; height < HEIGHT && index % 2 === 1; height++) {
    putPair(held, height - 1, index - 1)
    index = (index - 1) / 2
    sha256Into(nodeMessage, held.inner, innerAt(height, index))
  }
}

/** Puts two siblings of the last tile, which stand beside each other, into the message of their parent. */
function putPair(held: Level, height: number, left: number): void {
  const { nodes, at } = placeIn(held, height, left)
  nodes.copy(nodeMessage, 1, at, at + 2 * HASH_BYTES)
}

/** Where a node of the last tile stands. */
function placeIn(
  { tiles, inner }: Level,
  height: number,
  index: number,
): { nodes: Buffer; at: number } {
  const tile = tiles.at(-1)
  assert.ok(tile !== undefined, 'a level has a last tile as long as its nodes are asked for')
  return height === 0
    ? { nodes: tile, at: index * HASH_BYTES }
    : { nodes: inner, at: innerAt(height, index) }
}

/** Where a node stands in `inner`: before it are all nodes of less height, and its siblings to the left. */
function innerAt(height: number, index: number): number {
  return (WIDTH - (WIDTH >> (height - 1)) + index) * HASH_BYTES
}
