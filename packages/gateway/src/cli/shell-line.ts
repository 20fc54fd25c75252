/** A command line as far as the cursor, as shells read it: words, and the quotes in them. What stands before an operator is another command's. */

import { isPlain } from './terminal.ts'

export interface ShellLine {
  /** The words before the last one, without their quotes. */
  readonly words: readonly string[]
  readonly last: LastWord
}

/** The word that the cursor stands at the end of; empty behind a space. */
export interface LastWord {
  /** Without its quotes. */
  readonly text: string
  /** As it was typed. */
  readonly raw: string
  /** The quote that is still open, and where in `text` it was opened. */
  readonly open?: { readonly quote: '"' | "'"; readonly from: number }
}

/** Ends a command. */
const OPERATORS: ReadonlySet<string> = new Set([';', '|', '&', '\n', '(', ')'])

export function readLine(line: string): ShellLine {
  let words: string[] = []
  let text = ''
  let raw = ''
  let open: LastWord['open']
  for (let at = 0; at < line.length; at++) {
    const unit = line.charAt(at)
    const isSpace = /\s/.test(unit)
    if (open === undefined && (isSpace || OPERATORS.has(unit))) {
      if (raw !== '') words.push(text)
      if (OPERATORS.has(unit)) words = []
      text = ''
      raw = ''
      continue
    }
    raw += unit
    if (unit === open?.quote) open = undefined
    else if (open === undefined && (unit === '"' || unit === "'")) {
      open = { quote: unit, from: text.length }
    } else if (unit === '\\' && open?.quote !== "'") {
      const next = line.charAt(at + 1)
      // Between double quotes a backslash is one, except before what it could keep from its meaning.
      text += open === undefined || /[$`"\\]/.test(next) ? next : unit + next
      raw += next
      at += 1
    } else text += unit
  }
  return { words, last: { text, raw, ...(open === undefined ? {} : { open }) } }
}

/** What bash takes a word apart at, of what may stand in one without quotes: `COMP_WORDBREAKS`. */
const BASH_BREAKS = /^.*[@=:]/s

/**
 * What readline puts in place of the word that it sees, so that the whole word becomes `text`.
 * @returns nothing where that cannot be written without another meaning
 */
export function inBash({ text, raw, open }: LastWord, wanted: string): string | undefined {
  // Attacker-controlled: values are out of the log. Nothing of them may do anything but stand there.
  if (!isPlain(wanted)) return undefined
  if (open !== undefined) {
    const special = open.quote === "'" ? /'/ : /["$`\\!]/
    if (!wanted.startsWith(text.slice(0, open.from))) return undefined
    const quoted = wanted.slice(open.from)
    return special.test(quoted) ? undefined : quoted
  }
  const escaped = wanted.replaceAll(/[^\w.:/@%+=,-]/gu, '\\$&')
  if (!escaped.startsWith(raw)) return undefined
  const before = BASH_BREAKS.exec(raw)?.[0] ?? ''
  return escaped.slice(before.length)
}
