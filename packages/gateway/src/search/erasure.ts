/** What an erasure takes out of rows: every column that addenda filled, and the leaves whose rows those are. */
import { parseLeafList } from '@countersign/record/leaf-list'
import type { LeafRun } from '@countersign/record/leaf-list'
import type { Leaf } from '@countersign/record/leaf'
import type { Transaction } from '@countersign/record/transaction'
import { sealedFields } from './columns.ts'

/** Leaves that a record says were erased; none for other records. */
export function erasedBy({ lifecycle }: Leaf): readonly LeafRun[] {
  if (lifecycle?.kind !== 'erasure') return []
  try {
    return parseLeafList(lifecycle.leaves)
  } catch {
    // No list that we would have written: then nobody knows what it meant, and its row says what it says.
    return []
  }
}

/** Runs in ascending order, none touching the next. */
export function mergedRuns(runs: readonly LeafRun[]): readonly LeafRun[] {
  const merged: { from: number; to: number }[] = []
  for (const { from, to } of runs.toSorted((one, other) => one.from - other.from)) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  return merged
}

/** Whether a transaction holds content of any of these leaves. @param runs as `mergedRuns` gives them */
export function isOfLeaves({ index, intent }: Transaction, runs: readonly LeafRun[]): boolean {
  return isIn(index, runs) || (intent !== undefined && isIn(intent, runs))
}

function isIn(leaf: number, runs: readonly LeafRun[]): boolean {
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const run = runs[middle]
    if (run === undefined || run.from > leaf) high = middle
    else if (run.to < leaf) low = middle + 1
    else return true
  }
  return false
}

/** The transaction without what was sealed in it. */
export function forgotten(transaction: Transaction): Transaction {
  const rest: Record<string, unknown> = { ...transaction }
  for (const field of sealedFields) delete rest[field]
  const { origin, index, id, time } = transaction
  return { ...rest, origin, index, id, time, content: 'erased' }
}
