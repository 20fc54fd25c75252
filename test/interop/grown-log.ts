/** A log that the real signer and ledger write, grown from one size to the next and published at each. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ENTRY_BYTES_MAX } from '@countersign/tlog/bundle'
import { leafIndex } from '@countersign/tlog/size'
import { connectLedger, layoutOf } from '../../packages/gateway/src/ledger.ts'
import type { Ledger } from '../../packages/gateway/src/ledger.ts'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { openRig } from '../journeys/rig.ts'
import type { Rig } from '../journeys/rig.ts'

/** One record, a bundle that is one short, full, one over; and a third level of tiles, which begins at 65,536. */
export const SIZES = [1, 255, 256, 257, 70_000] as const

/** Where the records are that differ most from the others: one with an addendum, and one of the largest size. */
export const ADDENDUM_AT = 3
export const LARGEST_AT = 5

/** Drafts that wait at once; the ledger's client refuses more than 50,000. */
const DRAFTS_AT_ONCE = 10_000

export interface GrownLog extends AsyncDisposable {
  readonly rig: Rig
  /** The published folder, which is also a URL's path below `file://`. */
  readonly folder: string
  /** Where the ledger itself serves that folder, read-only. */
  readonly url: string
  readonly vkeyFile: string
  /** Appends up to exactly `size` records, waits until they are published, and returns the checkpoint. */
  growTo(size: number): Promise<string>
  /** The record with this 0-based index, as the ledger has it. */
  entry(index: number): Promise<Uint8Array>
  /** Its receipt from the write side: the text of a `.tlog-proof`. */
  receipt(index: number): Promise<string>
}

export async function openGrownLog(): Promise<GrownLog> {
  const rig = await openRig(() => ({}))
  await rig.start('signer')
  await rig.start('ledger')
  const layout = layoutOf(rig.dataDir)
  const ledger = await connectLedger({ socketPath: layout.socket, clock: systemClock })
  const entry = async (index: number): Promise<Uint8Array> => {
    const [found] = await ledger.entries(index, 1)
    assert.ok(found !== undefined, `no record ${index}`)
    return found
  }
  // The programs of others read a file with one key: the log's Ed25519 key.
  const vkeyFile = join(rig.dir, 'ed25519.vkey')
  await writeFile(vkeyFile, `${rig.vkey}\n`)
  return {
    rig,
    folder: layout.log,
    url: `http://127.0.0.1:${rig.ports.log}`,
    vkeyFile,
    growTo: async (size) => {
      await appendUpTo(ledger, size)
      await ledger.publish()
      const checkpoint = await readFile(layout.checkpoint, 'utf8')
      assert.equal(checkpoint.split('\n')[1], String(size), 'the size of the published checkpoint')
      if (size > LARGEST_AT) assert.equal((await entry(LARGEST_AT)).length, ENTRY_BYTES_MAX)
      return checkpoint
    },
    entry,
    receipt: (index) => ledger.prove(leafIndex(index)),
    [Symbol.asyncDispose]: async () => {
      await ledger.close()
      await rig[Symbol.asyncDispose]()
    },
  }
}

/** The ledger's first record, of its own boot, is counted too: a log of one record is one nobody has written to. */
async function appendUpTo(ledger: Ledger, size: number): Promise<void> {
  for (let next = (await ledger.status()).durable; next < size;) {
    const count = next <= LARGEST_AT ? 1 : Math.min(DRAFTS_AT_ONCE, size - next)
    const drafts = await Promise.all(Array.from({ length: count }, () => draftFor(ledger, next)))
    const receipts = await Promise.all(drafts.map((draft) => ledger.append(draft)))
    assert.equal(receipts.at(-1)?.leafIndex, next + count - 1)
    next += count
  }
}

async function draftFor(ledger: Ledger, index: number): Promise<ReturnType<typeof makeDraft>> {
  if (index === ADDENDUM_AT) return makeDraft({ content: Buffer.from('kept beside the tree') })
  if (index !== LARGEST_AT) return makeDraft()
  // As long as the record before it, but for the reason that makes up the rest.
  const [before] = await ledger.entries(index - 1, 1)
  return makeDraft({ bytes: ENTRY_BYTES_MAX - (before?.length ?? 0) })
}
