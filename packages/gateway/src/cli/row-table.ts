/**
 * Transactions for people. On a terminal each takes one line that fits, under a heading, and the day stands on a line of its own; in a
 * pipe nothing is cut, nothing is added, and each line has its date.
 */
import {
  isHidden,
  localClock,
  localDay,
  localTime,
  shownOf,
  textOf,
  whatIn,
  whoIn,
} from './rows.ts'
import type { Row } from './rows.ts'
import { column, duration, escapeText, fit, paintFor, print } from './terminal.ts'
import type { Io, Paint } from './terminal.ts'

/** A terminal says how wide it is; this is what one has when it does not. */
const COLUMNS = 80

/** Columns by their widths on a terminal of 80; the leaf, last, is cut by none. */
const WIDTHS = { time: 8, outcome: 7, who: 14, what: 17, service: 9, status: 3, took: 8 } as const

type Widths = Readonly<Record<keyof typeof WIDTHS, number>>

export interface RowTable {
  show(row: Row): void
}

/** @param now milliseconds since the epoch: rows of today need no date on a terminal. */
export function openRowTable(io: Io, now: number): RowTable {
  const paint = paintFor(io.stdout)
  const isTerminal = io.stdout.isTTY === true
  const widths = widthsFor(io)
  let day = localDay(`${now}000000`)
  let isFirst = true
  return {
    show(row) {
      if (isTerminal && isFirst) print(io, paint.dim(heading(widths)))
      isFirst = false
      const its = localDay(textOf(row, 'time'))
      if (isTerminal && its !== day) print(io, paint.dim((day = its)))
      const time = (isTerminal ? localClock : localTime)(textOf(row, 'time'))
      print(io, fit(rowLine(row, { time, widths, paint, isTerminal }), io.stdout))
    },
  }
}

function widthsFor({ stdout }: Io): Widths {
  const columns = stdout.isTTY === true ? (stdout.columns ?? COLUMNS) : COLUMNS
  const extra = Math.max(0, columns - COLUMNS)
  const who = Math.floor(extra / 4)
  const service = Math.floor(extra / 8)
  return {
    ...WIDTHS,
    who: WIDTHS.who + who,
    service: WIDTHS.service + service,
    what: WIDTHS.what + extra - who - service,
  }
}

function heading(widths: Widths): string {
  const cells = Object.entries(widths).map(([name, width]) =>
    name === 'took' ? name.padStart(width) : column(name === 'status' ? '' : name, width),
  )
  return [...cells, 'leaf'].join(' ')
}

interface RowLine {
  readonly time: string
  readonly widths: Widths
  readonly paint: Paint
  /** Cells are cut to their width. */
  readonly isTerminal: boolean
}

/** One transaction on one line: time, how it ended, who, what, service, status, how long it took, and its leaf. */
function rowLine(row: Row, { time, widths, paint, isTerminal }: RowLine): string {
  const cell = (text: string, width: number): string =>
    dimHidden(isTerminal ? column(text, width) : text.padEnd(width), paint)
  const took = textOf(row, 'duration')
  return [
    time,
    outcomeCell(textOf(row, 'outcome'), widths.outcome, paint),
    cell(whoIn(row), widths.who),
    cell(whatIn(row), widths.what),
    cell(shownOf(row, 'service'), widths.service),
    column(shownOf(row, 'status'), widths.status),
    (/^\d{1,18}$/.test(took) ? duration(Number(took)) : '').padStart(widths.took),
    paint.dim(textOf(row, 'index')),
  ].join(' ')
}

/** How it ended, in its colour. */
export function outcomeCell(outcome: string, width: number, paint: Paint): string {
  const cell = column(escapeText(outcome), width)
  if (outcome === 'success') return paint.green(cell)
  if (outcome === 'denied') return paint.red(cell)
  return outcome === 'open' || outcome === '' ? paint.dim(cell) : paint.yellow(cell)
}

/** What is not shown stands back. */
export function dimHidden(text: string, paint: Paint): string {
  return text.replaceAll(/\[[a-z]+\]/g, (part) => (isHidden(part) ? paint.dim(part) : part))
}
