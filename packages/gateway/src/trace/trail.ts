/** Puts the transactions of one trace in order: each under what caused it. Pure. */
import type { Transaction } from '@countersign/record/transaction'

/** One transaction in its place. `depth` is 0 where nothing of the trace that is on record caused it. */
export interface TrailStep {
  readonly transaction: Transaction
  readonly depth: number
  /** How it is known that the step above caused it. */
  readonly basis: 'cause' | 'span' | 'none'
}

/** All of one trace, causes before what they caused, and by time among those of one cause. */
export interface Trail {
  readonly trace: string
  readonly steps: readonly TrailStep[]
}

/** @param transactions of one trace, in any order, each once. Attacker-controlled: causes may point in circles. */
export function trailOf(trace: string, transactions: readonly Transaction[]): Trail {
  const byTime = transactions.toSorted(
    (a, b) => compareDecimals(a.time, b.time) || a.index - b.index,
  )
  const ids = new Map(byTime.map((transaction) => [transaction.id, transaction]))
  const spans = new Map<string, Transaction>()
  for (const transaction of byTime) {
    // Of two with one span the first keeps it: it is what the others were copied from.
    if (transaction.span !== undefined && !spans.has(transaction.span))
      spans.set(transaction.span, transaction)
  }
  const children = new Map<Transaction | undefined, Placed[]>()
  for (const transaction of byTime) {
    const placed = place(transaction, ids, spans)
    const siblings = children.get(placed.above) ?? []
    siblings.push(placed)
    children.set(placed.above, siblings)
  }
  return { trace, steps: walk(byTime, children) }
}

interface Placed {
  readonly transaction: Transaction
  readonly above: Transaction | undefined
  readonly basis: TrailStep['basis']
}

function place(
  transaction: Transaction,
  ids: ReadonlyMap<string, Transaction>,
  spans: ReadonlyMap<string, Transaction>,
): Placed {
  const caused = transaction.cause === undefined ? undefined : ids.get(transaction.cause)
  if (caused !== undefined && caused !== transaction)
    return { transaction, above: caused, basis: 'cause' }
  const parent = transaction.parent === undefined ? undefined : spans.get(transaction.parent)
  if (parent !== undefined && parent !== transaction)
    return { transaction, above: parent, basis: 'span' }
  return { transaction, above: undefined, basis: 'none' }
}

function walk(
  byTime: readonly Transaction[],
  children: ReadonlyMap<Transaction | undefined, readonly Placed[]>,
): TrailStep[] {
  const steps: TrailStep[] = []
  const seen = new Set<Transaction>()
  const visit = (top: Placed): void => {
    // By hand: a trace may be deeper than the stack of this process.
    const waiting: { placed: Placed; depth: number }[] = [{ placed: top, depth: 0 }]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { placed, depth } = next
      if (seen.has(placed.transaction)) continue
      seen.add(placed.transaction)
      steps.push({ transaction: placed.transaction, depth, basis: placed.basis })
      for (const child of (children.get(placed.transaction) ?? []).toReversed())
        waiting.push({ placed: child, depth: depth + 1 })
    }
  }
  for (const placed of children.get(undefined) ?? []) visit(placed)
  // What is left points in circles: each begins with its earliest.
  for (const transaction of byTime)
    if (!seen.has(transaction)) visit({ transaction, above: undefined, basis: 'none' })
  return steps
}

function compareDecimals(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}
