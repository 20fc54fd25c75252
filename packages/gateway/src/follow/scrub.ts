/**
 * Reads a log on its own disk again and again, slowly, and holds every file against the signed root: what no one reads rots unseen.
 * Damage is told once, as an alarm on record, and put right where the right bytes can be had: a tile from the entries below it,
 * anything from a mirror; they are checked like all others. It never changes a file whose bytes are right.
 */
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeBundle } from '@countersign/tlog/bundle'
import { equalBytes, HASH_BYTES, hashLeaf } from '@countersign/tlog/hash'
import { nodeFromTile, TILE_HEIGHT, tilePath, tileWidth, TILE_WIDTH } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { sha256 } from '../cryptography.ts'
import { replaceFile, syncDirectory } from '../platform.ts'
import { FollowError, messageOf } from './errors.ts'
import type { LogSource } from './log-source.ts'
import { Pace } from './pace.ts'
import { readHead } from './published-log.ts'
import type { Head, PublishedLog } from './published-log.ts'
import { Damages } from './scrub-damages.ts'
import type { Alarm } from './scrub-damages.ts'
import { readScrubState, writeScrubState } from './scrub-state.ts'
import type { ScrubState } from './scrub-state.ts'
import { levelsOf, rootOfEdge, SignedTiles } from './signed-tiles.ts'
import type { Heal } from './signed-tiles.ts'

/** The addenda of 256 records, as they were found. */
export interface CheckedAddenda {
  /** For people and for the record. */
  readonly path: string
  readonly bytes: number
  /** What is wrong with them; absent when nothing is. */
  readonly problem?: string | undefined
}

export interface ScrubOptions {
  /** The log as it lies on this disk. */
  readonly log: PublishedLog
  /** The folder that it is in, and one on the same disk for files on their way into place. */
  readonly folder: string
  readonly temporary: string
  readonly statePath: string
  readonly bytesPerSecond: number
  /** Copies of the log, to repair from. */
  readonly mirrors: readonly LogSource[]
  /** Checks the addenda of a group of 256 records against their digests. */
  readonly checkAddenda?:
    | ((group: number, entries: readonly Uint8Array[]) => Promise<CheckedAddenda>)
    | undefined
  /** Puts an alarm on record. When it rejects, it is tried again in the next pass. */
  readonly record: (alarm: Alarm) => Promise<void>
  /** Told what is found and done, for people. */
  readonly onEvent: (event: ScrubEvent) => void
  /** How many, the first from where the last one stopped; none only says how things stand, and Infinity is for ever. */
  readonly passes: number
  readonly signal: AbortSignal
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  /** From the beginning of one pass to that of the next, at least. */
  readonly passMsMin?: number | undefined
}

export type ScrubEvent =
  | { readonly kind: 'damaged'; readonly path: string; readonly detail: string }
  | { readonly kind: 'repaired'; readonly path: string; readonly from: string }
  | { readonly kind: 'unrecorded'; readonly path: string; readonly cause: unknown }
  | { readonly kind: 'unchecked'; readonly why: string }
  | { readonly kind: 'pass'; readonly state: ScrubState }

/** How often the state is written while nothing happens. */
const GROUPS_A_SAVE = 64
const PASS_MS_MIN = 60_000
/** A checkpoint that a ledger replaces while it is read is read again. */
const READINGS_MAX = 5

/**
 * Scrubs so many times, or until it is told to stop.
 * @returns how it stands at the end.
 * @throws {FollowError} `FOLLOW_STORE` when its own state cannot be kept
 */
export async function scrubLog(options: ScrubOptions): Promise<ScrubState> {
  const { signal, passes, passMsMin = PASS_MS_MIN } = options
  const scrubber = new Scrubber(options, await readScrubState(options.statePath))
  for (let done = 1; done <= passes && !signal.aborted; done += 1) {
    const startMs = performance.now()
    await scrubber.pass()
    if (done === passes || signal.aborted) break
    await pauseFor(passMsMin - (performance.now() - startMs), signal)
  }
  if (passes > 0) await scrubber.save()
  return scrubber.state
}

/** Aborted, it ends at once: the caller looks at the signal. */
async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => undefined)
}

class Scrubber {
  readonly #options: ScrubOptions
  readonly #pace: Pace
  readonly #damages: Damages
  #state: ScrubState
  #bytes = 0
  /** Tiles of this pass that cannot be had: what is below them cannot be checked either. */
  readonly #hopeless = new Set<string>()
  /** Why a file of this pass could not be read, by its path. */
  readonly #unread = new Map<string, string>()

