/**
 * The public folder: tiles, bundles and the checkpoint of a tlog-tiles prefix. What is in it is trusted only through the
 * checkpoint's root; an attacker who owns it can destroy it, and whoever reads it will see that.
 */
import { mkdir, readFile, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkTileBytes, tilePath } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { replaceFile, syncDirectory, writeDurably } from '../platform.ts'
import { corrupt, systemError } from './errors.ts'
import type { Layout } from './layout.ts'
import { PUBLISH_FILES_MAX } from './limits.ts'

/** Folders whose existence is remembered, to spare a system call for each file. */
const KNOWN_FOLDERS_MAX = 1_000

export class TileStore {
  readonly #layout: Layout
  readonly #known = new Set<string>()
  readonly #unsynced = new Set<string>()
  readonly #writing = new Set<Promise<void>>()
  /** Resolved when a file is written while `put` waits. */
  #room: PromiseWithResolvers<void> | undefined
  #failure: Error | undefined

  constructor(layout: Layout) {
    this.#layout = layout
  }

  /** @throws {LedgerError} `LEDGER_CORRUPT` when the tile is missing or has another width. */
  async readTile(tile: Tile): Promise<Uint8Array> {
    const bytes = await this.#read(tilePath(tile))
    try {
      checkTileBytes(bytes, tile.width)
    } catch {
      throw corrupt(
        { path: join(this.#layout.log, tilePath(tile)), byte: bytes.length },
        `it should hold ${tile.width} hashes`,
      )
    }
    return bytes
  }

  /** The bytes of an entry bundle of a published width. @throws {LedgerError} `LEDGER_CORRUPT` when it is missing. */
  async readBundle(index: number, width: number): Promise<Buffer> {
    return this.#read(tilePath({ level: 'entries', index, width }))
  }

  /** Starts writing a file; waits only while too many are under way. Call `settle` before anything refers to it. */
  async put(tile: Tile, bytes: Uint8Array): Promise<void> {
    while (this.#writing.size >= PUBLISH_FILES_MAX) {
      this.#room ??= Promise.withResolvers()
      await this.#room.promise
    }
    const writing = this.#write(tilePath(tile), bytes).catch((error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
    })
    this.#writing.add(writing)
    void writing.then(() => {
      this.#writing.delete(writing)
      this.#room?.resolve()
      this.#room = undefined
    })
  }

  /** Waits until every file of `put` is durable under its name. @throws the first error among them. */
  async settle(): Promise<void> {
    await Promise.all(this.#writing)
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    await Promise.all([...this.#unsynced].map(async (folder) => syncDirectory(folder)))
    this.#unsynced.clear()
  }

  /** Puts the checkpoint in place, durably: from here on readers see the new tree. */
  async putCheckpoint(note: string): Promise<void> {
    await writeDurably(this.#layout.checkpoint, note, { temporary: this.#layout.temporary })
  }

  /** Removes partial tiles that no checkpoint of the last two needs. */
  async remove(tiles: readonly Tile[]): Promise<void> {
    for (const tile of tiles) {
      // Already gone after a crash in the middle of this; left behind, it is a true prefix of a wider tile.
      const path = join(this.#layout.log, tilePath(tile))
      await unlink(path).catch(() => undefined)
      // The folder of the widths of one tile; it stays while another width is in it.
      await rmdir(dirname(path)).catch(() => undefined)
      this.#known.delete(dirname(path))
    }
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const target = join(this.#layout.log, path)
    await this.#makeFolder(dirname(target))
    await replaceFile(target, bytes, { temporary: this.#layout.temporary })
    this.#unsynced.add(dirname(target))
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#known.has(folder)) return
    await mkdir(folder, { recursive: true })
    // All the way up, also when it exists: a process that was killed may have made it and not synced it.
    for (let name = folder; name !== this.#layout.log; name = dirname(name))
      this.#unsynced.add(dirname(name))
    if (this.#known.size >= KNOWN_FOLDERS_MAX) this.#known.clear()
    this.#known.add(folder)
  }

  async #read(path: string): Promise<Buffer> {
    const whole = join(this.#layout.log, path)
    try {
      return await readFile(whole)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        throw corrupt({ path: whole, byte: 0 }, 'it is missing')
      throw systemError('LEDGER_UNAVAILABLE', `could not read ${whole}`, error)
    }
  }
}
