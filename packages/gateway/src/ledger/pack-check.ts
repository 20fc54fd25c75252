/** Checks the addenda of 256 leaves against the digests in their entries, for whoever reads cold files. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeEntry } from '@countersign/record/decode'
import { LedgerError, messageOf } from './errors.ts'
import { layoutOf, PACK_LEAVES, packPath } from './layout.ts'
import { readPack } from './pack-record.ts'
import type { PackedAddendum } from './pack-record.ts'
import { isNamed } from './packs.ts'

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
    return { path, bytes, wrong: await wrongIn(dataDir, group, entries) }
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error
    return { path, bytes, wrong: [], unreadable: messageOf(error) }
  }
}

async function wrongIn(
  dataDir: string,
  group: number,
  entries: readonly Uint8Array[],
): Promise<CheckedPack['wrong']> {
  const digests = entries.map((entry) => decodeEntry(entry).digests)
  const missing = digests.map((named) => new Set(named.keys()))
  const wrong = new Map<number, boolean>()
  for await (const packed of readPack(dataDir, group)) {
    const at = packed.leafIndex - group * PACK_LEAVES
    if (missing[at]?.delete(packed.ordinal) !== true) continue
    if (!isAsWritten(packed, digests[at]?.[packed.ordinal])) wrong.set(packed.leafIndex, false)
  }
  for (const [at, ordinals] of missing.entries()) {
    const leafIndex = group * PACK_LEAVES + at
    if (ordinals.size > 0 && !wrong.has(leafIndex)) wrong.set(leafIndex, true)
  }
  return [...wrong]
    .slice(0, WRONG_MAX)
    .map(([leafIndex, isMissing]) => ({ leafIndex, isMissing }))
    .toSorted((a, b) => a.leafIndex - b.leafIndex)
}

/** The checksum covers the envelope too, which no digest does. */
function isAsWritten(packed: PackedAddendum, digest: Uint8Array | undefined): boolean {
  return packed.isIntact && digest !== undefined && isNamed(digest, packed)
}
