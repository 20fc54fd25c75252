/** Answers as bytes: ones to accept, ones to refuse, and what our codec makes of either. */
import fc from 'fast-check'
import { BodyDecoder } from '../body-decoder.ts'
import { incomplete, refused } from '../field-lines.ts'
import { defaultChunkLimits, defaultHeadLimits } from '../limits.ts'
import { type ResponseHead, ResponseHeadReader } from '../response-head.ts'

/** One answer, or why there is none: it is refused, or goes on, or something follows it. */
export type ResponseReading =
  | { readonly head: ResponseHead; readonly body: string }
  | 'refused'
  | 'incomplete'
  | 'leftovers'

/** Feeds the codec the pieces in turn, then the end of the connection. */
export function readResponse(pieces: readonly Buffer[], method: string): ResponseReading {
  const reading = new Reading(method)
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const end = reading.step(piece, at)
      if (typeof end === 'string') return end
      at = end
    }
  }
  return reading.close()
}

class Reading {
  readonly #method: string
  readonly #reader = new ResponseHeadReader(defaultHeadLimits)
  readonly #decoder = new BodyDecoder(defaultChunkLimits)
  #head: ResponseHead | undefined
  #body = ''

  constructor(method: string) {
    this.#method = method
  }

  /** @returns where to go on, or why not to. */
  step(piece: Buffer, at: number): number | 'refused' | 'leftovers' {
    if (this.#head === undefined) return this.#readHead(piece, at)
    if (this.#decoder.done) return 'leftovers'
    this.#body += this.#decoder.read(piece, at)?.toString('latin1') ?? ''
    return this.#decoder.broken ? 'refused' : this.#decoder.at
  }

  close(): ResponseReading {
    const head = this.#head
    return head !== undefined && this.#decoder.close() ? { head, body: this.#body } : 'incomplete'
  }

  #readHead(piece: Buffer, at: number): number | 'refused' {
    const offset = this.#reader.feed(piece, at)
    if (offset === incomplete) return piece.length
    const head = offset === refused ? undefined : this.#reader.take(this.#method)
    if (head === undefined || head.status === 101) return 'refused'
    if (head.status >= 200) {
      this.#head = head
      this.#decoder.start(head.framing)
    }
    return offset
  }
}

const header = fc.tuple(
  fc.oneof(
    fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,12}$/),
    fc.constantFrom('Date', 'Connection'),
  ),
  fc.oneof(fc.stringMatching(/^[\x20-\x7e\x80-\xff\t]{0,30}$/), fc.constantFrom('close', '')),
)
const framed = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 60 }).chain((body) =>
    fc.constantFrom(
      { lines: `Content-Length: ${body.length}\r\n`, body },
      { lines: '', body },
      {
        lines: 'Transfer-Encoding: chunked\r\n',
        body: `${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`,
      },
    ),
  ),
  fc.constant({ lines: '', body: '' }),
)

/** One answer, well-formed but for what the status forbids. */
export const response: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.constantFrom('200 OK', '404 Not Found', '204 No Content', '304 Not Modified', '200', '599 '),
    fc.constantFrom('', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early\r\nLink: a\r\n\r\n'),
    fc.array(header, { maxLength: 4 }),
    framed,
  )
  .map(([status, interim, headers, { lines, body }]) => {
    const fields = headers
      .filter(([name]) => !/^(content-length|transfer-encoding|upgrade)$/i.test(name))
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    return Buffer.from(`${interim}HTTP/1.1 ${status}\r\n${fields}${lines}\r\n${body}`, 'latin1')
  })

const ok = 'HTTP/1.1 200 OK\r\n'

/** Answers that split, or hide where they end: all of them are refused. */
export const splitting: Readonly<Record<string, string>> = {
  'CL and TE': `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'CL twice, equal': `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
  'CL list': `${ok}Content-Length: 1, 1\r\n\r\na`,
  'CL with sign': `${ok}Content-Length: +1\r\n\r\na`,
  'TE list': `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'TE identity': `${ok}Transfer-Encoding: identity\r\n\r\na`,
  'TE twice': `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'TE on HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'TE with 204': 'HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'CL with 204': 'HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\na',
  'CL with 100': 'HTTP/1.1 100 Go\r\nContent-Length: 1\r\n\r\na',
  'an upgrade nobody asked for': 'HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n',
  'bare LF': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'bare CR': `${ok}A: b\rContent-Length: 0\r\n\r\n`,
  NUL: `${ok}A: \0\r\n\r\n`,
  folding: `${ok}A: b\r\n c\r\n\r\n`,
  'space before the colon': `${ok}Content-Length : 0\r\n\r\n`,
  'HTTP/0.9': '<html>',
  'HTTP/2': 'HTTP/2 200 OK\r\n\r\n',
  'no status': 'HTTP/1.1 \r\n\r\n',
  'status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
  'status 600': 'HTTP/1.1 600 No\r\n\r\n',
  'control in the reason': 'HTTP/1.1 200 O\x01K\r\n\r\n',
  'empty line first': `\r\n${ok}\r\n`,
  'chunk size overflow': `${ok}Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n`,
  'chunk size, bare LF': `${ok}Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n`,
}
