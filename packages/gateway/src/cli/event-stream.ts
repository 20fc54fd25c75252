/** Server-sent events, as they come. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
import { StringDecoder } from 'node:string_decoder'
import { CommandError } from './errors.ts'

/** One event may hold a transaction with everything in it; more is no event of ours. */
export const EVENT_CHARACTERS_MAX: number = 16 * 1024 ** 2

/** One event: `message` where it has no name. */
export interface StreamEvent {
  readonly event: string
  readonly text: string
}

/**
 * The events in pieces of a stream; comments, by which a stream says that it is still there, are none.
 * @throws {CommandError} `CANNOT_RUN` past `charactersMax` without an end
 */
export async function* readEvents(
  pieces: AsyncIterable<Buffer>,
  charactersMax: number = EVENT_CHARACTERS_MAX,
): AsyncGenerator<StreamEvent, void, undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let lines: string[] = []
  let characters = 0
  for await (const piece of pieces) {
    // A carriage return at the end may be half of a line's end.
    const parts = (rest + decoder.write(piece)).split(/\r\n|\n|\r(?!$)/)
    rest = parts.pop() ?? ''
    for (const line of parts) {
      characters += line.length
      lines.push(line)
      if (line !== '') continue
      yield* eventOf(lines)
      lines = []
      characters = 0
    }
    if (characters + rest.length > charactersMax) {
      throw new CommandError(
        'CANNOT_RUN',
        `could not read the stream: an event is over ${charactersMax} characters`,
      )
    }
  }
}

/** What the lines up to an empty one say; nothing where they hold no data. */
function eventOf(lines: readonly string[]): StreamEvent[] {
  const data = lines.filter((line) => line.startsWith('data:')).map(valueOf)
  const named = lines.findLast((line) => line.startsWith('event:'))
  if (data.length === 0) return []
  return [{ event: named === undefined ? 'message' : valueOf(named), text: data.join('\n') }]
}

function valueOf(line: string): string {
  return line.slice(line.indexOf(':') + 1).replace(/^ /, '')
}
