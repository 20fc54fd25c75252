/** What the addenda of a record reveal, as fields of a transaction: the columns that an erasure empties. */
import { SALT_BYTES } from '@countersign/record/salt'
import type { Fields } from './facts.ts'
import { present } from './facts.ts'
import { list, memberOf, text, TEXT_LENGTH_MAX } from './hostile.ts'

/** One addendum of a record, as far as it could be opened. */
export interface RecordAddendum {
  readonly name: string
  readonly state: 'here' | 'sealed' | 'erased' | 'absent' | 'altered'
  /** Only when `here`. */
  readonly content?: Uint8Array
}

/** Bytes of the body of each half, request and response, that are searched; the rest is in the addendum. */
export const BODY_TEXT_BYTES_MAX: number = 32 * 1024

/** Bytes of an addendum that is read as JSON, at most: a larger one is left to whoever opens the record. */
export const ADDENDUM_JSON_BYTES_MAX: number = 256 * 1024

/** From the worst: a row shows the worst that became of any of its addenda. */
const STATES = ['altered', 'erased', 'sealed', 'absent', 'here'] as const

/** What became of the content of these addenda. */
export function contentOf(addenda: readonly RecordAddendum[]): string {
  const worst = STATES.find((each) => addenda.some(({ state }) => state === each))
  if (worst === undefined) return 'none'
  return worst === 'here' ? 'open' : worst
}

/** The worse of what became of the content of two records; `none` is not worse than anything. */
export function worseContent(one: string, other: string): string {
  const order: readonly string[] = ['altered', 'erased', 'sealed', 'absent', 'open', 'none']
  return order.indexOf(one) <= order.indexOf(other) ? one : other
}

/** All that the addenda reveal, in clear. */
export function revealedBy(addenda: readonly RecordAddendum[]): Fields {
  const request = jsonOf(addenda, 'request')
  const actor = memberOf(request, 'actor')
  const client = memberOf(request, 'client')
  const read = jsonOf(addenda, 'read')
  return present({
    content: contentOf(addenda),
    actor: text(memberOf(actor, 'name')),
    'actor.email': text(memberOf(actor, 'email')),
    'actor.groups': list(memberOf(actor, 'groups')),
    client: text(memberOf(client, 'address')),
    peer: text(memberOf(client, 'peer')),
    host: text(memberOf(request, 'host')),
    path: text(memberOf(request, 'path')),
    query: text(memberOf(request, 'query')),
    user_agent: text(memberOf(request, 'user_agent')),
    headers: headersOf(addenda, request),
    body: bodyOf(addenda),
    'read.purpose': text(memberOf(read, 'purpose')),
    'read.question': text(memberOf(read, 'question')),
  })
}

/** As they stood on the wire; of a request that could not be read, its first line. */
function headersOf(addenda: readonly RecordAddendum[], request: unknown): string | undefined {
  const lines: string[] = []
  const first = text(memberOf(request, 'request_line'))
  if (first !== undefined) lines.push(first)
  for (const half of ['request.headers', 'response.headers']) {
    const headers = memberOf(jsonOf(addenda, half), 'headers')
    if (!Array.isArray(headers)) continue
    const pairs: readonly unknown[] = headers
    for (const pair of pairs) {
      const name = text(memberOf(pair, '0'))
      if (name !== undefined) lines.push(`${name}: ${text(memberOf(pair, '1')) ?? ''}`)
    }
  }
  return text(lines.join('\n'), TEXT_LENGTH_MAX)
}

function bodyOf(addenda: readonly RecordAddendum[]): string | undefined {
  const texts = ['request.body', 'response.body'].map((name) => {
    // Of a body in pieces, the first begins it.
    const piece = addenda.find((each) => each.name === name)?.content
    return piece === undefined ? undefined : bodyText(piece.subarray(SALT_BYTES))
  })
  const there = texts.filter((each) => each !== undefined)
  return there.length === 0 ? undefined : there.join('\n')
}

/** Text in UTF-8, without zeros; anything else is not searched. */
function bodyText(bytes: Uint8Array): string | undefined {
  try {
    // `stream`: what was kept may end within a character.
    const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(0, BODY_TEXT_BYTES_MAX),
      { stream: true },
    )
    return decoded === '' || decoded.includes('\0') ? undefined : decoded
  } catch {
    // An image, an archive: whoever wants it opens the record.
    return undefined
  }
}

/** Attacker-controlled: JSON of any shape and depth, or none. */
function jsonOf(addenda: readonly RecordAddendum[], name: string): unknown {
  const content = addenda.find((each) => each.name === name)?.content
  if (content === undefined || content.length > ADDENDUM_JSON_BYTES_MAX) return undefined
  try {
    return JSON.parse(Buffer.from(content).toString('utf8')) as unknown
  } catch {
    // No JSON, or too deep for the stack: then nothing is known of it, and `content` says that it is here.
    return undefined
  }
}
