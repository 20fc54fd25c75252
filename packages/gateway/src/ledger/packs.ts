/**
 * Addenda on disk, outside the public prefix: one append-only pack for each group of 256 leaves (docs/spec/wal.md, "Packs").
 * They hold personal data in clear until sealing arrives, so their files are for the ledger's user only. Lost with them: the
 * content of records, not the records; no proof breaks. An attacker who owns them cannot change what a leaf names by digest.
 */
import { mkdir, open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { sha256, syncDirectory } from '../platform.ts'
import { LedgerError } from './errors.ts'
import { getUint64, putUint64 } from './frame.ts'
import {
  layoutOf,
  PACK_LEAVES,
  packPath,
  PRIVATE_FILE_MODE,
  PRIVATE_FOLDER_MODE,
} from './layout.ts'

/** Index (8), ordinal (1), length (4); behind the content a CRC32C (4). */
const HEADER_BYTES = 13
const CRC_BYTES = 4
const FLUSH_BYTES = 1024 * 1024

/** One addendum as it stands in a pack. */
export interface PackRecord {
  readonly leafIndex: number
  /** Its place among the addenda of its leaf, from 0. */
  readonly ordinal: number
  readonly content: Buffer
  /** One past its last byte in the pack. */
  readonly end: number
}

/**
 * The addenda of one published leaf, in the order of its digests; empty when it has none, or when they were erased.
 * @param dataDir the data folder, not its `addenda/`.
 * @throws {LedgerError} `LEDGER_CORRUPT` when its pack is damaged before them.
 */
export async function readAddenda(dataDir: string, leafIndex: number): Promise<Uint8Array[]> {
  const pack = await readAddendaPack(dataDir, Math.floor(leafIndex / PACK_LEAVES))
  return [...(pack.get(leafIndex) ?? [])].filter((content) => content !== undefined)
}

/**
 * The addenda of the 256 published leaves from `256 * group` on, by leaf index, each at its ordinal.
 * @param dataDir the data folder, not its `addenda/`.
 */
export async function readAddendaPack(
  dataDir: string,
  group: number,
): Promise<ReadonlyMap<number, readonly Uint8Array[]>> {
  const path = join(layoutOf(dataDir).addenda, packPath(group))
  const found = new Map<number, Uint8Array[]>()
  for (const { leafIndex, ordinal, content } of parsePack(await readPack(path))) {
    const addenda = found.get(leafIndex) ?? []
    addenda[ordinal] = content
    found.set(leafIndex, addenda)
  }
  return found
}

/**
 * Compares addenda with the digests of their leaf.
 * @returns the ordinals that are missing or do not match; none when all is well.
 */
export function verifyAddenda(
  digests: readonly Uint8Array[],
  addenda: readonly Uint8Array[],
): number[] {
  const wrong: number[] = []
  for (const [ordinal, digest] of digests.entries()) {
    const addendum = addenda[ordinal]
    if (addendum === undefined || !Buffer.from(digest).equals(sha256(addendum))) wrong.push(ordinal)
  }
  return wrong
}

/** The whole records of a pack, up to the first that is cut short or damaged. */
export function* parsePack(pack: Buffer): Generator<PackRecord, void, undefined> {
  for (let at = 0; at + HEADER_BYTES + CRC_BYTES <= pack.length;) {
    const end = at + HEADER_BYTES + pack.readUInt32BE(at + 9) + CRC_BYTES
    if (end > pack.length) return
    if (crc32c(pack.subarray(at, end - CRC_BYTES)) !== pack.readUInt32BE(end - CRC_BYTES)) return
    yield {
      leafIndex: getUint64(pack, at),
      ordinal: pack.readUInt8(at + 8),
      content: pack.subarray(at + HEADER_BYTES, end - CRC_BYTES),
      end,
    }
    at = end
  }
}

/** Writes the packs of one publication: add the addenda in leaf order, then `finish`. */
export class PackWriter {
  readonly #folder: string
  /** What is below this is published, and in its pack; the rest of that pack is from a publication that did not finish. */
  readonly #published: number
  #group = -1
  #path = ''
  #file: FileHandle | undefined
  #at = 0
  #waiting: Buffer[] = []
  #waitingBytes = 0
  readonly #unsynced = new Set<string>()

  constructor(dataDir: string, published: number) {
    this.#folder = layoutOf(dataDir).addenda
    this.#published = published
  }

  async add(leafIndex: number, ordinal: number, content: Uint8Array): Promise<void> {
    const group = Math.floor(leafIndex / PACK_LEAVES)
    if (group !== this.#group) await this.#open(group)
    const record = Buffer.allocUnsafe(HEADER_BYTES + content.length + CRC_BYTES)
    putUint64(record, leafIndex, 0)
    record.writeUInt8(ordinal, 8)
    record.writeUInt32BE(content.length, 9)
    record.set(content, HEADER_BYTES)
    const end = record.length - CRC_BYTES
    record.writeUInt32BE(crc32c(record.subarray(0, end)), end)
    this.#waiting.push(record)
    this.#waitingBytes += record.length
    if (this.#waitingBytes >= FLUSH_BYTES) await this.#flush()
  }

  /** Waits until all that was added is durable. */
  async finish(): Promise<void> {
    await this.#close()
    for (const folder of this.#unsynced) await syncDirectory(folder)
    this.#unsynced.clear()
  }

  /** Gives up after an error; what is on disk beyond the published size is cut by the next publication. */
  async abandon(): Promise<void> {
    await this.#file?.close().catch(() => undefined)
    this.#file = undefined
  }

  async #open(group: number): Promise<void> {
    await this.#close()
    this.#path = join(this.#folder, packPath(group))
    this.#group = group
    const folder = dirname(this.#path)
    await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE })
    // All the way up, also when it exists: a process that was killed may have made it and not synced it.
    for (let name = folder; name !== this.#folder; name = dirname(name)) this.#unsynced.add(name)
    this.#unsynced.add(this.#folder)
    // Idempotent: whatever an unfinished publication left is cut first, so nothing is ever there twice.
    const kept = publishedBytes(await readPack(this.#path), this.#published)
    this.#file = await open(this.#path, kept > 0 ? 'r+' : 'w', PRIVATE_FILE_MODE)
    await this.#file.truncate(kept)
    this.#at = kept
  }

  async #flush(): Promise<void> {
    if (this.#file === undefined || this.#waiting.length === 0) return
    const bytes = Buffer.concat(this.#waiting, this.#waitingBytes)
    this.#waiting = []
    this.#waitingBytes = 0
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#at)
      done += bytesWritten
      this.#at += bytesWritten
    }
  }

  async #close(): Promise<void> {
    const file = this.#file
    if (file === undefined) return
    try {
      await this.#flush()
      await file.datasync()
    } finally {
      this.#file = undefined
      await file.close()
    }
  }
}

function publishedBytes(pack: Buffer, published: number): number {
  let kept = 0
  for (const { leafIndex, end } of parsePack(pack)) {
    if (leafIndex >= published) break
    kept = end
  }
  return kept
}

async function readPack(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return Buffer.alloc(0)
    throw new LedgerError('LEDGER_IO', `could not read addenda: ${path}`, { cause })
  }
}
