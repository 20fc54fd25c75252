/**
 * Re-verifies a whole data folder, for the end of every test that wrote: bundles and write-ahead log are hashed again, and
 * every tile, the checkpoint, its signature, the addenda and the order of every session are compared with them.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { decodeEntry } from '@countersign/record/decode'
import { Erasures } from '@countersign/record/erasures'
import { decodeBundle } from '@countersign/tlog/bundle'
import { CompactRange } from '@countersign/tlog/compact-range'
import { hashLeaf } from '@countersign/tlog/hash'
import { parseTilePath, tilePath, tilesForSize, tileWidth } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { sha256 } from '../cryptography.ts'
import { addendaOf, entriesOf, faultOf } from './entries.ts'
import { corrupt, LedgerError, messageOf } from './errors.ts'
import { layoutOf, PACK_LEAVES } from './layout.ts'
import { parseLogKeys } from './log-keys.ts'
import type { Layout } from './layout.ts'
import { readPack } from './pack-record.ts'
import { isNamed } from './packs.ts'
import { readHead } from './recovery.ts'
import { scanWal } from './scan.ts'
import type { FoundFrame } from './scan.ts'

/** What was found, and found to hold. */
export interface CheckedLedger {
  readonly durable: number
  readonly published: number
  readonly addenda: number
  /** Records of each session. */
  readonly sessions: ReadonlyMap<string, number>
  /** All entries in order, decoded no further. */
  readonly entries: readonly Uint8Array[]
}

/**
 * @param options.vkey when given, the checkpoint must be signed by it, or by one of these, one a line.
 * @param options.addenda `left out` when those of published records are checked elsewhere.
 * @throws {LedgerError} `LEDGER_CORRUPT`, naming file and byte.
 */
export async function checkLedger(
  dataDir: string,
  { vkey, addenda = 'checked' }: { vkey?: string; addenda?: 'checked' | 'left out' } = {},
): Promise<CheckedLedger> {
  const layout = layoutOf(dataDir)
  const identity: unknown = JSON.parse(await readFile(layout.identity, 'utf8'))
  const origin = originOf(identity)
  if (origin === undefined) throw corrupt({ path: layout.identity, byte: 0 }, 'it names no origin')
  const head = await readHead(layout, { origin, logKeys: parseLogKeys(vkey) })
  const check = new Check(layout)
  const published = head?.size ?? 0
  for (const tile of tilesForSize(published)) if (tile.level === 'entries') await check.bundle(tile)
  if (head !== undefined && !check.rootIs(head.root)) {
    throw corrupt({ path: layout.checkpoint, byte: 0 }, 'its root is not that of the entries')
  }
  await check.tiles(published)
  const frames: FoundFrame[] = []
  const { tear } = scanWal(layout.wal, (frame) => frames.push(frame))
  if (tear !== undefined) throw corrupt({ path: tear.path, byte: tear.offset }, 'a torn frame')
  for (const frame of frames) check.frame(frame, published)
  // Last: an erasure may stand anywhere behind what it erased, also where nothing is published yet.
  if (addenda === 'checked') await check.addenda(published)
  return { ...check.result(), published }
}

class Check {
  readonly #layout: Layout
  readonly #range = new CompactRange(sha256)
  /** Hashes of each tile level. */
  readonly #levels: Uint8Array[][] = []
  readonly #sessions = new Map<string, { count: number; last: string }>()
  readonly #entries: Uint8Array[] = []
  /** Digests of the addenda of each entry. */
  readonly #digests: (readonly Uint8Array[])[] = []
  readonly #erasures = new Erasures()
  #addenda = 0
  #walEnd: number | undefined

  constructor(layout: Layout) {
    this.#layout = layout
  }

