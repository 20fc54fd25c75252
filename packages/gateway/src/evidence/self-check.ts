/** After writing, reading back: a bundle is handed out only when the check that its reader will run finds nothing. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { checkBundle } from '@countersign/verifier/bundle/check'
import { nodeBundleCrypto, fileAccess } from '@countersign/verifier/bundle-file'
import { sha256 } from '../platform.ts'
import { EvidenceError } from './errors.ts'
import type { BundleRequest, WrittenBundle } from './write-bundle.ts'

/** @throws {EvidenceError} `EVIDENCE_BROKEN` with the first finding */
export async function selfCheck(
  path: string,
  { policy, onProgress }: Pick<BundleRequest, 'policy' | 'onProgress'>,
): Promise<Pick<WrittenBundle, 'bytes' | 'digest' | 'complete' | 'says' | 'records' | 'opened'>> {
  await using access = await fileAccess(path)
  const { report } = await checkBundle({
    access,
    crypto: nodeBundleCrypto,
    keys: [],
    policy: parsePolicy(policy, sha256),
    onProgress: (done, total) => onProgress?.('checking', done, total),
  })
  const [first] = report.findings
  if (first !== undefined)
    throw new EvidenceError(
      'EVIDENCE_BROKEN',
      `could not export: what was written does not verify: ${first.path}: ${first.message}`,
      { hint: "'countersign verify' checks the log itself and names every place" },
    )
  return {
    bytes: access.size,
    digest: await digestOf(path),
    complete: report.completeness.proven,
    says: report.completeness.says,
    records: report.records,
    opened: report.addenda.opened,
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await using file = await open(path)
  for await (const chunk of file.createReadStream({ autoClose: false }))
    hash.update(chunk as Buffer)
  return hash.digest('hex')
}
