/**
 * The door of `reconcile`: what an upstream's own log says of its requests, held against what the log of the gateway says it
 * forwarded. The upstream is a second witness: it knows of requests that never came through the gateway.
 */
export { ReconcileError } from './reconcile/errors.ts'
export type { ReconcileErrorCode } from './reconcile/errors.ts'
export { readAccessLog } from './reconcile/access-log.ts'
export type { AccessLine, AccessLogFormat, BadLine } from './reconcile/access-log.ts'
export { openReconciliation } from './reconcile/reconciliation.ts'
export type {
  Forwarded,
  Reconciled,
  Reconciliation,
  SeenRequest,
  Window,
} from './reconcile/reconciliation.ts'
