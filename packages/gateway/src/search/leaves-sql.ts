/** Leaf indexes in a statement. They are numbers, so they stand in its text: a list of parameters would be as long. */
import type { LeafRun } from '@countersign/record/leaf-list'

/** Leaves that one statement names one by one, at most: about 200 KiB of text. */
export const LEAVES_IN_STATEMENT_MAX = 20_000

/** A run that is longer is asked for as a range. */
const RUN_LISTED_MAX = 16

/** Conditions on columns `leaf` and `intent` that together are true of all rows of these leaves, one for each statement. */
export function leavesSql(runs: readonly LeafRun[]): readonly string[] {
  return [...pieces(runs)].map(({ listed, ranges }) => {
    const of = (column: string): readonly string[] => [
      ...(listed.length === 0 ? [] : [`${column} IN (${listed.join(',')})`]),
      ...ranges.map(({ from, to }) => `${column} BETWEEN ${from} AND ${to}`),
    ]
    return `(${[...of('leaf'), ...of('intent')].join(' OR ')})`
  })
}

/** Ranges in one statement, at most: each is compared with every row. */
const RANGES_IN_STATEMENT_MAX = 100

interface Piece {
  readonly listed: number[]
  readonly ranges: LeafRun[]
}

function* pieces(runs: readonly LeafRun[]): Generator<Piece> {
  let piece: Piece = { listed: [], ranges: [] }
  for (const run of runs) {
    const { from, to } = run
    if (to - from >= RUN_LISTED_MAX) piece.ranges.push(run)
    else for (let leaf = from; leaf <= to; leaf++) piece.listed.push(leaf)
    const isFull =
      piece.listed.length > LEAVES_IN_STATEMENT_MAX - RUN_LISTED_MAX ||
      piece.ranges.length >= RANGES_IN_STATEMENT_MAX
    if (!isFull) continue
    yield piece
    piece = { listed: [], ranges: [] }
  }
  if (piece.listed.length > 0 || piece.ranges.length > 0) yield piece
}
