/** What the check of a bundle says: plain data, for a page, a terminal, or JSON. */
import type { Finding } from '../finding.ts'
import type { Manifest } from './manifest.ts'
import type { ErasureFacts, GapFacts, RetentionFacts, SessionFacts } from './record-facts.ts'
import type { Signer } from './trust.ts'

/** How the addenda that the records of a bundle name have come. */
export interface AddendaCount {
  /** Their content is here and can be read. */
  readonly opened: number
  /** Here, and sealed: their key is not. */
  readonly sealed: number
}

/** What a bundle proves to be whole, in the words of its claim. */
export interface Completeness {
  /** Whether what the manifest claims was found to be so; a claim of nothing is not proven. */
  readonly proven: boolean
  /** One sentence each. */
  readonly says: readonly string[]
}

export interface BundleReport {
  readonly verified: boolean
  /** `given`: the reader's own keys or policy. `carried`: only those that came in the bundle, so anyone could have made it. */
  readonly trust: 'given' | 'carried'
  readonly origin: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  readonly signers: readonly Signer[]
  readonly witnesses: readonly Signer[]
  readonly quorum: string
  readonly grownFrom?: number | undefined
  readonly manifest?: Manifest | undefined
  readonly records: number
  /** Nanoseconds since the epoch, as decimal strings, of the first and last record in the order of the log. */
  readonly firstOccurred?: string | undefined
  readonly lastOccurred?: string | undefined
  readonly sessions: readonly SessionFacts[]
  readonly sessionsTotal: number
  readonly gaps: readonly GapFacts[]
  readonly gapsTotal: number
  readonly gapRecordsTotal: number
  readonly erasures: readonly ErasureFacts[]
  readonly erasuresTotal: number
  readonly retentions: readonly RetentionFacts[]
  readonly retentionsTotal: number
  readonly addenda: AddendaCount
  readonly completeness: Completeness
  /** Leaf indexes of the log's own records of this export that were found to fit it. */
  readonly recorded: readonly number[]
  readonly files: number
  readonly bytes: number
  readonly findings: readonly Finding[]
  readonly findingsTotal: number
}
