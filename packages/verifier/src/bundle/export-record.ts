/** The log's own record of an export: where a manifest says there is one, it must say the same. */
import { decodeEntry } from '@countersign/record/decode'
import { RecordError } from '@countersign/record/errors'
import type { Lifecycle } from '@countersign/record/leaf'

import { FINDINGS_MAX } from '../finding.ts'
import type { Findings } from '../finding.ts'
import type { BundleFiles } from './files.ts'
import { MANIFEST } from './layout.ts'
import { runsOf } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { readReceipted } from './receipts.ts'
import type { BelievedHead, BundleCrypto } from './trust.ts'

type ExportFact = Extract<Lifecycle, { readonly kind: 'export' }>

/** What an export's record says its purpose was: the case it was for comes first. */
export function recordedPurpose({ purpose, matter }: Manifest['asked']): string {
  return matter === undefined ? purpose : `${matter}: ${purpose}`
}

/** @returns the leaf indexes of the records that were found and fit */
export async function checkRecorded(
  manifest: Manifest,
  {
    head,
    work,
  }: {
    readonly head: BelievedHead
    readonly work: {
      readonly files: BundleFiles
      readonly findings: Findings
      readonly options: { readonly crypto: BundleCrypto }
    }
  },
): Promise<readonly number[]> {
  const { files, findings, options } = work
  const fitting: number[] = []
  const leaves: string[] = []
  let opened = 0
  for (const run of runsOf(manifest.recorded))
    for (let index = run.from; index <= run.to; index++) {
      // Attacker-controlled: the list may be endless.
      if (findings.total > FINDINGS_MAX) return fitting
      const entry = await readReceipted(
        { folder: 'export', index },
        {
          head,
          crypto: options.crypto,
          read: async (path) => files.read(path),
          onFinding: (finding) => findings.add(finding),
        },
      )
      if (entry === undefined) continue
      const fact = exportFact(entry)
      const problem = fact === undefined ? 'is about no export' : difference(manifest, fact)
      if (problem === undefined) fitting.push(index)
      else
        findings.add({
          code: 'MANIFEST_MISMATCH',
          path: MANIFEST,
          entry: index,
          message: `the log's own record ${index} of this export ${problem}`,
        })
      leaves.push(fact?.leaves ?? '')
      opened += fact?.opened ?? 0
    }
  if (fitting.length === 0 || findings.total > 0) return fitting
  if (leaves.join(',') !== manifest.records || opened !== manifest.opened)
    findings.add({
      code: 'MANIFEST_MISMATCH',
      path: MANIFEST,
      message:
        "the log's own records of this export list other records, or another number of opened addenda",
    })
  return fitting
}

function difference(manifest: Manifest, fact: ExportFact): string | undefined {
  const { asked, scope } = manifest
  if (fact.by !== asked.by) return 'names another person who asked'
  if (fact.purpose !== recordedPurpose(asked)) return 'states another purpose'
  if (fact.scope !== scope.kind || fact.subject !== scope.subject) return 'has another scope'
  return undefined
}

function exportFact(entry: Uint8Array): ExportFact | undefined {
  try {
    const { lifecycle } = decodeEntry(entry).leaf
    return lifecycle?.kind === 'export' ? lifecycle : undefined
  } catch (error) {
    if (error instanceof RecordError) return undefined
    throw error
  }
}
