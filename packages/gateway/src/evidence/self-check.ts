/** After writing, reading back: a bundle is handed out only when the check that its reader will run finds nothing. */
import { createHash } from 'node:crypto'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { checkBundle } from '@countersign/verifier/bundle/check'
import { nodeBundleCrypto, fileAccess } from '@countersign/verifier/bundle-file'
import type { RandomAccess } from '@countersign/verifier/bundle/zip-reader'
import { sha256 } from '../cryptography.ts'
import { EvidenceError } from './errors.ts'
import type { BundleRequest, WrittenBundle } from './write-bundle.ts'

const READ_BYTES = 1024 ** 2

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
    digest: await digestOf(access),
    complete: report.completeness.proven,
    says: report.completeness.says,
    records: report.records,
    opened: report.addenda.opened,
  }
}

async function digestOf(access: RandomAccess): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < access.size; at += READ_BYTES)
    hash.update(await access.read(at, Math.min(access.size, at + READ_BYTES)))
  return hash.digest('hex')
}
