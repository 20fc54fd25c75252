/**
 * What only a data folder has beside its public log: addenda and write-ahead log. Each addendum is held against the digest in
 * its leaf. The write-ahead log is read only while nobody writes it: its last frame may be half there otherwise, and its ledger checks
 * it at every start.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddendaSource, PresentAddendum } from '@countersign/verifier/addenda'
import type { Finding } from '@countersign/verifier/finding'
import { checkLedger, layoutOf, readPack } from '../ledger.ts'
import type { PackedAddendum } from '../ledger.ts'
import type { Unsealing } from '../seal.ts'
import { messageOf } from './errors.ts'

/** The check of a whole folder holds all its entries in memory: past so many, its write-ahead log is left to its ledger. */
export const WHOLE_FOLDER_MAX = 500_000

/** The write-ahead log of a data folder, as the hook `extra` of `verifyCommand`. */
export async function* checkWriteAhead(log: {
  readonly dataDir: string
  readonly size: number
}): AsyncGenerator<Finding, void, undefined> {
  if (log.size > WHOLE_FOLDER_MAX || (await isInUse(log.dataDir))) return
  try {
    await checkLedger(log.dataDir, { addenda: 'left out' })
  } catch (error) {
    yield { code: 'EXTRA_CHECK', path: 'the data folder', message: messageOf(error) }
  }
}

/** The addenda of a data folder, as the hook of `verifyCommand`; opened when their keys are at hand. */
export function packedAddenda(dataDir: string, unsealing: Unsealing | undefined): AddendaSource {
  return {
    pathOf: () => 'addenda/',
    async *present(bundle, named) {
      const digests = new Set(named.map(({ entry, ordinal }) => `${entry}/${ordinal}`))
      // A pack holds the addenda of as many leaves as a bundle has entries.
      for await (const packed of readPack(dataDir, bundle)) {
        const { leafIndex, ordinal } = packed
        // What an unfinished publication left behind the checkpoint is named by nothing yet.
        if (!digests.has(`${leafIndex}/${ordinal}`)) continue
        yield presentOf(packed, unsealing)
      }
    },
  }
}

function presentOf(packed: PackedAddendum, unsealing: Unsealing | undefined): PresentAddendum {
  const { leafIndex: entry, ordinal, content, envelope, isIntact } = packed
  const found = { entry, ordinal, content }
  if (!isIntact) return { ...found, state: 'damaged' }
  if (envelope === undefined) return { ...found, state: 'open' }
  const key = unsealing?.keyOf(envelope)
  if (key?.state === 'expired') return { ...found, state: 'expired', period: key.period }
  return { ...found, state: key?.state === 'here' ? 'open' : 'sealed' }
}

/** Whether a ledger answers on the socket of the folder. */
export async function isInUse(dataDir: string): Promise<boolean> {
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
