/**
 * The door of `contents`: a record together with what its addenda say, where they are at hand and may be opened. It reads the log,
 * the packs beside it and the keys, writes nothing, and compares each piece with the digest in its leaf.
 */
export { actorName, addendumJson, openRecord, publishedAddenda } from './contents/open-record.ts'
export type { AddendumStore, OpenedAddendum, OpenedRecord } from './contents/open-record.ts'
export { openLocalAddenda, openUnsealingOf } from './contents/local-addenda.ts'
export { openErasures } from './contents/erasure-search.ts'
export type { ErasureSearch } from './contents/erasure-search.ts'
