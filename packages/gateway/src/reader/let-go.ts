/** For how long rows are kept, and when they go: what the record of a retention says of content, the index does with rows. */
import type { Leaf } from '@countersign/record/leaf'
import { dropAfter, dropOf, retentionDays } from '@countersign/record/retention'
import type { Transaction } from '@countersign/record/transaction'
import { type LoadedConfig, retentionRules } from '../config.ts'
import type { Index } from '../search.ts'

/** By the rules in force when it is indexed: the same by which its content was sealed, unless they changed since. */
export function lastDayOf(transaction: Transaction, { config }: LoadedConfig): string | undefined {
  const { labels, service, time } = transaction
  return dropAfter(BigInt(time), retentionDays(retentionRules(config), { labels, service }))
}

/** A retention that is on record lets go of rows as well: of those before it, so that reading the log again does the same. */
export async function letGo(leaf: Leaf, origin: string, index: Pick<Index, 'drop'>): Promise<void> {
  const drop = dropOf(leaf)
  if (drop !== undefined) await index.drop(origin, drop)
}
