/**
 * The addenda of the pack that was looked into last: who reads a log in order asks for 256 leaves out of one pack. Holds what a pack
 * said when it was read; lost with it, nothing.
 */
import { readPack } from '../ledger.ts'
import type { StoredAddendum } from '../ledger.ts'

/** Leaves in one pack (docs/spec/wal.md, "Packs"). */
const PACK_LEAVES = 256
/** A pack of more than this is looked into again each time. */
const KEPT_BYTES_MAX = 32 * 1024 ** 2

export interface PackWindow {
  /** The addenda of a leaf, each at its ordinal; undefined where one is not there. @throws {LedgerError} `LEDGER_IO` */
  addendaOf(leafIndex: number): Promise<readonly (StoredAddendum | undefined)[]>
}

type Found = Map<number, (StoredAddendum | undefined)[]>

interface Kept {
  readonly group: number
  readonly found: Found
  /** The last leaf that had addenda: what comes after it may have been added since. */
  readonly last: number
}

export function openPackWindow(dataDir: string): PackWindow {
  let kept: Kept | undefined
  return {
    async addendaOf(leafIndex) {
      const group = Math.floor(leafIndex / PACK_LEAVES)
      if (kept?.group === group && leafIndex <= kept.last) return kept.found.get(leafIndex) ?? []
      const { found, last, bytes } = await readWhole(dataDir, group, leafIndex)
      kept = bytes <= KEPT_BYTES_MAX ? { group, found, last } : undefined
      return found.get(leafIndex) ?? []
    },
  }
}

/** The leaf that is wanted is always among what is found; others only as far as they may be kept. */
async function readWhole(
  dataDir: string,
  group: number,
  wanted: number,
): Promise<{ found: Found; last: number; bytes: number }> {
  const found: Found = new Map()
  let last = -1
  let bytes = 0
  for await (const { leafIndex, ordinal, content, envelope } of readPack(dataDir, group)) {
    bytes += content.length
    if (bytes > KEPT_BYTES_MAX && leafIndex > wanted) break
    if (bytes > KEPT_BYTES_MAX && leafIndex < wanted) found.clear()
    const addenda = found.get(leafIndex) ?? []
    addenda[ordinal] = envelope === undefined ? { content } : { content, envelope }
    found.set(leafIndex, addenda)
    last = leafIndex
  }
  return { found, last, bytes }
}
