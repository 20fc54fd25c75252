/**
 * What only a data folder has beside its public log: the addenda. Each piece is held against the digest in its leaf. A piece
 * that is missing is no alarm, since content may be erased; a piece that is another is.
 */
import { decodeEntry } from '@countersign/record/decode'
import { decodeBundle } from '@countersign/tlog/bundle'
import { TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import type { Finding } from '@countersign/verifier/finding'
import type { LogSource } from '@countersign/verifier/source'
import { readAddenda, verifyAddenda } from '../ledger.ts'
import { messageOf } from './errors.ts'

/** The hook of `verifyCommand`. */
export async function* checkAddenda(log: {
  readonly dataDir: string
  readonly size: number
  readonly source: LogSource
}): AsyncGenerator<Finding, void, undefined> {
  for (let first = 0; first < log.size; first += TILE_WIDTH) {
    const index = first / TILE_WIDTH
    const path = tilePath({ level: 'entries', index, width: tileWidth(log.size, 'entries', index) })
    const bundle = await log.source.read(path)
    // A bundle that is missing or unreadable has its finding already.
    if (bundle === undefined) continue
    for (const [at, entry] of entriesOf(bundle).entries()) {
      const finding = await checkRecord(log.dataDir, entry, first + at)
      if (finding !== undefined) yield finding
    }
  }
}

async function checkRecord(
  dataDir: string,
  entry: Uint8Array,
  index: number,
): Promise<Finding | undefined> {
  const digests = digestsOf(entry)
  if (digests.length === 0) return undefined
  const about = { code: 'EXTRA_CHECK' as const, path: 'addenda/', entry: index }
  try {
    const addenda = await readAddenda(dataDir, index)
    const altered = verifyAddenda(digests, addenda).filter(
      (ordinal) => addenda[ordinal] !== undefined,
    )
    if (altered.length === 0) return undefined
    return {
      ...about,
      message: `addendum ${altered.join(', ')} of record ${index} is not the one that the record names`,
    }
  } catch (error) {
    return { ...about, message: messageOf(error) }
  }
}

function entriesOf(bundle: Uint8Array): Uint8Array[] {
  try {
    return decodeBundle(bundle)
  } catch {
    // The verifier has reported it, with its place.
    return []
  }
}

function digestsOf(entry: Uint8Array): readonly Uint8Array[] {
  try {
    return decodeEntry(entry).digests
  } catch {
    // As above.
    return []
  }
}
