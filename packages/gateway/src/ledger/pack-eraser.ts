/**
 * Takes out of the packs what a durable erasure record names, and nothing else: without such a record nothing goes. A crash at any
 * point leaves each pack as it was or as it should be; erasing by the same record again does what is left.
 */
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { decodeEnvelope } from '@countersign/record/envelope'
import { Erasures } from '@countersign/record/erasures'
import { RecordError } from '@countersign/record/errors'
import { parseLeafList } from '@countersign/record/leaf-list'
import type { Leaf } from '@countersign/record/leaf'
import { replaceFile, syncDirectory } from '../platform.ts'
import { LedgerError } from './errors.ts'
import { layoutOf, PACK_LEAVES, packPath, PRIVATE_FILE_MODE } from './layout.ts'
import { readPack } from './pack-record.ts'
import type { PackedAddendum } from './pack-record.ts'

export interface Erasing {
  readonly dataDir: string
  /** Leaf index of the erasure record; all before it must be published. */
  readonly record: number
  readonly leaf: Leaf
  /** Runs work on one pack while no publication writes it. */
  readonly alone: (work: () => Promise<number>) => Promise<number>
}

/**
 * Removes the addenda that one erasure record names.
 * @returns how many there were.
 * @throws {LedgerError} `LEDGER_RANGE` when the record is no erasure; `LEDGER_IO`
 */
export async function eraseByRecord({ dataDir, record, leaf, alone }: Erasing): Promise<number> {
  const { lifecycle } = leaf
  if (lifecycle?.kind !== 'erasure')
    throw new LedgerError('LEDGER_RANGE', `could not erase: record ${record} is no erasure`)
  const erasures = new Erasures()
  erasures.add(record, leaf)
  let removed = 0
  let done = -1
  for (const { from, to } of parseLeafList(lifecycle.leaves)) {
    const last = Math.floor(Math.min(to, record - 1) / PACK_LEAVES)
    for (let group = Math.max(done + 1, Math.floor(from / PACK_LEAVES)); group <= last; group++) {
      const goes = (packed: PackedAddendum): boolean =>
        erasures.covering(packed.leafIndex) !== undefined && isOf(packed, lifecycle.subject)
      removed += await alone(() => erasePack({ dataDir, group, goes }))
      done = group
    }
  }
  return removed
}

interface PackErasure {
  readonly dataDir: string
  readonly group: number
  readonly goes: (packed: PackedAddendum) => boolean
}

/** Rewrites one pack without what goes. */
async function erasePack(erasure: PackErasure): Promise<number> {
  const { dataDir, group, goes } = erasure
  const { addenda, temporary } = layoutOf(dataDir)
  const path = join(addenda, packPath(group))
  let [kept, removed] = [0, 0]
  for await (const packed of readPack(dataDir, group)) {
    if (goes(packed)) removed += 1
    else kept += 1
  }
  if (removed === 0) return 0
  // The old pack stays whole until the new one is: a crash before the rename changed nothing.
  if (kept === 0) await rm(path)
  else await replaceFile(path, keptRecords(erasure), { mode: PRIVATE_FILE_MODE, temporary })
  await syncDirectory(dirname(path))
  return removed
}

async function* keptRecords({
  dataDir,
  group,
  goes,
}: PackErasure): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const packed of readPack(dataDir, group)) if (!goes(packed)) yield packed.raw
}

/** Of what is from before sealing, nothing says whose it is but the record that names it. */
function isOf({ envelope }: PackedAddendum, subject: string): boolean {
  if (envelope === undefined) return true
  try {
    return decodeEnvelope(envelope).subject === subject
  } catch (error) {
    // Damaged: whose it was cannot be told, and `verify` reports it.
    if (!(error instanceof RecordError)) throw error
    return false
  }
}
