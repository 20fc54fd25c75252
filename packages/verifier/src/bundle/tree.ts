/**
 * The tiles of a bundle, from the root down: the tiles at the right edge of the tree lead to the signed root, and every other tile has
 * its hash in the one above. So each file is judged alone, by one that has been judged before. Holds one tile a level.
 */
import { encodeHex } from '@countersign/tlog/base64'
import type { Checkpoint } from '@countersign/tlog/checkpoint'
import { decodeBundle } from '@countersign/tlog/bundle'
import { TlogError } from '@countersign/tlog/errors'
import { equalBytes, HASH_BYTES } from '@countersign/tlog/hash'
import {
  checkTileBytes,
  partialWidth,
  TILE_WIDTH,
  tilePath,
  tileWidth,
} from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'

import type { Finding } from '../finding.ts'
import { hashEntries, hashTile } from '../hashes.ts'
import { rootOfEdge } from '../levels.ts'
import { CHECKPOINT } from './layout.ts'
import type { Crypto } from '../source.ts'

export interface TreeTools {
  readonly crypto: Crypto
  /** The bytes of a file; `undefined`, and a finding of its own, when it is missing or damaged. */
  readonly read: (path: string) => Promise<Uint8Array | undefined>
  readonly has: (path: string) => boolean
  readonly onFinding: (finding: Finding) => void
}

interface Judged {
  readonly index: number
  readonly bytes: Uint8Array | undefined
}

type HashTileAt = Tile & { readonly level: number }

export class BundleTree {
  readonly #size: number
  readonly #tools: TreeTools
  readonly #edge = new Map<number, Uint8Array>()
  readonly #latest = new Map<number, Judged>()

  private constructor(size: number, tools: TreeTools) {
    this.#size = size
    this.#tools = tools
  }

