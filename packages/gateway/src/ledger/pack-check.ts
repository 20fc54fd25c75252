/** Checks the addenda of 256 leaves against the digests in their entries, for whoever reads cold files. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeEntry } from '@countersign/record/decode'
import { LedgerError, messageOf } from './errors.ts'
import { layoutOf, PACK_LEAVES, packPath } from './layout.ts'
import { readAddendaPack, verifyAddenda } from './packs.ts'

/** What was found in one pack. */
export interface CheckedPack {
  /** Below the data folder. */
  readonly path: string
  /** Bytes on disk; 0 when there is no pack. */
  readonly bytes: number
  /** Leaves with an addendum that is missing, or other than the one they name; at most ten. */
  readonly wrong: readonly { readonly leafIndex: number; readonly isMissing: boolean }[]
  /** Why the pack could not be read at all. */
  readonly unreadable?: string
}

const WRONG_MAX = 10

/** @param entries of the leaves from `256 * group` on. */
export async function checkAddendaPack(
  dataDir: string,
  group: number,
  entries: readonly Uint8Array[],
): Promise<CheckedPack> {
  const file = packPath(group)
  const path = `addenda/${file}`
  const found = await stat(join(layoutOf(dataDir).addenda, file)).catch(() => undefined)
  const bytes = found?.size ?? 0
  try {
    const pack = await readAddendaPack(dataDir, group)
    const wrong: { leafIndex: number; isMissing: boolean }[] = []
    for (const [at, entry] of entries.entries()) {
      const leafIndex = group * PACK_LEAVES + at
      const addenda = pack.get(leafIndex) ?? []
      const [ordinal] = verifyAddenda(decodeEntry(entry).digests, addenda)
      if (ordinal !== undefined && wrong.length < WRONG_MAX)
        wrong.push({ leafIndex, isMissing: addenda[ordinal] === undefined })
    }
    return { path, bytes, wrong }
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error
    return { path, bytes, wrong: [], unreadable: messageOf(error) }
  }
}