  async bundle(tile: Tile): Promise<void> {
    const path = join(this.#layout.log, tilePath(tile))
    const bytes = await readFile(path)
    const entries = fileFault(path, () => decodeBundle(bytes, tile.width))
    for (const entry of entries) this.#add(entry, path)
  }

  /** Every addendum that a published leaf names is in its pack, as it was named, or was erased lawfully. */
  async addenda(published: number): Promise<void> {
    for (let group = 0; group * PACK_LEAVES < published; group++) {
      const present = new Set<number>()
      for await (const packed of readPack(this.#layout.dataDir, group)) {
        const { leafIndex, ordinal, content, isIntact } = packed
        // What an unfinished publication left lies beyond the published size.
        if (leafIndex >= published) break
        const digest = this.#digests[leafIndex]?.[ordinal]
        if (!isIntact || digest === undefined || !isNamed(digest, { content }))
          throw this.#wrong(leafIndex, ordinal, isIntact ? 'other' : 'damaged')
        present.add(leafIndex * 256 + ordinal)
      }
      this.#absent(group, Math.min(published, (group + 1) * PACK_LEAVES), present)
      this.#addenda += present.size
    }
  }

  #absent(group: number, to: number, present: ReadonlySet<number>): void {
    for (let index = group * PACK_LEAVES; index < to; index++) {
      for (const ordinal of this.#digests[index]?.keys() ?? []) {
        const isThere = present.has(index * 256 + ordinal)
        if (!isThere && this.#erasures.covering(index) === undefined)
          throw this.#wrong(index, ordinal, 'missing')
      }
    }
  }

  #wrong(index: number, ordinal: number, how: string): LedgerError {
    return corrupt(
      { path: this.#layout.addenda, byte: 0 },
      `addendum ${ordinal} of record ${index} is ${how}`,
    )
  }

  /** Every tile that the size asks for is there, and every tile that is there is right. */
  async tiles(size: number): Promise<void> {
    for (const tile of tilesForSize(size)) await this.#tile(tile, size)
    for (const file of await readdir(join(this.#layout.log, 'tile'), {
      recursive: true,
      withFileTypes: true,
    }).catch(() => [])) {
      if (file.isDirectory()) continue
      const path = join(file.parentPath, file.name)
      const tile = fileFault(path, () => parseTilePath(relative(this.#layout.log, path)))
      // A publication that did not finish may have left wider ones: the next one writes the same bytes.
      if (tileWidth(size, tile.level, tile.index) >= tile.width) await this.#tile(tile, size)
    }
  }

  frame(frame: FoundFrame, published: number): void {
    const { path, offset: byte } = frame
    const fault = faultOf(frame)
    if (fault !== undefined) throw corrupt({ path, byte }, fault)
    if (this.#walEnd !== undefined && frame.firstIndex !== this.#walEnd)
      throw corrupt({ path, byte }, 'it does not follow')
    this.#walEnd = frame.firstIndex + frame.count
    const entries = entriesOf(frame.entries)
    if (frame.firstIndex + frame.count <= published) {
      for (const [n, entry] of entries.entries()) {
        if (!entry.equals(this.#entries[frame.firstIndex + n] ?? Buffer.alloc(0))) {
          throw corrupt({ path, byte }, `record ${frame.firstIndex + n} is not the published one`)
        }
      }
      return
    }
    if (frame.firstIndex !== this.#entries.length)
      throw corrupt({ path, byte }, `it should begin at ${this.#entries.length}`)
    const addenda = addendaOf(frame.addenda)
    for (const entry of entries) {
      const digests = this.#add(Buffer.from(entry), path)
      for (const digest of digests) {
        const addendum = addenda.shift()
        if (addendum === undefined || !isNamed(digest, addendum))
          throw corrupt({ path, byte }, 'an addendum is not the one that its record names')
      }
      this.#addenda += digests.length
    }
    if (!this.rootIs(frame.root))
      throw corrupt({ path, byte }, 'its root is not that of the entries')
  }

  rootIs(root: Uint8Array): boolean {
    return Buffer.from(root).equals(this.#range.root())
  }

  result(): Omit<CheckedLedger, 'published'> {
    const sessions = new Map([...this.#sessions].map(([session, { count }]) => [session, count]))
    return {
      durable: this.#entries.length,
      addenda: this.#addenda,
      sessions,
      entries: this.#entries,
    }
  }

  #add(entry: Uint8Array, path: string): readonly Uint8Array[] {
    this.#range.append(hashLeaf(sha256, entry), (level, _index, hash) => {
      if (level % 8 === 0) (this.#levels[level / 8] ??= []).push(hash)
    })
    const index = this.#entries.push(entry) - 1
    const { leaf, digests } = fileFault(path, () => decodeEntry(entry))
    const before = this.#sessions.get(leaf.session)
    const expected = before?.count ?? 0
    if (leaf.seq !== expected || leaf.prev !== before?.last) {
      throw corrupt(
        { path, byte: 0 },
        `record ${index} is number ${leaf.seq} of its session, and ${expected} comes next`,
      )
    }
    this.#sessions.set(leaf.session, { count: expected + 1, last: leaf.id })
    this.#digests.push(digests)
    this.#erasures.add(index, leaf)
    return digests
  }

  async #tile(tile: Tile, size: number): Promise<void> {
    const path = join(this.#layout.log, tilePath(tile))
    const bytes = await readFile(path).catch((cause: unknown) => {
      throw new LedgerError(
        'LEDGER_CORRUPT',
        `could not read ${path}, which size ${size} asks for`,
        { cause },
      )
    })
    const expected = this.#expected(tile)
    if (!bytes.equals(expected))
      throw corrupt(
        { path, byte: firstDifference(bytes, expected) },
        'it is not what the entries say',
      )
  }

  #expected({ level, index, width }: Tile): Buffer {
    const start = index * 256
    if (level !== 'entries')
      return Buffer.concat(this.#levels[level]?.slice(start, start + width) ?? [])
    const parts = this.#entries.slice(start, start + width).flatMap((entry) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(entry.length)
      return [length, entry]
    })
    return Buffer.concat(parts)
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at += 1
  return at
}

function fileFault<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw corrupt({ path, byte: 0 }, messageOf(error))
  }
}

function originOf(identity: unknown): string | undefined {
  const named = typeof identity === 'object' && identity !== null && 'origin' in identity
  return named && typeof identity.origin === 'string' ? identity.origin : undefined
}
