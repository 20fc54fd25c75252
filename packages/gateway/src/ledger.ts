/**
 * The door of `ledger`: the log, the process that writes it, and the client of the write side. It imports no other
 * room, and nobody else writes records.
 */
export { LedgerError } from './ledger/errors.ts'
export { layoutOf } from './ledger/layout.ts'
export { createLog } from './ledger/create.ts'
export type { Continues } from './ledger/create.ts'
export { runLedger } from './ledger/process.ts'
export type { LedgerOptions, RunningLedger } from './ledger/process.ts'
export { connectLedger } from './ledger/client.ts'
export type { LedgerStatus } from './ledger/protocol.ts'
export type { AppendOptions, ConnectOptions, Ledger } from './ledger/client.ts'
export { serveLog } from './ledger/serve-log.ts'
export { readPack } from './ledger/pack-record.ts'
export type { PackedAddendum } from './ledger/pack-record.ts'
export type { StoredAddendum } from './ledger/entries.ts'
export { checkAddendaPack } from './ledger/pack-check.ts'
export type { CheckedPack } from './ledger/pack-check.ts'
export { readAddenda } from './ledger/packs.ts'
export { checkLedger } from './ledger/check-ledger.ts'
