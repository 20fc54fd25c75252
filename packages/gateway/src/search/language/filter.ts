/** Filters in their one normal form: no `and` in an `and`, no `or` in an `or`, none of a single part. */
import type { Filter } from '@countersign/record/question'

/** What asks about a transaction itself, not about other filters. */
export type Condition = Exclude<Filter, { readonly kind: 'every' | 'and' | 'or' | 'not' }>

export const every: Filter = { kind: 'every' }

export function allOf(parts: readonly Filter[]): Filter {
  const flat = parts.flatMap((part) =>
    part.kind === 'and' ? part.parts : part.kind === 'every' ? [] : [part],
  )
  const [only] = flat
  if (only === undefined) return every
  return flat.length === 1 ? only : { kind: 'and', parts: flat }
}

export function anyOf(parts: readonly Filter[]): Filter {
  const flat = parts.flatMap((part) => (part.kind === 'or' ? part.parts : [part]))
  const [only] = flat
  if (only === undefined) return { kind: 'not', part: every }
  return flat.length === 1 ? only : { kind: 'or', parts: flat }
}

export function notOf(part: Filter): Filter {
  return { kind: 'not', part }
}

/** All conditions in a filter, from left to right. */
export function* conditionsOf(filter: Filter): Generator<Condition> {
  switch (filter.kind) {
    case 'every':
      return
    case 'and':
    case 'or':
      for (const part of filter.parts) yield* conditionsOf(part)
      return
    case 'not':
      yield* conditionsOf(filter.part)
      return
    case 'compare':
    case 'in':
    case 'like':
    case 'has':
    case 'words':
      yield filter
      return
    default:
      filter satisfies never
  }
}

/** The words of a text, in lower case: ASCII letters and digits, and all that is not ASCII, as the text index cuts them. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[0-9a-z\u0080-\u{10ffff}]+/gu) ?? []
}

/** Filters inside each other, conditions not counted. */
export function depthOf(filter: Filter): number {
  if (filter.kind === 'not') return 1 + depthOf(filter.part)
  if (filter.kind !== 'and' && filter.kind !== 'or') return 0
  return 1 + Math.max(...filter.parts.map(depthOf))
}
