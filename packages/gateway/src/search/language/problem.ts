/** What is wrong with a question, said so that a person can act on it, and shown where it stands. */
import type { Span } from '@countersign/record/question'
import { SearchError } from '../errors.ts'

/** Columns of a terminal that the line of the question may take. */
const COLUMNS_MAX = 100

/** A question that cannot be understood. */
export function problem(message: string, at?: Span, hint?: string): SearchError {
  return new SearchError('SEARCH_SYNTAX', `could not read the question: ${message}`, {
    ...(at === undefined ? {} : { at }),
    ...(hint === undefined ? {} : { hint }),
  })
}

/**
 * Two lines for a terminal: the question, and carets below what is wrong with it.
 * @returns undefined where the error points at nothing.
 */
export function formatProblem(text: string, error: SearchError): string | undefined {
  if (error.at === undefined) return undefined
  const { from, to } = error.at
  const shown = window(cellsOf(text), { from, to: Math.max(to, from + 1) })
  const line = shown.map(({ glyph }) => glyph).join('')
  const marks = shown.map(({ width, marked }) => (marked ? '^' : ' ').repeat(width)).join('')
  return `${line}\n${marks.trimEnd()}`
}

/** One code point as it is shown, and how many columns it takes. */
interface Cell {
  readonly glyph: string
  readonly width: number
  readonly from: number
}

const WIDE =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\uff01-\uff60]/u

/** Attacker-controlled: what would move the cursor, change colours, or turn the direction of writing is shown as a dot. */
function cellsOf(text: string): Cell[] {
  const cells: Cell[] = []
  let from = 0
  for (const point of text) {
    const hidden = /[\p{C}\p{M}\p{Zl}\p{Zp}]/u.test(point)
    cells.push({ glyph: hidden ? '·' : point, width: !hidden && WIDE.test(point) ? 2 : 1, from })
    from += point.length
  }
  cells.push({ glyph: ' ', width: 1, from })
  return cells
}

/** The cells around what is marked, as many as fit in a line. */
function window(cells: readonly Cell[], at: Span): (Cell & { readonly marked: boolean })[] {
  const marked = cells.map((cell) => ({
    ...cell,
    marked: cell.from >= at.from && cell.from < at.to,
  }))
  if (!marked.some((cell) => cell.marked))
    marked.push({ glyph: ' ', width: 1, from: at.from, marked: true })
  const first = marked.findIndex((cell) => cell.marked)
  let start = marked.length > COLUMNS_MAX ? Math.max(0, first - COLUMNS_MAX / 2) : 0
  start = Math.min(start, Math.max(0, marked.length - 1))
  const shown = marked.slice(start, start + COLUMNS_MAX)
  const cut = { glyph: '…', width: 1, from: -1, marked: false }
  return [
    ...(start > 0 ? [cut] : []),
    ...shown,
    ...(start + COLUMNS_MAX < marked.length ? [cut] : []),
  ]
}
