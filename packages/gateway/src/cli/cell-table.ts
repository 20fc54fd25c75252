/** Any fields in columns as wide as what stands in them; on a terminal the line is cut to fit. */
import { dimHidden } from './row-table.ts'
import { column, fit, paintFor, print } from './terminal.ts'
import type { Io } from './terminal.ts'

/** A column wider than this is cut on a terminal, so that those behind it are seen. */
const CELL_MAX = 40

export interface CellTable {
  readonly headings: readonly string[]
  /** Texts that are escaped already, a list a line. */
  readonly lines: readonly (readonly string[])[]
  /** Columns, counted from 0, that stand at the right of their width: numbers. */
  readonly right?: ReadonlySet<number>
}

/** @param isMore whether the same table goes on: then its heading was printed. */
export function printCells(io: Io, { headings, lines, right }: CellTable, isMore = false): void {
  const isTerminal = io.stdout.isTTY === true
  const paint = paintFor(io.stdout)
  const widths = headings.map((heading, at) => {
    const longest = Math.max(
      isTerminal ? heading.length : 0,
      ...lines.map((line) => lengthOf(line[at])),
    )
    return isTerminal ? Math.min(longest, CELL_MAX) : longest
  })
  const render = (cells: readonly string[]): string =>
    widths.map((width, at) => aligned(cells[at] ?? '', width, right?.has(at) === true)).join('  ')
  if (isTerminal && !isMore) print(io, paint.dim(fit(render(headings).trimEnd(), io.stdout)))
  for (const line of lines) print(io, fit(dimHidden(render(line).trimEnd(), paint), io.stdout))
}

function aligned(text: string, width: number, isRight: boolean): string {
  return isRight ? text.padStart(width) : column(text, width)
}

function lengthOf(text = ''): number {
  return Array.from(text).length
}
