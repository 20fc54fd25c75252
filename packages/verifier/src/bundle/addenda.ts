/** Addenda in a bundle: each is what its record names by digest. */
import { addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'

import type { Findings } from '../finding.ts'
import type { BundleFiles } from './files.ts'
import type { RecordFacts } from './record-facts.ts'
import type { BundleReport } from './report.ts'
import type { BundleCrypto } from './trust.ts'

export interface AddendaTools {
  readonly files: BundleFiles
  readonly crypto: BundleCrypto
  readonly findings: Findings
}

/** Checks every addendum that a record of the bundle names; one that none names is left for whoever looks at what is unexpected. */
export async function checkAddenda(
  facts: RecordFacts,
  { files, crypto, findings }: AddendaTools,
): Promise<BundleReport['addenda']> {
  let opened = 0
  for (const [digest, { entry, name }] of facts.named) {
    const path = addendumPath(digest)
    const content = await files.read(path)
    if (content === undefined) continue
    if (encodeHex(crypto.sha256(content)) === digest) opened += 1
    else
      findings.add({
        code: 'ADDENDUM_MISMATCH',
        path,
        entry,
        message: `it is not the addendum '${name}' that record ${entry} names: its SHA-256 is another`,
      })
  }
  return { opened, sealed: 0 }
}
