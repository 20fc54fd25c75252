/**
 * Values that anybody may have made: what is inside an addendum is JSON of any shape, size and depth. Each function gives the value
 * when it is one, cut to its limit, and nothing when it is not.
 */

/** UTF-16 units of one text of a row, at most. What is longer is in the addendum, whole. */
export const TEXT_LENGTH_MAX: number = 16 * 1024

/** Texts in one list of a row, at most. */
export const LIST_LENGTH_MAX = 1000

/** A text without half characters, which are no UTF-8: ClickHouse would refuse the whole batch for one. */
export function text(value: unknown, lengthMax: number = TEXT_LENGTH_MAX): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  // Where the cut halves a character, its rest is replaced.
  const cut = value.length > lengthMax ? value.slice(0, lengthMax) : value
  return cut.toWellFormed()
}

/** The texts of a list; what is none is left out. All together are as long as one text may be. */
export function list(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined
  const items: readonly unknown[] = value
  const texts: string[] = []
  let room = TEXT_LENGTH_MAX
  for (const item of items.slice(0, LIST_LENGTH_MAX)) {
    const each = text(item, room)
    if (each === undefined) continue
    texts.push(each)
    room -= each.length
    if (room <= 0) break
  }
  return texts
}

/** An own member of an object; nothing of anything else. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value as unknown
}
