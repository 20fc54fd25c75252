/**
 * Addenda on disk, outside the public prefix: one pack for each group of 256 leaves (docs/spec/wal.md, "Packs"). Sealed ones are
 * ciphertexts beside their envelopes; those from before sealing hold personal data in clear, so the files are for the ledger's user
 * only. Lost with them: the content of records, not the records; no proof breaks. An attacker who owns them cannot change what a
 * leaf names by digest.
 */
import { mkdir, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sha256 } from '../cryptography.ts'
import { syncDirectory } from '../platform.ts'
import type { StoredAddendum } from './entries.ts'
import { systemError } from './errors.ts'
import {
  layoutOf,
  PACK_LEAVES,
  packPath,
  PRIVATE_FILE_MODE,
  PRIVATE_FOLDER_MODE,
} from './layout.ts'
import { encodePackRecord, readPack } from './pack-record.ts'

const FLUSH_BYTES = 1024 * 1024

/**
 * The addenda of one published leaf, each at its ordinal; undefined where one is not there.
 * @param dataDir the data folder, not its `addenda/`.
 * @throws {LedgerError} `LEDGER_IO`
 */
export async function readAddenda(
  dataDir: string,
  leafIndex: number,
): Promise<readonly (StoredAddendum | undefined)[]> {
  const found: (StoredAddendum | undefined)[] = []
  for await (const packed of readPack(dataDir, Math.floor(leafIndex / PACK_LEAVES))) {
    if (packed.leafIndex > leafIndex) break
    if (packed.leafIndex < leafIndex) continue
    const { content, envelope } = packed
    found[packed.ordinal] = envelope === undefined ? { content } : { content, envelope }
  }
  return Array.from(found)
}

/** Whether an addendum is the one whose digest a leaf names. */
export function isNamed(digest: Uint8Array, { content }: StoredAddendum): boolean {
  return Buffer.from(digest).equals(sha256(content))
}

/** Writes the packs of one publication: add the addenda in leaf order, then `finish`. */
export class PackWriter {
  readonly #dataDir: string
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
    this.#dataDir = dataDir
    this.#folder = layoutOf(dataDir).addenda
    this.#published = published
  }

  async add(leafIndex: number, ordinal: number, addendum: StoredAddendum): Promise<void> {
    const group = Math.floor(leafIndex / PACK_LEAVES)
    if (group !== this.#group) await this.#open(group)
    const record = encodePackRecord(leafIndex, ordinal, addendum)
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
    const path = join(this.#folder, packPath(group))
    this.#path = path
    this.#group = group
    const folder = dirname(path)
    await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE })
    // All the way up, also when it exists: a process that was killed may have made it and not synced it.
    for (let name = folder; name !== this.#folder; name = dirname(name)) this.#unsynced.add(name)
    this.#unsynced.add(this.#folder)
    // Idempotent: whatever an unfinished publication left is cut first, so nothing is ever there twice.
    const kept = await publishedBytes(this.#dataDir, { group, published: this.#published })
    this.#file = await open(path, kept > 0 ? 'r+' : 'w', PRIVATE_FILE_MODE)
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
    } catch (error) {
      throw systemError('LEDGER_UNAVAILABLE', `could not write ${this.#path}`, error)
    } finally {
      this.#file = undefined
      await file.close()
    }
  }
}

async function publishedBytes(
  dataDir: string,
  { group, published }: { group: number; published: number },
): Promise<number> {
  let kept = 0
  for await (const { leafIndex, end } of readPack(dataDir, group)) {
    if (leafIndex >= published) break
    kept = end
  }
  return kept
}