  /** Checks the edge against the root. @returns `undefined`, and findings, when it does not lead there: then nothing is vouched for */
  static async open(
    checkpoint: Checkpoint,
    size: number,
    tools: TreeTools,
  ): Promise<BundleTree | undefined> {
    const tree = new BundleTree(size, tools)
    return (await tree.#openEdge(checkpoint)) ? tree : undefined
  }

  /** The bytes of a tile that the root vouches for; `undefined`, and one finding, when there are no such. */
  async tile(level: number, index: number): Promise<Uint8Array | undefined> {
    const width = tileWidth(this.#size, level, index)
    if (width < TILE_WIDTH) return this.#edge.get(level)
    const latest = this.#latest.get(level)
    if (latest?.index === index) return latest.bytes
    const bytes = await this.#judge({ level, index, width })
    this.#latest.set(level, { index, bytes })
    return bytes
  }

  /**
   * The entries of a bundle, each as it was signed; one that is not is left out, with a finding that names it.
   * @returns `undefined`, and a finding, when the bundle cannot be read or nothing vouches for it
   */
  async entries(index: number): Promise<readonly (Uint8Array | undefined)[] | undefined> {
    const width = tileWidth(this.#size, 'entries', index)
    const tile: HashTileAt = { level: 0, index, width }
    const path = tilePath({ level: 'entries', index, width })
    const bytes = await this.#tools.read(path)
    const hashes = await this.tile(0, index)
    if (bytes === undefined || hashes === undefined) return undefined
    const entries = this.#decode(path, bytes, width)
    if (entries === undefined) return undefined
    const computed = hashEntries(entries, width, this.#tools.crypto.sha256Into)
    return entries.map((entry, slot) => {
      const at = slot * HASH_BYTES
      if (equalBytes(hashes.subarray(at, at + HASH_BYTES), computed.subarray(at, at + HASH_BYTES)))
        return entry
      const leaf = index * TILE_WIDTH + slot
      this.#tools.onFinding({
        code: 'ENTRY_MISMATCH',
        path,
        entry: leaf,
        byte: entry.byteOffset - bytes.byteOffset,
        message: `entry ${leaf} is not the one that was signed: its hash is not in ${tilePath(tile)}`,
      })
      return undefined
    })
  }

  async #openEdge({ root }: Checkpoint): Promise<boolean> {
    const partials: Uint8Array[] = []
    let isWhole = true
    for (let level = 0; tileWidth(this.#size, level, 0) > 0; level++) {
      const width = partialWidth(this.#size, level)
      if (width === 0) {
        partials.push(new Uint8Array(0))
        continue
      }
      const index = Math.floor(this.#size / TILE_WIDTH ** (level + 1))
      const bytes = await this.#readTile({ level, index, width })
      if (bytes === undefined) isWhole = false
      else this.#edge.set(level, bytes)
      partials.push(bytes ?? new Uint8Array(width * HASH_BYTES))
    }
    if (!isWhole) return false
    const computed = rootOfEdge(this.#size, partials, this.#tools.crypto.sha256)
    if (equalBytes(computed, root)) return true
    if (!(await this.#blameEdge()))
      this.#tools.onFinding({
        code: 'ROOT_MISMATCH',
        path: CHECKPOINT,
        message: `it signs the root ${encodeHex(root)}, and the tiles at the edge of the tree lead to ${encodeHex(computed)}`,
      })
    return false
  }

  /** With a wrong root, the tile at the edge that does not fit what is below it is the one that was changed. */
  async #blameEdge(): Promise<boolean> {
    let isBlamed = false
    for (const [level, bytes] of this.#edge) {
      const index = Math.floor(this.#size / TILE_WIDTH ** (level + 1))
      const tile = { level, index, width: bytes.length / HASH_BYTES }
      const slot = await this.#slotThatDiffers(tile, bytes)
      if (slot === undefined) continue
      isBlamed = true
      this.#tools.onFinding({
        code: 'TILE_MISMATCH',
        path: tilePath(tile),
        byte: slot * HASH_BYTES,
        message: `hash ${slot} is not that of what is below it, nor what the signed root expects`,
      })
    }
    return isBlamed
  }

  async #slotThatDiffers(tile: HashTileAt, bytes: Uint8Array): Promise<number | undefined> {
    for (let slot = 0; slot < tile.width; slot++) {
      const hash = await this.#hashBelow(tile, slot)
      const at = slot * HASH_BYTES
      if (hash !== undefined && !equalBytes(hash, bytes.subarray(at, at + HASH_BYTES))) return slot
    }
    return undefined
  }

  /** What is below a slot, where the bundle has it. */
  async #hashBelow(
    { level, index, width }: HashTileAt,
    slot: number,
  ): Promise<Uint8Array | undefined> {
    const { sha256Into } = this.#tools.crypto
    const path =
      level === 0
        ? tilePath({ level: 'entries', index, width })
        : tilePath({ level: level - 1, index: index * TILE_WIDTH + slot, width: TILE_WIDTH })
    const bytes = this.#tools.has(path) ? await this.#tools.read(path) : undefined
    if (bytes === undefined) return undefined
    if (level > 0)
      return bytes.length === TILE_WIDTH * HASH_BYTES ? hashTile(bytes, sha256Into) : undefined
    const entry = this.#decode(path, bytes, width)?.[slot]
    return entry === undefined ? undefined : hashEntries([entry], 1, sha256Into)
  }

  /** A full tile is what its slot in the tile above says. */
  async #judge(tile: HashTileAt): Promise<Uint8Array | undefined> {
    const bytes = await this.#readTile(tile)
    const above = await this.tile(tile.level + 1, Math.floor(tile.index / TILE_WIDTH))
    // What is wrong above has its finding; then nothing vouches for this one.
    if (bytes === undefined || above === undefined) return undefined
    const at = (tile.index % TILE_WIDTH) * HASH_BYTES
    const computed = hashTile(bytes, this.#tools.crypto.sha256Into)
    if (equalBytes(above.subarray(at, at + HASH_BYTES), computed)) return bytes
    this.#tools.onFinding({
      code: 'TILE_MISMATCH',
      path: tilePath(tile),
      message: `its hash is not the one in the tile above it`,
    })
    return undefined
  }

  async #readTile(tile: HashTileAt): Promise<Uint8Array | undefined> {
    const path = tilePath(tile)
    const bytes = await this.#tools.read(path)
    if (bytes === undefined) return undefined
    try {
      checkTileBytes(bytes, tile.width)
      return bytes
    } catch (error) {
      this.#tools.onFinding({ code: 'FILE_MALFORMED', path, message: tlogMessage(error) })
      return undefined
    }
  }

  #decode(path: string, bytes: Uint8Array, width: number): Uint8Array[] | undefined {
    try {
      return decodeBundle(bytes, width)
    } catch (error) {
      this.#tools.onFinding({ code: 'FILE_MALFORMED', path, message: tlogMessage(error) })
      return undefined
    }
  }
}

/** The tiles that hash a run of bundles up to the root of a tree: their own, those above, and the right edge; lowest level first. */
export function tilesAbove(
  size: number,
  bundles: { readonly from: number; readonly to: number },
): Tile[] {
  const tiles: Tile[] = []
  let { from, to } = bundles
  for (let level = 0; tileWidth(size, level, 0) > 0; level++) {
    for (let index = from; index <= to; index++) {
      const width = tileWidth(size, level, index)
      if (width > 0) tiles.push({ level, index, width })
    }
    const edge = Math.floor(size / TILE_WIDTH ** (level + 1))
    const width = partialWidth(size, level)
    if (width > 0 && edge > to) tiles.push({ level, index: edge, width })
    from = Math.floor(from / TILE_WIDTH)
    to = Math.floor(to / TILE_WIDTH)
  }
  return tiles
}

function tlogMessage(error: unknown): string {
  if (error instanceof TlogError) return error.message
  throw error
}
