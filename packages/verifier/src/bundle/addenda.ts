/** Addenda in a bundle: each is what its record names by digest, and the keys that came along open it. */
import { sealingContext } from '@countersign/record/envelope'
import { addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'
import { openChunkedAsync } from '@countersign/tlog/chunked-encryption'
import { TlogError } from '@countersign/tlog/errors'

import type { Findings } from '../finding.ts'
import { parseKeys } from './addenda-keys.ts'
import type { AddendumKey } from './addenda-keys.ts'
import type { BundleFiles } from './files.ts'
import { KEYS } from './layout.ts'
import type { NamedAddendum, RecordFacts } from './record-facts.ts'
import type { BundleReport } from './report.ts'
import type { BundleCrypto } from './trust.ts'

export interface AddendaTools {
  readonly files: BundleFiles
  readonly crypto: BundleCrypto
  readonly findings: Findings
}

/** The keys in a bundle; none, and a finding, when their file cannot be read. */
export async function readKeys({
  files,
  findings,
}: Omit<AddendaTools, 'crypto'>): Promise<ReadonlyMap<string, AddendumKey>> {
  const bytes = await files.readIfThere(KEYS)
  const keys = bytes === undefined ? new Map<string, AddendumKey>() : parseKeys(bytes)
  if (!('line' in keys)) return keys
  const message = `line ${keys.line} is no key of an addendum`
  findings.add({ code: 'FILE_MALFORMED', path: KEYS, message })
  return new Map()
}

/** Checks every addendum that a record of the bundle names; one that none names is left for whoever looks at what is unexpected. */
export async function checkAddenda(
  facts: RecordFacts,
  keys: ReadonlyMap<string, AddendumKey>,
  tools: AddendaTools,
): Promise<BundleReport['addenda']> {
  let opened = 0
  let sealed = 0
  for (const [digest, named] of facts.named) {
    const key = keys.get(digest)
    const content = await readAddendum(digest, { named, key }, tools)
    if (content !== undefined && key === undefined) sealed += 1
    else if (content !== undefined) opened += 1
  }
  for (const digest of keys.keys())
    if (!facts.named.has(digest) && tools.findings.total === 0)
      tools.findings.add({
        code: 'FILE_MALFORMED',
        path: KEYS,
        message: `it has a key for the addendum ${digest}, which no record here names`,
      })
  return { opened, sealed }
}

/** The content of an addendum, or what is sealed when its key is not here; `undefined`, and a finding, when it is not what was named. */
export async function readAddendum(
  digest: string,
  { named, key }: { named: NamedAddendum; key: AddendumKey | undefined },
  { files, crypto, findings }: AddendaTools,
): Promise<Uint8Array | undefined> {
  const path = addendumPath(digest)
  const { entry, name } = named
  const content = await files.read(path)
  if (content === undefined) return undefined
  if (encodeHex(crypto.sha256(content)) !== digest) {
    findings.add({
      code: 'ADDENDUM_ALTERED',
      path,
      entry,
      message: `it is not the addendum '${name}' that record ${entry} names: its SHA-256 is another`,
    })
    return undefined
  }
  if (key === undefined || key === 'clear') return content
  try {
    const context = sealingContext(named, named.ordinal)
    return await openChunkedAsync(content, { key, context }, crypto.opening)
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    findings.add({
      code: 'ADDENDUM_ALTERED',
      path: KEYS,
      entry,
      message: `the key for the addendum '${name}' of record ${entry} does not open it: ${error.message}`,
    })
    return undefined
  }
}
