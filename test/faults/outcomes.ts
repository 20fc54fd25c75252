/** What became of each fault, counted for the table at the end. */
export const OUTCOMES = [
  'stopped, said why',
  'killed',
  'carried on',
  'found',
  'harmless',
  'not met',
] as const
export type Outcome = (typeof OUTCOMES)[number]

interface Row {
  readonly counts: Map<Outcome, number>
  possible: number
}

const rows = new Map<string, Row>()

function rowOf(process: string, fault: string): Row {
  const key = `${process.padEnd(18)} ${fault}`
  let row = rows.get(key)
  if (row === undefined) rows.set(key, (row = { counts: new Map(), possible: 0 }))
  return row
}

/** There are so many points for this fault, of which a sample is tried. */
export function notePossible(process: string, fault: string, count: number): void {
  rowOf(process, fault).possible += count
}

export function noteOutcome(process: string, fault: string, outcome: Outcome): void {
  const { counts } = rowOf(process, fault)
  counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
}

/** The table, a line a row. After each of these faults, what was acknowledged was there, or the test failed. */
export function tableOfOutcomes(): string[] {
  const width = Math.max(...[...rows.keys()].map((key) => key.length), 30)
  const head = ['points', 'tried', ...OUTCOMES].map((name) => name.padStart(18)).join('')
  const lines = [...rows]
    .filter(([, { possible, counts }]) => possible > 0 || counts.size > 0)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { counts, possible }]) => {
      const tried = [...counts.values()].reduce((sum, count) => sum + count, 0)
      const cells = [
        Math.max(possible, tried),
        tried,
        ...OUTCOMES.map((name) => counts.get(name) ?? 0),
      ]
      return key.padEnd(width) + cells.map((cell) => String(cell || '·').padStart(18)).join('')
    })
  return ['process and fault'.padEnd(width) + head, ...lines]
}
