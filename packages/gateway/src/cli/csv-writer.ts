/**
 * Passes CSV on. The API has made it safe for spreadsheets; a pipe gets it byte for byte. On a terminal nothing in it does anything: what
 * is no newline is escaped.
 */
import { StringDecoder } from 'node:string_decoder'
import { escapeText } from './terminal.ts'
import type { Output } from './terminal.ts'

/** @param skipHeading leaves out the first line, of a page that goes on. Column names hold no newline. */
export async function writeCsv(
  output: Output,
  pieces: AsyncIterable<Buffer>,
  { skipHeading = false }: { skipHeading?: boolean } = {},
): Promise<void> {
  const decoder = new StringDecoder('utf8')
  const write =
    output.isTTY === true ? terminalWriter(output) : (text: string) => void output.write(text)
  let heading: string | undefined = skipHeading ? '' : undefined
  const take = (text: string): void => {
    if (heading === undefined) return write(text)
    heading += text
    const end = heading.indexOf('\n')
    if (end < 0) return
    const rest = heading.slice(end + 1)
    heading = undefined
    write(rest)
  }
  for await (const piece of pieces) take(decoder.write(piece))
  take(decoder.end())
}

/** Lines end as a terminal's do; anything else that is no text is shown as what it is. */
function terminalWriter(output: Output): (text: string) => void {
  // A carriage return at the end of a piece may belong to a newline at the start of the next.
  let held = ''
  return (text) => {
    const whole = held + text
    held = whole.endsWith('\r') ? '\r' : ''
    const lines = (held === '' ? whole : whole.slice(0, -1)).split(/\r?\n/)
    output.write(lines.map(escapeText).join('\n'))
  }
}
