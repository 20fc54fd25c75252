/** What a check found wrong: a closed set of codes, the file to blame, and a sentence. */

export type FindingCode =
  | 'ADDENDUM_ALTERED'
  | 'ADDENDUM_MISSING'
  | 'BUNDLE_LIMIT'
  | 'CHECKPOINT_MALFORMED'
  | 'CHECKPOINT_SIGNATURE'
  | 'ENTRY_MISMATCH'
  | 'EXTRA_CHECK'
  | 'FILE_MALFORMED'
  | 'FILE_MISSING'
  | 'FILE_UNEXPECTED'
  | 'KEY_UNTRUSTED'
  | 'LOG_FORKED'
  | 'LOG_SHRANK'
  | 'MANIFEST_MALFORMED'
  | 'MANIFEST_MISMATCH'
  | 'PARTIAL_MISMATCH'
  | 'QUORUM_UNMET'
  | 'RECEIPT_MISMATCH'
  | 'RECORD_MALFORMED'
  | 'ROOT_MISMATCH'
  | 'ROTATION_MISMATCH'
  | 'SESSION_BROKEN'
  | 'TILE_MISMATCH'
  | 'ZIP_MALFORMED'

/** One thing that is wrong. `path` is below the log; `entry` is a leaf index, from 0; `byte` an offset in the file. */
export interface Finding {
  readonly code: FindingCode
  readonly path: string
  readonly message: string
  readonly entry?: number | undefined
  readonly byte?: number | undefined
}

/** Findings kept and printed; more are only counted. */
export const FINDINGS_MAX = 100

/** Collects findings: the first `FINDINGS_MAX` as they are, the rest as a number. */
export class Findings {
  readonly kept: Finding[] = []
  total = 0

  add(...more: readonly Finding[]): void {
    this.total += more.length
    this.kept.push(...more.slice(0, FINDINGS_MAX - this.kept.length))
  }

  /** Takes over what another collector, perhaps of another thread, kept and counted. */
  merge(other: { readonly kept: readonly Finding[]; readonly total: number }): void {
    this.add(...other.kept)
    this.total += other.total - other.kept.length
  }
}
