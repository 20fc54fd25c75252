/**
 * How the command line speaks. Three rules:
 * 1. stdout is data, stderr is talk: what a script wants to keep is never mixed with what a person wants to read.
 * 2. There are three voices on stderr: plain talk, one `error`, and after it at most one `hint`. No capital, no full stop.
 * 3. Nothing from a record reaches a terminal raw: control characters are escaped, since an attacker chose some of them.
 */
import { codeOf, CommandError, hintOf, messageOf } from './errors.ts'
import type { Pointed } from './errors.ts'

/** Something one can print to; `process.stdout` is one. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  hasColors?(): boolean
}

/** Where a command prints. Passed in, so that a test can read along. */
export interface Io {
  readonly stdout: Output
  readonly stderr: Output
}

/** What carries one command out. Resolves to the exit code: 0 done, 1 the answer is no. Errors exit 2. */
export type Command = (args: readonly string[], io: Io) => Promise<number>

export const DONE = 0
export const ANSWER_IS_NO = 1
export const COULD_NOT = 2

/** Data, for stdout: one line. */
export function print(io: Io, line: string): void {
  io.stdout.write(`${line}\n`)
}

/** Data, for stdout: one line of JSON. What could do something to a terminal is spelt as an escape, which says the same. */
export function printJson(io: Io, value: unknown): void {
  print(io, escapeJson(JSON.stringify(value)))
}

/** JSON that means the same and holds no control or format character: JSON itself lets those above U+007E through. */
export function escapeJson(json: string): string {
  return json.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, at) => codeUnitEscape(character, at)).join(''),
  )
}

function codeUnitEscape(text: string, at: number): string {
  return String.raw`\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`
}

/** Talk, for stderr: one line. */
export function say(io: Io, line: string): void {
  io.stderr.write(`${line}\n`)
}

/** Says what could not be done, and at most one thing to try. Returns the exit code. */
export function sayError(io: Io, error: unknown): number {
  say(io, `countersign: error: ${escapeText(messageOf(error))}`)
  if (error instanceof CommandError && error.at !== undefined)
    for (const line of pointAt(error.at, io.stderr)) say(io, line)
  const hint = hintOf(error) ?? hints[codeOf(error) ?? '']
  if (hint !== undefined) say(io, `countersign: hint: ${escapeText(hint)}`)
  // A programmer's error is ours to find: show where it came from.
  if (error instanceof TypeError || error instanceof RangeError) say(io, String(error.stack))
  return answersNo.has(codeOf(error) ?? '') ? ANSWER_IS_NO : COULD_NOT
}

/** Errors that are an answer: what was asked about is not so. All others say that nothing could be answered. */
const answersNo: ReadonlySet<string> = new Set([
  'DENIED',
  'EVIDENCE_BROKEN',
  'FOLLOW_BROKEN',
  'FOLLOW_FORKED',
  'FOLLOW_SHRANK',
])

/** Errors of other rooms bring a code; where one thing nearly always helps, it is said here. */
const hints: Readonly<Record<string, string>> = {
  CONFIG_UNREADABLE: "make one with 'countersign init', or name yours with --config FILE",
  EADDRINUSE: 'another process listens there: stop it, or change the address under listen',
}

/** Text from outside, made safe for a terminal: control, format and unpaired characters become `\u{..}`. */
export function escapeText(text: string): string {
  // Attacker-controlled: paths, names and headers. Escape sequences, overlong lines by newlines, right-to-left tricks.
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    if (character === '\t') return ' '
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
}

/** Whether a text says what it says on a terminal, and does nothing there. */
export function isPlain(text: string): boolean {
  return !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)
}

/** What stands before a text that is pointed at. */
const MARGIN = '  '

/** Characters of a long text that are shown before the place that is meant. */
const BEFORE_MAX = 24

/** Two lines: the text, and carets under the place that is meant. On a terminal only what fits around it. */
export function pointAt({ text, from, to }: Pointed, output: Output): readonly [string, string] {
  const width = (output.isTTY === true ? (output.columns ?? 80) : Infinity) - MARGIN.length
  const before = Array.from(escapeText(text.slice(0, from)))
  const meant = Array.from(escapeText(text.slice(from, Math.max(from, to))))
  const after = Array.from(escapeText(text.slice(Math.max(from, to))))
  const fits = before.length + meant.length + after.length <= width
  const lead = fits || before.length <= BEFORE_MAX ? before : ['…', ...before.slice(1 - BEFORE_MAX)]
  const line = [...lead, ...meant, ...after]
  const room = Math.max(1, width - lead.length)
  const shown = line.length <= width ? line : [...line.slice(0, Math.max(1, width - 1)), '…']
  const carets = '^'.repeat(Math.max(1, Math.min(meant.length, room)))
  return [`${MARGIN}${shown.join('')}`, `${MARGIN}${' '.repeat(lead.length)}${carets}`]
}

/** Colours, or nothing at all where the output is no terminal (or says NO_COLOR). */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  green(text: string): string
  red(text: string): string
  yellow(text: string): string
}

export function paintFor(output: Output): Paint {
  const on = output.isTTY === true && (output.hasColors?.() ?? false)
  const paint =
    (open: number, close: number) =>
    (text: string): string =>
      on ? `\u001b[${open}m${text}\u001b[${close}m` : text
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    green: paint(32, 39),
    red: paint(31, 39),
    yellow: paint(33, 39),
  }
}

/** Cut or padded to exactly `width` columns. Cut text ends in `…`. */
export function column(text: string, width: number): string {
  const characters = Array.from(text)
  if (characters.length <= width) return text + ' '.repeat(width - characters.length)
  return `${characters.slice(0, width - 1).join('')}…`
}

/** At most the terminal's width; whole in a pipe. Colours take no room. */
export function fit(text: string, output: Output): string {
  if (output.isTTY !== true) return text
  const width = output.columns ?? 80
  const pieces = text.match(/\u001b\[\d+m|./gsu) ?? []
  const isColour = (piece: string): boolean => piece.length > 2
  if (pieces.filter((piece) => !isColour(piece)).length <= width) return text
  let room = width - 1
  const kept = pieces.filter((piece) => isColour(piece) || room-- > 0)
  return `${kept.join('')}…`
}

/** Nanoseconds as people read durations: 812 µs, 3.1 ms, 2.4 s. */
export function duration(ns: number): string {
  if (ns < 1e6) return `${Math.round(ns / 1e3)} µs`
  if (ns < 1e9) return `${(ns / 1e6).toFixed(1)} ms`
  return `${(ns / 1e9).toFixed(1)} s`
}

/** `1 record`, `2 records`; `many` where an s does not do. */
export function counted(count: number, noun: string, many = `${noun}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? noun : many}`
}
