/** Copies one signed tree into a store: leaves first, then what names them, so that a crash leaves nothing that stands on nothing. */
import { tilePath, tileWidth, TILE_WIDTH } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import type { CopyStore } from './copy-store.ts'
import { isBundleOf, isTileOf } from './signed-tiles.ts'
import type { SignedTiles } from './signed-tiles.ts'

export interface CopyingOptions {
  /** Entries that are in the copy already. */
  readonly from: number
  /** Bundles that are fetched at once, each with its tile: as many are in memory. */
  readonly concurrency?: number | undefined
  /** Told, often, how many entries are copied. */
  readonly onProgress?: ((done: number, size: number) => void) | undefined
}

const CONCURRENCY = 8

/** One tree on its way into the store. */
export class Copying {
  readonly #tree: SignedTiles
  readonly #store: CopyStore
  /** What is below is in the copy already. */
  readonly #from: number
  readonly #concurrency: number
  readonly #onProgress: ((done: number, size: number) => void) | undefined
  #done: number

  constructor(tree: SignedTiles, store: CopyStore, options: CopyingOptions) {
    this.#tree = tree
    this.#store = store
    this.#from = options.from
    this.#done = options.from
    this.#concurrency = options.concurrency ?? CONCURRENCY
    this.#onProgress = options.onProgress
  }

  async run(): Promise<void> {
    const { levels, head } = this.#tree
    // The partial tiles cover the tree from left to right, the highest level first.
    for (let level = levels - 1; level > 0; level -= 1) {
      const index = Math.floor(head.size / TILE_WIDTH ** (level + 1))
      await this.#children(level, index)
    }
    const partial = this.#tree.edge(0)
    if (partial.length > 0) await this.#bundle(Math.floor(head.size / TILE_WIDTH), partial)
    await this.#store.settle()
    // They name what is below them, so they come after it.
    for (let level = 0; level < levels; level += 1) await this.#putEdge(level)
  }

  /** Everything below a tile that is not in the copy yet. */
  async #children(level: number, index: number): Promise<void> {
    const width = tileWidth(this.#tree.head.size, level, index)
    const first = index * TILE_WIDTH
    const span = TILE_WIDTH ** level
    // A child that ends within the old copy is there, and everything below it.
    const skipped = Math.max(0, Math.floor(this.#from / span) - first)
    const indexes = Array.from(
      { length: Math.max(0, width - skipped) },
      (_, at) => first + skipped + at,
    )
    if (level === 1) await this.#inParallel(indexes)
    else for (const child of indexes) await this.#full(level - 1, child)
  }

  /** A full tile above the leaves, after everything below it. */
  async #full(level: number, index: number): Promise<void> {
    const path = tilePath({ level, index, width: TILE_WIDTH })
    const own = await this.#store.read(path)
    if (own !== undefined && isTileOf(own, await this.#tree.hashOf(level, index))) {
      // A copying that was killed got this far: what is below was durable before this was written.
      this.#advance((index + 1) * TILE_WIDTH ** (level + 1))
      return
    }
    await this.#children(level, index)
    await this.#store.settle()
    await this.#store.put(path, await this.#tree.tile(level, index))
  }

  /** Leaves, a bundle and its tile at a time, several at once. */
  async #inParallel(indexes: readonly number[]): Promise<void> {
    const waiting = indexes.values()
    const failures: unknown[] = []
    const work = async (): Promise<void> => {
      for (const index of waiting) {
        if (failures.length > 0) return
        await this.#leaves(index).catch((error: unknown) => failures.push(error))
      }
    }
    await Promise.all(Array.from({ length: this.#concurrency }, work))
    if (failures.length > 0) throw failures[0]
  }

  async #leaves(index: number): Promise<void> {
    const path = tilePath({ level: 0, index, width: TILE_WIDTH })
    const own = await this.#store.read(path)
    const isThere = own !== undefined && isTileOf(own, await this.#tree.hashOf(0, index))
    const hashes = isThere ? own : await this.#tree.tile(0, index)
    await this.#bundle(index, hashes)
    if (!isThere) await this.#store.put(path, hashes)
    this.#advance((index + 1) * TILE_WIDTH)
  }

  async #bundle(index: number, hashes: Uint8Array): Promise<void> {
    const width = tileWidth(this.#tree.head.size, 'entries', index)
    const path = tilePath({ level: 'entries', index, width })
    const own = await this.#store.read(path)
    if (own !== undefined && isBundleOf(own, hashes)) return
    await this.#store.put(path, await this.#tree.bundle(index))
  }

  async #putEdge(level: number): Promise<void> {
    const hashes = this.#tree.edge(level)
    const index = Math.floor(this.#tree.head.size / TILE_WIDTH ** (level + 1))
    const tile: Tile = { level, index, width: tileWidth(this.#tree.head.size, level, index) }
    if (tile.width > 0) await this.#store.put(tilePath(tile), hashes)
    if (level === 0) this.#advance(this.#tree.head.size)
  }

  #advance(done: number): void {
    this.#done = Math.max(this.#done, done)
    this.#onProgress?.(this.#done, this.#tree.head.size)
  }
}
