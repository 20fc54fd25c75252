/**
 * The records of a pack, read one after the other with bounded memory (docs/spec/wal.md, "Packs"). A record whose checksum fails is
 * handed out as damaged, and reading goes on behind it; where no record can begin, reading ends.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { putAddendum, storedAddendum, storedBytes, storedLength } from './entries.ts'
import type { StoredAddendum } from './entries.ts'
import { systemError } from './errors.ts'
import { getUint64, putUint64 } from './frame.ts'
import { layoutOf, PACK_LEAVES, packPath } from './layout.ts'
import { ADDENDUM_BYTES_MAX, ENVELOPE_BYTES_MAX } from './limits.ts'

/** One addendum as it stands in a pack. */
export interface PackedAddendum extends StoredAddendum {
  readonly leafIndex: number
  /** Its place among the addenda of its leaf, from 0. */
  readonly ordinal: number
  /** False when it is not what was written. */
  readonly isIntact: boolean
  /** The whole record, and one past its last byte in the pack. */
  readonly raw: Buffer
  readonly end: number
}

/** Leaf index (8), ordinal (1); then length and addendum, then a CRC32C (4). */
const PLACE_BYTES = 9
const HEADER_BYTES = PLACE_BYTES + 4
const CRC_BYTES = 4
const RECORD_BYTES_MAX = HEADER_BYTES + ADDENDUM_BYTES_MAX + ENVELOPE_BYTES_MAX + CRC_BYTES
const CHUNK_BYTES = 256 * 1024

/** One record of a pack, in a buffer of its own. */
export function encodePackRecord(
  leafIndex: number,
  ordinal: number,
  addendum: StoredAddendum,
): Buffer {
  const record = Buffer.allocUnsafe(HEADER_BYTES + storedBytes(addendum) + CRC_BYTES)
  putUint64(record, leafIndex, 0)
  record.writeUInt8(ordinal, 8)
  const end = putAddendum(record, PLACE_BYTES, addendum)
  record.writeUInt32BE(crc32c(record.subarray(0, end)), end)
  return record
}

/**
 * All addenda of one pack, in the order of leaves and ordinals; none when there is no such pack.
 * @param dataDir the data folder, not its `addenda/`.
 * @param group the pack of leaves `256 * group` and on.
 * @throws {LedgerError} `LEDGER_IO`
 */
export async function* readPack(
  dataDir: string,
  group: number,
): AsyncGenerator<PackedAddendum, void, undefined> {
  const path = join(layoutOf(dataDir).addenda, packPath(group))
  const file = await openPack(path)
  if (file === undefined) return
  try {
    yield* readRecords(file, group)
  } catch (cause) {
    throw systemError('LEDGER_IO', `could not read addenda: ${path}`, cause)
  } finally {
    await file.close()
  }
}

async function* readRecords(
  file: FileHandle,
  group: number,
): AsyncGenerator<PackedAddendum, void, undefined> {
  let before = group * PACK_LEAVES * 256 - 1
  let wanted = CHUNK_BYTES
  for (let at = 0; ;) {
    const chunk = Buffer.allocUnsafe(wanted)
    const { bytesRead } = await file.read(chunk, 0, wanted, at)
    const bytes = chunk.subarray(0, bytesRead)
    let used = 0
    for (let end = recordEnd(bytes, used); end <= bytes.length; end = recordEnd(bytes, used)) {
      const record = recordOf(bytes.subarray(used, end), at + end)
      const place = record.leafIndex * 256 + record.ordinal
      // Zeros, or whatever a write that did not finish left, do not go on in order.
      if (place <= before || place >= (group + 1) * PACK_LEAVES * 256) return
      before = place
      yield record
      used = end
    }
    const needed = recordEnd(bytes, used) - used
    if (needed > RECORD_BYTES_MAX || bytesRead < wanted) return
    at += used
    wanted = Math.max(CHUNK_BYTES, needed)
  }
}

/** Where the record at `at` ends, by what it says; past the chunk when it goes on behind it. */
function recordEnd(chunk: Buffer, at: number): number {
  if (at + HEADER_BYTES + CRC_BYTES > chunk.length) return chunk.length + HEADER_BYTES + CRC_BYTES
  return at + HEADER_BYTES + storedLength(chunk.readUInt32BE(at + PLACE_BYTES)).bytes + CRC_BYTES
}

function recordOf(raw: Buffer, end: number): PackedAddendum {
  const crcAt = raw.length - CRC_BYTES
  const { isSealed } = storedLength(raw.readUInt32BE(PLACE_BYTES))
  return {
    leafIndex: getUint64(raw, 0),
    ordinal: raw.readUInt8(8),
    isIntact: crc32c(raw.subarray(0, crcAt)) === raw.readUInt32BE(crcAt),
    ...storedAddendum(raw.subarray(HEADER_BYTES, crcAt), isSealed),
    raw,
    end,
  }
}

async function openPack(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw systemError('LEDGER_IO', `could not read addenda: ${path}`, cause)
  }
}
