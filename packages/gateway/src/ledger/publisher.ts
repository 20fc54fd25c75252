/**
 * Puts what is signed where readers find it. The order is the safety argument: durable, signed, published; and within the
 * last, everything a checkpoint refers to is durable before the checkpoint is. It runs off the commit path, and reads the
 * records back from the write-ahead log, so that memory stays flat however far it is behind.
 */
import { hashLeaf } from '@countersign/tlog/hash'
import { tilesBetween } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { sha256 } from '../cryptography.ts'
import { addendaCount, addendaOf, eachEntry, entriesOf } from './entries.ts'
import { corrupt, systemError } from './errors.ts'
import type { Frame } from './frame.ts'
import { PackWriter } from './packs.ts'
import type { Head } from './recovery.ts'
import { skipEntries } from './sequencer.ts'
import type { Sequencer } from './sequencer.ts'
import type { TileStore } from './tile-store.ts'
import { readFrames } from './wal-reader.ts'

const WIDTH = 256

/** What publication needs of the ledger around it. */
export interface PublisherRooms {
  readonly sequencer: Sequencer
  readonly tiles: TileStore
  /** The head to publish, of at least `size` records: signed, and cosigned when that is soon. */
  readonly headFor: (size: number) => Promise<Head>
}

export class Publisher {
  readonly #dataDir: string
  readonly #sequencer: Sequencer
  readonly #tiles: TileStore
  readonly #headFor: PublisherRooms['headFor']
  #published: Head | undefined
  /** The checkpoint as it is on disk: a head may have more cosignatures by now. */
  #note: string | undefined
  #underWay: Promise<void> | undefined
  /** The entries of the last, partial bundle as published. */
  #tail: Buffer | undefined
  /** Partial tiles of the last checkpoint, and of the one before it. */
  #partials: { last: Tile[]; before: Tile[] } = { last: [], before: [] }

  constructor(rooms: PublisherRooms, options: { dataDir: string; published: Head | undefined }) {
    this.#sequencer = rooms.sequencer
    this.#tiles = rooms.tiles
    this.#headFor = rooms.headFor
    this.#dataDir = options.dataDir
    this.#published = options.published
    this.#note = options.published?.note
    this.#partials.last = partialsOf(options.published?.size ?? 0)
  }

  /** The head that readers see; undefined before the first publication. */
  get published(): Head | undefined {
    return this.#published
  }

  /**
   * Waits until everything durable now is in the public folder.
   * @throws {LedgerError} what signing throws; an error of the file system leaves the last publication as it was.
   */
  async upTo(size: number): Promise<void> {
    while ((this.#published?.size ?? 0) < size) {
      this.#underWay ??= this.#publish()
        .catch((error: unknown) => {
          // The last publication stands, and the next one writes everything again: no reason to stop.
          throw systemError('LEDGER_UNAVAILABLE', 'could not publish', error)
        })
        .finally(() => {
          this.#underWay = undefined
        })
      await this.#underWay
    }
  }

  /** Runs work while nothing is being published, such as on the pack that publications write. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#underWay !== undefined) await this.#underWay.catch(() => undefined)
    const working = work()
    this.#underWay = working
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        this.#underWay = undefined
      })
    return working
  }

  /** Puts cosignatures that came late under the checkpoint that is published, if it is of this head. */
  async renew(head: Head): Promise<void> {
    while (this.#underWay !== undefined) await this.#underWay.catch(() => undefined)
    if (this.#published?.size !== head.size || this.#note === head.note) return
    this.#underWay = this.#putCheckpoint(head).finally(() => {
      this.#underWay = undefined
    })
    await this.#underWay
  }

  async #publish(): Promise<void> {
    const head = await this.#headFor(this.#sequencer.durable.size)
    const from = this.#published?.size ?? 0
    if (head.size <= from) return
    // Private content first: a reader of a leaf that can be seen finds its addenda.
    const tail = await this.#putRecords(from, head.size)
    // A crash up to here leaves files that no checkpoint refers to; they are written again, the same bytes.
    await this.#putTiles(from, head.size)
    await this.#tiles.settle()
    await this.#putCheckpoint(head)
    // Published. A crash from here on leaves segments and partial tiles that nobody needs.
    this.#tail = tail
    this.#sequencer.tree.release(head.size)
    await this.#sequencer.wal.dropBelow(head.size)
    await this.#tiles.remove(this.#partials.before)
    const current = partialsOf(head.size)
    const stays = new Set(current.map(keyOf))
    this.#partials = {
      before: this.#partials.last.filter((tile) => !stays.has(keyOf(tile))),
      last: current,
    }
  }

  async #putCheckpoint(head: Head): Promise<void> {
    const { note } = head
    await this.#tiles.putCheckpoint(note)
    this.#published = head
    this.#note = note
  }

  /** Writes entry bundles and packs of records `from` up to `to`; returns the partial bundle at the end. */
  async #putRecords(from: number, to: number): Promise<Buffer> {
    const packs = new PackWriter(this.#dataDir, from)
    const bundles = new Bundles(this.#tiles, from, await this.#loadTail(from))
    try {
      const places = this.#sequencer.wal.placesFrom(from)
      for await (const frame of readFrames(places, { from, to })) {
        await bundles.add(frame)
        await putAddenda(packs, frame)
      }
      await packs.finish()
    } catch (error) {
      await packs.abandon()
      throw error
    }
    return bundles.finish()
  }

  async #putTiles(from: number, to: number): Promise<void> {
    for (const { level, index, width } of tilesBetween(from, to)) {
      if (level === 'entries') continue
      const tile = { level, index, width }
      await this.#tiles.put(tile, this.#sequencer.tree.tile(tile))
    }
  }

  async #loadTail(from: number): Promise<Buffer> {
    const width = from % WIDTH
    if (width === 0) return Buffer.alloc(0)
    if (this.#tail !== undefined) return this.#tail
    // First time in this process: what is on disk goes into the next bundle only if the tree says that it is the same.
    const index = Math.floor(from / WIDTH)
    const bytes = await this.#tiles.readBundle(index, width)
    const hashes = entriesOf(bytes).map((entry) => hashLeaf(sha256, entry))
    const expected = this.#sequencer.tree.tile({ level: 0, index, width })
    if (!Buffer.concat(hashes).equals(expected)) {
      throw corrupt(
        { path: `${this.#dataDir}/log/tile/entries, bundle ${index}`, byte: 0 },
        'its entries are not those of the tree',
      )
    }
    return bytes
  }
}

