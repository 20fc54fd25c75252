/** Records that travel alone: an entry and its C2SP tlog-proof, held against the checkpoint of the bundle. */
import { TlogError } from '@countersign/tlog/errors'
import { hashLeaf } from '@countersign/tlog/hash'
import { verifyInclusion } from '@countersign/tlog/proof'
import { parseReceipt } from '@countersign/tlog/receipt'

import type { Finding } from '../finding.ts'
import type { Crypto } from '../source.ts'
import { receiptFiles } from './layout.ts'
import type { ReceiptFolder } from './layout.ts'
import type { BelievedHead } from './trust.ts'

export interface ReceiptTools {
  readonly head: BelievedHead
  readonly crypto: Crypto
  readonly read: (path: string) => Promise<Uint8Array | undefined>
  readonly onFinding: (finding: Finding) => void
}

/** The entry of a record that is in the signed tree; `undefined`, and a finding, when it is not. */
export async function readReceipted(
  place: { readonly folder: ReceiptFolder; readonly index: number },
  { head, crypto, read, onFinding }: ReceiptTools,
): Promise<Uint8Array | undefined> {
  const { index } = place
  const paths = receiptFiles(place.folder, index)
  const entry = await read(paths.entry)
  const receipt = await read(paths.receipt)
  if (entry === undefined || receipt === undefined) return undefined
  try {
    const parsed = parseReceipt(receipt)
    if (parsed.checkpoint !== head.note)
      throw new TlogError('ROOT_MISMATCH', 'its receipt has another checkpoint than the bundle')
    if (parsed.index !== BigInt(index) || parsed.extra !== undefined)
      throw new TlogError('INDEX_OUT_OF_RANGE', 'its receipt is about another record')
    const { size, root } = head.checkpoint
    const leafHash = hashLeaf(crypto.sha256, entry)
    verifyInclusion(
      { index: parsed.index, size, leafHash, root, proof: parsed.proof },
      crypto.sha256,
    )
    return entry
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    onFinding({
      code: 'RECEIPT_MISMATCH',
      path: paths.entry,
      entry: index,
      message: `record ${index} is not shown to be in the log: ${error.message}`,
    })
    return undefined
  }
}
