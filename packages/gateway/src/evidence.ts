/**
 * The door of `evidence`: bundles that show a part of a log to someone who trusts neither the operator nor us. On the read side: it
 * reads a published log and writes a file; that an export is on record is seen to by who calls it.
 */
export { EvidenceError } from './evidence/errors.ts'
export type { EvidenceErrorCode } from './evidence/errors.ts'
export type { EvidenceAddenda, EvidenceLog, StoredAddendum } from './evidence/log.ts'
export { selectEvidence } from './evidence/selection.ts'
export type { LeafRange, Opening, Scope, Selection } from './evidence/selection.ts'
export { findByTime, findSession } from './evidence/places.ts'
export { refuseExisting, writeBundle } from './evidence/write-bundle.ts'
export type { BundleRequest, WrittenBundle } from './evidence/write-bundle.ts'