  constructor(options: ScrubOptions, state: ScrubState) {
    this.#options = options
    this.#state = state
    this.#pace = new Pace(options.bytesPerSecond, {
      wait: (ms) => pauseFor(ms, options.signal),
      nowMs: () => performance.now(),
    })
    this.#damages = new Damages(state.damage, options)
  }

  get state(): ScrubState {
    return {
      ...this.#state,
      damage: this.#damages.all,
      repaired: this.#damages.repaired + this.#state.repaired,
    }
  }

  async save(): Promise<void> {
    await writeScrubState(this.#options.statePath, this.state)
  }

  /** From the cursor to the end of what was signed when it began. */
  async pass(): Promise<void> {
    this.#damages.beginPass(this.#state.cursor === 0)
    this.#hopeless.clear()
    this.#unread.clear()
    this.#bytes = 0
    const tree = await this.#openTree()
    if (tree === undefined) {
      await this.save()
      return
    }
    const groups = Math.floor(tree.head.size / TILE_WIDTH)
    for (let group = this.#state.cursor; group < groups; group += 1) {
      await this.#scrubGroup(tree, group)
      if (this.#options.signal.aborted) return
      this.#state = { ...this.#state, cursor: group + 1, groups }
      if (this.#damages.hasChanged() || group % GROUPS_A_SAVE === 0) await this.save()
    }
    if (tree.edge(0).length > 0) await this.#scrubEdgeBundle(tree, groups)
    await this.#damages.endPass(this.#hopeless.size > 0)
    this.#state = {
      ...this.#state,
      cursor: 0,
      passes: this.#state.passes + 1,
      lastPassMs: this.#options.nowMs(),
      lastPassBytes: this.#bytes,
    }
    await this.save()
    this.#options.onEvent({ kind: 'pass', state: this.state })
  }

  async #scrubGroup(tree: SignedTiles, group: number): Promise<void> {
    let entries: Uint8Array[]
    try {
      await tree.tile(0, group)
      entries = decodeBundle(await tree.bundle(group))
    } catch (error) {
      // Each damaged file has been told; what is left is that this group could not be read to its end.
      this.#unchecked(error)
      return
    }
    const checked = await this.#options.checkAddenda?.(group, entries)
    if (checked === undefined) return
    await this.#spend(checked.bytes)
    const { path, problem } = checked
    if (problem === undefined) await this.#damages.whole(path)
    else await this.#damages.found({ path, what: 'addenda_damaged', detail: problem })
  }

  async #scrubEdgeBundle(tree: SignedTiles, index: number): Promise<void> {
    await tree.bundle(index).catch((error: unknown) => this.#unchecked(error))
  }

  /** The tree of the checkpoint in force, its right edge put right when it must be; nothing when it cannot be had. */
  async #openTree(): Promise<SignedTiles | undefined> {
    for (let reading = 1; ; reading += 1) {
      let head: Head | undefined
      try {
        head = await readHead(this.#options.log)
        return await this.#treeOf(head)
      } catch (error) {
        const isOver = reading >= READINGS_MAX
        // A ledger that publishes faster than we read is no damage.
        if (isOver && head !== undefined && (await this.#hasMoved(head)))
          return this.#unchecked(error)
        if (isOver) return await this.#unreadable(error)
      }
    }
  }

  async #treeOf(head: Head): Promise<SignedTiles> {
    const read = this.#read.bind(this)
    const heal: Heal = (tile, found, isRight) => this.#heal(head, { tile, found, isRight })
    try {
      return await SignedTiles.open(head, read, heal)
    } catch (error) {
      if (!(await this.#healEdge(head))) throw error
      return await SignedTiles.open(head, read, heal)
    }
  }

  /** Without a root to hold files against, nothing can be said of them. A log that was never published is not damaged. */
  async #unreadable(error: unknown): Promise<undefined> {
    if (error instanceof FollowError && error.code === 'FOLLOW_BROKEN')
      await this.#damages.found({ path: 'checkpoint', what: 'tile_damaged', detail: error.message })
    return this.#unchecked(error)
  }

  #unchecked(error: unknown): undefined {
    if (!(error instanceof FollowError)) throw error
    this.#options.onEvent({ kind: 'unchecked', why: error.message })
    return undefined
  }

  async #read(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.#options.log.source.read(path, bytesMax)
      await this.#spend(bytes?.length ?? 0)
      return bytes
    } catch (error) {
      // A sector that cannot be read is damage like any other, and so is a file that has grown.
      if (!(error instanceof FollowError)) throw error
      this.#unread.set(path, error.message)
      return undefined
    }
  }

  async #spend(bytes: number): Promise<void> {
    this.#bytes += bytes
    await this.#pace.spend(bytes)
  }

  async #heal(head: Head, { tile, found, isRight }: Damaged): Promise<Uint8Array | undefined> {
    const path = tilePath(tile)
    if (this.#hopeless.has(path)) return undefined
    // A partial file goes when the log has grown: then it is no damage.
    if (tile.width < TILE_WIDTH && (await this.#hasMoved(head))) return undefined
    const detail = this.#unread.get(path) ?? detailOf(found)
    await this.#damages.found({ path, what: 'tile_damaged', detail })
    const right = await this.#rightBytes(tile, isRight)
    if (right === undefined) {
      this.#hopeless.add(path)
      return undefined
    }
    await this.#replace(tile, right)
    return right.bytes
  }

  async #hasMoved(head: Head): Promise<boolean> {
    const now = await readHead(this.#options.log).catch(() => undefined)
    return now?.size !== head.size
  }

  /** From what is below it, where that is whole; else from a mirror. */
  async #rightBytes(tile: Tile, isRight: IsRight): Promise<Right | undefined> {
    const computed = await this.#fromBelow(tile).catch(() => undefined)
    if (computed !== undefined && isRight(computed))
      return { bytes: computed, from: 'what is below it' }
    const path = tilePath(tile)
    for (const mirror of this.#options.mirrors) {
      // A mirror that is away or wrong is none: the next one is asked, and the next pass asks again.
      const bytes = await mirror.read(path).catch(() => undefined)
      if (bytes !== undefined && isRight(bytes)) return { bytes, from: mirror.name }
    }
    return undefined
  }

  /** Not believed: whoever asks compares it with what it must hash to. */
  async #fromBelow({ level, index, width }: Tile): Promise<Uint8Array | undefined> {
    if (level === 'entries') return undefined
    const bytesMax = TILE_WIDTH * (65_535 + 2)
    const hashes = new Uint8Array(width * HASH_BYTES)
    if (level === 0) {
      const bundle = await this.#read(tilePath({ level: 'entries', index, width }), bytesMax)
      if (bundle === undefined) return undefined
      for (const [at, entry] of decodeBundle(bundle, width).entries())
        hashes.set(hashLeaf(sha256, entry), at * HASH_BYTES)
      return hashes
    }
    for (let slot = 0; slot < width; slot += 1) {
      const below = { level: level - 1, index: index * TILE_WIDTH + slot, width: TILE_WIDTH }
      const bytes = await this.#read(tilePath(below), bytesMax)
      if (bytes === undefined) return undefined
      const place = { levelInTile: TILE_HEIGHT, indexInTile: 0 }
      hashes.set(nodeFromTile(sha256, bytes, place), slot * HASH_BYTES)
    }
    return hashes
  }

  /** The partial tiles, which only the root vouches for: all of them at once. @returns whether they are right now */
  async #healEdge(head: Head): Promise<boolean> {
    if (await this.#hasMoved(head)) return false
    const edge = (await this.#edgeFromBelow(head)) ?? (await this.#edgeFromMirrors(head))
    if (edge === undefined) return false
    for (const [level, bytes] of edge.hashes.entries()) {
      const index = Math.floor(head.size / TILE_WIDTH ** (level + 1))
      const tile: Tile = { level, index, width: tileWidth(head.size, level, index) }
      if (tile.width === 0) continue
      const path = tilePath(tile)
      const found = await this.#read(path, bytes.length)
      if (found !== undefined && equalBytes(found, bytes)) continue
      const detail = 'it does not lead to the signed root'
      await this.#damages.found({ path, what: 'tile_damaged', detail })
      await this.#replace(tile, { bytes, from: edge.from })
    }
    return true
  }

  async #edgeFromBelow(head: Head): Promise<Edge | undefined> {
    const hashes: Uint8Array[] = []
    for (let level = 0; level < levelsOf(head.size); level += 1) {
      const index = Math.floor(head.size / TILE_WIDTH ** (level + 1))
      const width = tileWidth(head.size, level, index)
      const computed = await this.#fromBelow({ level, index, width }).catch(() => undefined)
      if (computed === undefined) return undefined
      hashes.push(computed)
    }
    const isRight = equalBytes(rootOfEdge(head.size, hashes), head.root)
    return isRight ? { hashes, from: 'what is below it' } : undefined
  }

  async #edgeFromMirrors(head: Head): Promise<Edge | undefined> {
    for (const mirror of this.#options.mirrors) {
      const read = (path: string, bytesMax: number) => mirror.read(path, bytesMax)
      const tree = await SignedTiles.open(head, read).catch(() => undefined)
      if (tree === undefined) continue
      const hashes = Array.from({ length: tree.levels }, (_, level) => tree.edge(level))
      return { hashes, from: mirror.name }
    }
    return undefined
  }

  /** Whole or not at all: a crash leaves the damaged file, which is found again. */
  async #replace(tile: Tile, { bytes, from }: Right): Promise<void> {
    const path = tilePath(tile)
    const target = join(this.#options.folder, path)
    try {
      await replaceFile(target, bytes, { temporary: this.#options.temporary })
      await syncDirectory(dirname(target))
    } catch (cause) {
      this.#options.onEvent({
        kind: 'unchecked',
        why: `could not put ${path} right: ${messageOf(cause)}`,
      })
      return
    }
    await this.#damages.putRight(path, from)
  }
}

function detailOf(found: Uint8Array | undefined): string {
  if (found === undefined) return 'it is missing'
  return `its ${found.length} bytes are not those that were signed`
}

type IsRight = (bytes: Uint8Array) => boolean

interface Damaged {
  readonly tile: Tile
  readonly found: Uint8Array | undefined
  readonly isRight: IsRight
}

interface Right {
  readonly bytes: Uint8Array
  /** Where they were had. */
  readonly from: string
}

interface Edge {
  readonly hashes: readonly Uint8Array[]
  readonly from: string
}
