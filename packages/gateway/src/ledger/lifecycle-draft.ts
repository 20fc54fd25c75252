/** What the ledger writes about itself: boots, shutdowns, alarms. */
import type { Draft, Lifecycle, UnstampedLeaf } from '@countersign/record/leaf'

/** How loud an alarm is, once raised; its end is for information. */
const ALARM_SEVERITY = {
  witness_quorum: 'warning',
  witness_fork: 'critical',
  tile_damaged: 'critical',
  addenda_damaged: 'critical',
  signer_unavailable: 'warning',
  log_unverified: 'critical',
  index_full: 'warning',
} as const

/** The draft of one fact. @param nowNs nanoseconds since the epoch. */
export function ledgerDraft(id: string, nowNs: bigint, lifecycle: Lifecycle): Draft {
  return {
    leaf: {
      v: 1,
      id,
      class: 'ledger',
      action: `ledger.${lifecycle.kind}`,
      phase: 'single',
      ...judgement(lifecycle),
      time: { occurred: String(nowNs) },
      lifecycle,
    },
    addenda: [],
  }
}

function judgement(lifecycle: Lifecycle): Pick<UnstampedLeaf, 'outcome' | 'reason' | 'severity'> {
  if (lifecycle.kind !== 'alarm') return { outcome: 'success' }
  const { raised, what } = lifecycle
  return raised
    ? { outcome: 'failure', reason: what, severity: ALARM_SEVERITY[what] }
    : { outcome: 'success', reason: what, severity: 'info' }
}
