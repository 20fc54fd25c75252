import { equalBytes } from '@countersign/tlog/hash'
import { readAddenda } from '../ledger.ts'
import { sha256 } from '../platform.ts'
import type { AddendumStore } from './record-reader.ts'

/** The addenda that the ledger of this machine keeps beside its log. */
export function openLocalAddenda(dataDir: string): AddendumStore {
  return async ({ index, ordinal, digest }) => {
    const addenda = await readAddenda(dataDir, index)
    // By content first: when some were erased, places have moved. Else what is there has been altered, and is shown to be.
    return addenda.find((content) => equalBytes(sha256(content), digest)) ?? addenda[ordinal]
  }
}
