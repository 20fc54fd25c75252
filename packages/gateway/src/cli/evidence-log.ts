/** What `evidence` reads: the published log, and the addenda of this machine with the keys that open them. */
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { readTile } from '@countersign/verifier/source'
import type { EvidenceAddenda, EvidenceLog, StoredAddendum } from '../evidence.ts'
import { readBundle, readProven } from '../follow.ts'
import type { Head, PublishedLog } from '../follow.ts'
import { readAddenda, readPack } from '../ledger.ts'
import type { PackedAddendum, StoredAddendum as PackedContent } from '../ledger.ts'
import type { Unsealing } from '../seal.ts'

/** A pack up to this is kept while its records are gone through, one after the other; a larger one is read again for each. */
const PACK_BYTES_KEPT_MAX = 32 * 1024 ** 2

export function evidenceLog(log: PublishedLog, head: Head): EvidenceLog {
  return {
    head,
    bundle: (index) => readBundle(log, head, index),
    tile: (tile) => readTile(log.source, tile),
    proven: (index) => readProven(log, head, index),
  }
}

/** @param unsealing absent when the tenant's key is not at hand: then what is sealed cannot be opened, and does not come along. */
export function evidenceAddenda(
  dataDir: string | undefined,
  unsealing: Unsealing | undefined,
): EvidenceAddenda {
  if (dataDir === undefined) return async () => undefined
  const packs = new PackShelf(dataDir)
  return async ({ index, ordinal }) => {
    const found = (await packs.addendaOf(index))[ordinal]
    return found === undefined ? undefined : opened(found, unsealing)
  }
}

function opened(
  { content, envelope }: PackedContent,
  unsealing: Unsealing | undefined,
): StoredAddendum | undefined {
  if (envelope === undefined) return { content, key: 'clear' }
  const found = unsealing?.keyOf(envelope)
  return found?.state === 'here' ? { content, key: found.key } : undefined
}

/** Keeps the pack that was read last: records are gone through in the order of the log. */
class PackShelf {
  readonly #dataDir: string
  #group = -1
  #kept: Map<number, PackedContent[]> | undefined

  constructor(dataDir: string) {
    this.#dataDir = dataDir
  }

  async addendaOf(index: number): Promise<readonly (PackedContent | undefined)[]> {
    const group = Math.floor(index / TILE_WIDTH)
    if (group !== this.#group) this.#kept = await this.#read(group)
    this.#group = group
    return this.#kept === undefined
      ? await readAddenda(this.#dataDir, index)
      : (this.#kept.get(index) ?? [])
  }

  async #read(group: number): Promise<Map<number, PackedContent[]> | undefined> {
    const found = new Map<number, PackedContent[]>()
    let bytes = 0
    for await (const packed of readPack(this.#dataDir, group)) {
      bytes += packed.content.length
      if (bytes > PACK_BYTES_KEPT_MAX) return undefined
      const addenda = found.get(packed.leafIndex) ?? []
      addenda[packed.ordinal] = contentOf(packed)
      found.set(packed.leafIndex, addenda)
    }
    return found
  }
}

function contentOf({ content, envelope }: PackedAddendum): PackedContent {
  return envelope === undefined ? { content } : { content, envelope }
}