/** Cuts the stream of entries into bundles of 256, which have the very same encoding. */
class Bundles {
  readonly #tiles: TileStore
  #index: number
  #count: number
  #parts: Buffer[]

  constructor(tiles: TileStore, from: number, tail: Buffer) {
    this.#tiles = tiles
    this.#index = Math.floor(from / WIDTH)
    this.#count = from % WIDTH
    this.#parts = [tail]
  }

  async add({ entries, count }: Frame): Promise<void> {
    let left = count
    for (let at = 0; left > 0;) {
      const take = Math.min(left, WIDTH - this.#count)
      const end = take === left ? entries.length : skipEntries(entries, take, at)
      this.#parts.push(entries.subarray(at, end))
      this.#count += take
      left -= take
      at = end
      if (this.#count === WIDTH) await this.#put()
    }
    // The frame's memory is not ours for longer.
    this.#parts = [Buffer.concat(this.#parts)]
  }

  async finish(): Promise<Buffer> {
    const tail = Buffer.concat(this.#parts)
    if (this.#count > 0)
      await this.#tiles.put({ level: 'entries', index: this.#index, width: this.#count }, tail)
    return tail
  }

  async #put(): Promise<void> {
    await this.#tiles.put(
      { level: 'entries', index: this.#index, width: WIDTH },
      Buffer.concat(this.#parts),
    )
    this.#index += 1
    this.#count = 0
    this.#parts = []
  }
}

async function putAddenda(packs: PackWriter, frame: Frame): Promise<void> {
  if (frame.addenda.length === 0) return
  const addenda = addendaOf(frame.addenda)
  const counts: number[] = []
  eachEntry(frame.entries, (entry) => counts.push(addendaCount(entry)))
  let next = 0
  for (const [n, count] of counts.entries()) {
    for (const [ordinal, addendum] of addenda.slice(next, next + count).entries()) {
      await packs.add(frame.firstIndex + n, ordinal, addendum)
    }
    next += count
  }
}

function partialsOf(size: number): Tile[] {
  const tiles: Tile[] = []
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / WIDTH)) {
    const tile = { level, index: Math.floor(hashes / WIDTH), width: hashes % WIDTH }
    if (tile.width === 0) continue
    tiles.push(tile)
    if (level === 0) tiles.push({ ...tile, level: 'entries' })
  }
  return tiles
}

function keyOf({ level, index, width }: Tile): string {
  return `${level}/${index}/${width}`
}
