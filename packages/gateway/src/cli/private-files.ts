/**
 * What only a data folder has beside its public log: addenda and write-ahead log. Each addendum is held against the digest in
 * its leaf; nothing lawfully erases one yet, so one that is missing is an alarm as well. The write-ahead log is read only
 * while nobody writes it: its last frame may be half there otherwise, and its ledger checks it at every start.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { decodeEntry } from '@countersign/record/decode'
import { decodeBundle } from '@countersign/tlog/bundle'
import { TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import type { Finding } from '@countersign/verifier/finding'
import type { LogSource } from '@countersign/verifier/source'
import { checkLedger, layoutOf, readAddendaPack, verifyAddenda } from '../ledger.ts'
import { messageOf } from './errors.ts'

interface DataFolder {
  readonly dataDir: string
  readonly size: number
  readonly source: LogSource
}

/** The check of a whole folder holds all its entries in memory: past so many, only the addenda are checked. */
const WHOLE_FOLDER_MAX = 500_000

/** The hook of `verifyCommand`. */
export async function* checkPrivateFiles(
  log: DataFolder,
): AsyncGenerator<Finding, void, undefined> {
  if (log.size > WHOLE_FOLDER_MAX || (await isInUse(log.dataDir))) {
    yield* checkAddenda(log)
    return
  }
  try {
    await checkLedger(log.dataDir)
  } catch (error) {
    yield { code: 'EXTRA_CHECK', path: 'the data folder', message: messageOf(error) }
  }
}

/** Whether a ledger answers on the socket of the folder. */
async function isInUse(dataDir: string): Promise<boolean> {
  const socket = connect(layoutOf(dataDir).socket)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // No socket, or one that a killed process left.
    return false
  } finally {
    socket.destroy()
  }
}

async function* checkAddenda(log: DataFolder): AsyncGenerator<Finding, void, undefined> {
  for (let first = 0; first < log.size; first += TILE_WIDTH) {
    const index = first / TILE_WIDTH
    const path = tilePath({ level: 'entries', index, width: tileWidth(log.size, 'entries', index) })
    const bundle = await log.source.read(path)
    // A bundle that is missing or unreadable has its finding already.
    if (bundle === undefined) continue
    const pack = await packOf(log.dataDir, index)
    if ('code' in pack) {
      yield pack
      continue
    }
    for (const [at, entry] of entriesOf(bundle).entries()) {
      const finding = checkRecord(entry, first + at, pack.get(first + at) ?? [])
      if (finding !== undefined) yield finding
    }
  }
}

/** A pack holds the addenda of as many leaves as a bundle has entries. */
async function packOf(
  dataDir: string,
  index: number,
): Promise<ReadonlyMap<number, readonly Uint8Array[]> | Finding> {
  try {
    return await readAddendaPack(dataDir, index)
  } catch (error) {
    return { code: 'EXTRA_CHECK', path: 'addenda/', message: messageOf(error) }
  }
}

function checkRecord(
  entry: Uint8Array,
  index: number,
  addenda: readonly Uint8Array[],
): Finding | undefined {
  const wrong = verifyAddenda(digestsOf(entry), addenda)
  if (wrong.length === 0) return undefined
  return {
    code: 'EXTRA_CHECK',
    path: 'addenda/',
    entry: index,
    message: `addendum ${wrong.join(', ')} of record ${index} is missing, or not the one that the record names`,
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
