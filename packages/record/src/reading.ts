/** Reading the log is access: what policy grants a reader, and what the record of a read says. Exchanged by policy, search and report. */

/** As whom somebody reads the log, from the narrowest to the widest. */
export type LogRole = 'subject' | 'viewer' | 'owner' | 'auditor' | 'investigator'

/** Which transactions a reader may see. */
export type ReadScope =
  | { readonly kind: 'all' }
  /** Those of these services. */
  | { readonly kind: 'services'; readonly services: readonly string[] }
  /** Those of this pseudonym: what is recorded about oneself. */
  | { readonly kind: 'self'; readonly actor: string }

/** On which condition a reader may see sealed content. */
export type Unmasking = 'always' | 'with_purpose' | 'with_approval' | 'never'

/** One thing that policy grants a reader. A reader may hold several, and reads by one at a time. */
export interface ReadAccess {
  readonly role: LogRole
  /** The line of configuration that grants it. */
  readonly rule: string
  readonly scope: ReadScope
  readonly unmask: Unmasking
}

/** Leaf indexes of one log, spelt as a leaf list (leaf-list.ts): `3,17-19`. */
export interface LeavesOfLog {
  readonly origin: string
  readonly leaves: string
}

/** What the leaf says of a read: no personal data. Why, and what was asked, is in the addendum `read`. */
export interface ReadFacts {
  readonly role: LogRole
  readonly scope: ReadScope['kind']
  /** Whether sealed content was shown. */
  readonly unmasked: boolean
  /** Rows that were returned; of an aggregate, its groups. */
  readonly rows: number
  /** The records that were returned, by log; none for an aggregate. */
  readonly records?: readonly LeavesOfLog[]
  /** Record id of the approval by a second person, where there was one. */
  readonly approval?: string
}

/** The addendum `read`: sealed under the reader's key. */
export interface ReadStatement {
  readonly question?: string
  readonly purpose?: string
  readonly ticket?: string
  /** Services that the reader was limited to. */
  readonly services?: readonly string[]
}

/** Rows in one answer, and so in one record of a read. */
export const READ_ROWS_MAX = 1000
/** Logs in one answer, and so in one record of a read. */
export const READ_LOGS_MAX = 64
