/** The door of `search`: entries of the ledger -> rows, questions -> answers. It holds no fact that is not in the ledger. */
export { SearchError } from './search/errors.ts'
export type { SearchErrorCode } from './search/errors.ts'
export type { Engine, QueryLimits, Statement } from './search/engine.ts'
export type { Batch, Index, IndexedLog, IndexedTransaction, Partition } from './search/rows.ts'
