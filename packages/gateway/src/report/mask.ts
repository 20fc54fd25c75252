/**
 * What a reader sees of a transaction. A field that is there and may not be seen is a mask, not missing; one whose content is gone or
 * cannot be opened says so. Everything of the log that leaves by the API goes through here.
 */
import { fieldSpec, isFieldName, transactionFields } from '@countersign/record/transaction'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import type { Filter, Span } from '@countersign/record/question'

/** Stands for a sealed field that is there and may not be seen. */
export const MASKED = '[masked]'

/** Sealed fields that every transaction of its class had before its content went: what says `[erased]` and `[sealed]`. */
const httpFields: readonly FieldName[] = ['actor', 'client', 'host', 'path']

const sealedNames: readonly FieldName[] = Object.keys(transactionFields)
  .filter(isFieldName)
  .filter(isSealed)

/** Whether a field comes out of a sealed addendum. */
export function isSealed(name: FieldName): boolean {
  return fieldSpec(name).sealed === true
}

/** A transaction as whoever asks may see it. */
export function shown(transaction: Transaction, unmasked: boolean): Transaction {
  const copy: Record<string, unknown> = { ...transaction }
  const gone = placeholder(transaction)
  if (gone !== undefined)
    for (const name of gone.names) if (copy[name] === undefined) copy[name] = gone.text
  if (!unmasked) {
    for (const name of sealedNames)
      if (transaction[name] !== undefined)
        copy[name] = fieldSpec(name).type === 'list' ? [MASKED] : MASKED
  }
  return { ...copy, ...place(transaction) }
}

/** A transaction without its sealed fields: what the question of a reader who sees none is held against. */
export function unsealedPart(transaction: Transaction): Transaction {
  const copy: Record<string, unknown> = { ...transaction }
  for (const name of sealedNames) delete copy[name]
  return { ...copy, ...place(transaction) }
}

/** Where a filter asks by a sealed field; undefined when it does not. */
export function sealedIn(filter: Filter): { field: FieldName; at: Span } | undefined {
  // By hand: a filter may be deeper than the stack of this process.
  const waiting: Filter[] = [filter]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.kind === 'and' || next.kind === 'or') waiting.push(...next.parts.toReversed())
    else if (next.kind === 'not') waiting.push(next.part)
    else if ('field' in next && isSealed(next.field)) return { field: next.field, at: next.at }
  }
  return undefined
}

function placeholder(
  transaction: Transaction,
): { names: readonly FieldName[]; text: string } | undefined {
  const { content } = transaction
  if (content === undefined || content === 'none' || content === 'open') return undefined
  const isHttp = transaction.class === 'http.server' || transaction.class === 'http.client'
  // `erased`, `sealed` and what else keeps it from being read: `absent`, `altered`.
  const known = fieldSpec('content').values?.includes(content) === true
  return { names: isHttp ? httpFields : ['actor'], text: known ? `[${content}]` : '[sealed]' }
}

/** The fields that every transaction has; none of them is sealed. */
function place({ origin, index, id, time }: Transaction): Transaction {
  return { origin, index, id, time }
}
