/**
 * Lists of leaf indexes as a record spells them: ascending, runs as `from-to` (both included), such as `3,17-19`. One list has
 * one spelling: no leading zeros, no run of one, no two runs that touch.
 */
import { RecordError } from './errors.ts'

const NUMBER = String.raw`(?:0|[1-9][0-9]{0,15})`

/** What `parseLeafList` reads, before it looks at the order. */
export const LEAF_LIST_PATTERN: string = `(?:${NUMBER}(?:-${NUMBER})?(?:,${NUMBER}(?:-${NUMBER})?)*)?`

const entire = new RegExp(`^${LEAF_LIST_PATTERN}$`)

/** Leaf indexes from `from` up to and including `to`. */
export interface LeafRun {
  readonly from: number
  readonly to: number
}

/** Spells indexes given in ascending order, each once. */
export function formatLeafList(indexes: Iterable<number>): string {
  const runs: { from: number; to: number }[] = []
  for (const index of indexes) {
    const last = runs.at(-1)
    if (last !== undefined && index === last.to + 1) last.to = index
    else runs.push({ from: index, to: index })
  }
  return runs.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(',')
}

/**
 * Reads a list strictly.
 * @returns its runs, ascending; none for the empty text.
 * @throws {RecordError} `RECORD_MALFORMED` for any spelling that `formatLeafList` does not give.
 */
export function parseLeafList(text: string): readonly LeafRun[] {
  if (!entire.test(text)) throw malformed()
  if (text === '') return []
  let next = 0
  return text.split(',').map((part) => {
    const [from = 0, to = from] = part.split('-').map(Number)
    const isRun = part.includes('-')
    if (from < next || (isRun && to <= from) || !Number.isSafeInteger(to)) throw malformed()
    // The index after a run would have been part of it.
    next = to + 2
    return { from, to }
  })
}

function malformed(): RecordError {
  return new RecordError(
    'RECORD_MALFORMED',
    'could not read a list of leaves: it must be ascending indexes and runs, such as 3,17-19',
  )
}
