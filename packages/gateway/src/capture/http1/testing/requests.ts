/** Requests as bytes: ones to accept, ones that have smuggled before, and what our codec makes of either. */
import fc from 'fast-check'
import { BodyDecoder } from '../body-decoder.ts'
import { incomplete, refused } from '../field-lines.ts'
import {
  type ChunkLimits,
  type HeadLimits,
  defaultChunkLimits,
  defaultHeadLimits,
} from '../limits.ts'
import { type RequestHead, RequestHeadReader } from '../request-head.ts'

/** What a byte stream says, as far as it is whole and well-formed. */
export interface Reading {
  readonly messages: readonly { readonly head: RequestHead; readonly body: string }[]
  /** Why reading stopped, when it did. */
  readonly defect: string | undefined
}

/** Feeds the codec the pieces in turn. */
export function readRequests(
  pieces: readonly Buffer[],
  limits: HeadLimits & ChunkLimits = { ...defaultHeadLimits, ...defaultChunkLimits },
): Reading {
  const reading = new RequestReading(limits)
  for (const piece of pieces) {
    for (let at = 0; at < piece.length && reading.defect === undefined;)
      at = reading.step(piece, at)
  }
  return { messages: reading.messages, defect: reading.defect }
}

class RequestReading implements Reading {
  readonly messages: { head: RequestHead; body: string }[] = []
  defect: string | undefined
  readonly #reader: RequestHeadReader
  readonly #decoder: BodyDecoder
  #head: RequestHead | undefined
  #body = ''

  constructor(limits: HeadLimits & ChunkLimits) {
    this.#reader = new RequestHeadReader(limits)
    this.#decoder = new BodyDecoder(limits)
  }

  /** @returns where to go on. */
  step(piece: Buffer, at: number): number {
    const end = this.#head === undefined ? this.#readHead(piece, at) : this.#readBody(piece, at)
    if (this.#head !== undefined && this.#decoder.done) {
      this.messages.push({ head: this.#head, body: this.#body })
      this.#head = undefined
    }
    return end
  }

  #readHead(piece: Buffer, at: number): number {
    const offset = this.#reader.feed(piece, at)
    if (offset === incomplete) return piece.length
    this.#head = offset === refused ? undefined : this.#reader.take()
    if (this.#head === undefined) this.defect = this.#reader.defect
    else this.#decoder.start(this.#head.framing)
    this.#body = ''
    return offset
  }

  #readBody(piece: Buffer, at: number): number {
    this.#body += this.#decoder.read(piece, at)?.toString('latin1') ?? ''
    if (this.#decoder.broken) this.defect = 'body_framing'
    return this.#decoder.at
  }
}

/** Cuts bytes at some places. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
  const pieces: Buffer[] = []
  let from = 0
  for (const place of [...places, bytes.length]) {
    if (place > from) pieces.push(bytes.subarray(from, place))
    from = place
  }
  return pieces
}

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/)
const value = fc.stringMatching(/^[\x20-\x7e\x80-\xff\t]{0,30}$/)
const header = fc.tuple(
  fc.oneof(token, fc.constantFrom('Accept', 'Cookie', 'X-A', 'Connection', 'TE', 'Content-Type')),
  fc.constantFrom(': ', ':', ':\t', ':  \t '),
  fc.oneof(value, fc.constantFrom('close', 'keep-alive', '', 'a, b', ' x ')),
)
const chunk = fc.tuple(
  fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }),
  fc.constantFrom('', ';a', ';a=b', ';chunk-signature=0123abcd', ';a;b=c'),
  fc.constantFrom('', '0', '000'),
)
const framed = fc.oneof(
  fc.constant({ lines: '', body: '' }),
  fc.string({ unit: 'binary-ascii', maxLength: 60 }).map((body) => ({
    lines: `Content-Length: ${body.length}\r\n`,
    body,
  })),
  fc
    .tuple(fc.array(chunk, { maxLength: 4 }), fc.constantFrom('', 'X-T: 1\r\n', 'A:\r\nB: c\r\n'))
    .map(([chunks, trailers]) => ({
      lines: 'Transfer-Encoding: chunked\r\n',
      body: `${chunks
        .map(
          ([data, extension, zeros]) =>
            `${zeros}${data.length.toString(16)}${extension}\r\n${data}\r\n`,
        )
        .join('')}0\r\n${trailers}\r\n`,
    })),
)

/** One well-formed request. */
export const request: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'),
    fc.stringMatching(/^\/[\x21-\x7e]{0,20}$/),
    fc.array(header, { maxLength: 6 }),
    framed,
  )
  .map(([method, url, headers, { lines, body }]) => {
    const fields = headers
      .filter(([name]) => !/^(content-length|transfer-encoding|expect|upgrade|host)$/i.test(name))
      .map((parts) => `${parts.join('')}\r\n`)
      .join('')
    return Buffer.from(
      `${method} ${url} HTTP/1.1\r\nHost: a.test\r\n${fields}${lines}\r\n${body}`,
      'latin1',
    )
  })

const inserted = fc.constantFrom(
  ...'\r|\n|\0| |\t|:|\x0b|\x7f|\x80|\xff|,|;|"|=|0|a'.split('|'),
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  '\r\n\r\n',
  '0\r\n\r\n',
  '\r\n',
)

/** One request with some bytes changed, added or taken away. */
export const mutated: fc.Arbitrary<Buffer> = fc
  .tuple(request, fc.array(fc.tuple(fc.nat(), fc.nat(3), inserted), { minLength: 1, maxLength: 3 }))
  .map(([bytes, changes]) => {
    let text = bytes.toString('latin1')
    for (const [where, removed, insert] of changes) {
      const at = where % (text.length + 1)
      text = text.slice(0, at) + insert + text.slice(at + removed)
    }
    return Buffer.from(text, 'latin1')
  })

const post = 'POST / HTTP/1.1\r\nHost: a.test\r\n'
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`

/** The classics: all of them are refused. */
export const smuggling: Readonly<Record<string, string>> = {
  'CL.TE': `${post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`,
  'TE.CL': `${post}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n`,
  'TE.TE, twice': `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n`,
  'TE xchunked': `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  'TE, space before colon': `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  'TE, leading comma': `${post}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n`,
  'TE, trailing comma': `${post}Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n`,
  'TE list': `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'TE identity': `${post}Transfer-Encoding: identity\r\n\r\n`,
  'TE upper case': `${post}Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n`,
  'TE, vertical tab': `${post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  'TE, NBSP': `${post}Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n`,
  'TE, quoted': `${post}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
  'TE, folded': `${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
  'TE, hidden behind bare LF': `${post}X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'TE, hidden behind bare CR': `${post}X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'TE, name with NUL': `${post}Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n`,
  'TE, space in front of the name': `${post} Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'TE on HTTP/1.0': `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'CL twice, equal': `${post}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
  'CL twice, different': `${post}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde`,
  'CL list': `${post}Content-Length: 3, 3\r\n\r\nabc`,
  'CL with sign': `${post}Content-Length: +3\r\n\r\nabc`,
  'CL negative': `${post}Content-Length: -1\r\n\r\nabc`,
  'CL hexadecimal': `${post}Content-Length: 0x3\r\n\r\nabc`,
  'CL with leading zero': `${post}Content-Length: 03\r\n\r\nabc`,
  'CL with inner space': `${post}Content-Length: 1 0\r\n\r\n0123456789`,
  'CL empty': `${post}Content-Length:\r\n\r\n`,
  'CL overflow': `${post}Content-Length: 18446744073709551617\r\n\r\na`,
  'chunk size overflow': `${chunked}10000000000000001\r\na\r\n0\r\n\r\n`,
  'chunk size negative': `${chunked}-1\r\na\r\n0\r\n\r\n`,
  'chunk size 0x': `${chunked}0x1\r\na\r\n0\r\n\r\n`,
  'chunk size with plus': `${chunked}+1\r\na\r\n0\r\n\r\n`,
  'chunk size with underscore': `${chunked}1_0\r\n0123456789abcdef\r\n0\r\n\r\n`,
  'chunk size empty': `${chunked}\r\na\r\n0\r\n\r\n`,
  'chunk size, space after': `${chunked}1 \r\na\r\n0\r\n\r\n`,
  'chunk size, space before': `${chunked} 1\r\na\r\n0\r\n\r\n`,
  'chunk size line ends in LF': `${chunked}1\na\r\n0\r\n\r\n`,
  'chunk size line ends in CR': `${chunked}1\ra\r\n0\r\n\r\n`,
  'chunk data without line end': `${chunked}1\r\nab\r\n0\r\n\r\n`,
  'chunk data ends in LF': `${chunked}1\r\na\n0\r\n\r\n`,
  'chunk extension with LF': `${chunked}1;a\nb\r\na\r\n0\r\n\r\n`,
  'chunk extension with CR': `${chunked}1;a\rb\r\na\r\n0\r\n\r\n`,
  'chunk extension without name': `${chunked}1;\r\na\r\n0\r\n\r\n`,
  'last chunk ends in LF': `${chunked}0\n\r\n`,
  'trailer, folded': `${chunked}0\r\nA: b\r\n c\r\n\r\n`,
  'trailer with bare LF': `${chunked}0\r\nA: b\nC: d\r\n\r\n`,
  'trailer section ends in LF': `${chunked}0\r\nA: b\r\n\n`,
  'bare LF throughout': 'GET / HTTP/1.1\nHost: a.test\n\n',
  'bare LF ends the head': 'GET / HTTP/1.1\r\nHost: a.test\r\n\nX',
  'bare CR in a value': 'GET / HTTP/1.1\r\nHost: a.test\r\nA: b\rc\r\n\r\n',
  'bare CR ends the head': 'GET / HTTP/1.1\r\nHost: a.test\r\n\rX: y\r\n\r\n',
  'NUL in a value': 'GET / HTTP/1.1\r\nHost: a.test\r\nA: b\0c\r\n\r\n',
  'NUL in a name': 'GET / HTTP/1.1\r\nHost: a.test\r\nA\0: b\r\n\r\n',
  'NUL in the target': 'GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'delete in a value': 'GET / HTTP/1.1\r\nHost: a.test\r\nA: b\x7f\r\n\r\n',
  'space before the colon': 'GET / HTTP/1.1\r\nHost : a.test\r\n\r\n',
  'tab before the colon': 'GET / HTTP/1.1\r\nHost\t: a.test\r\n\r\n',
  'line folding': 'GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n c\r\n\r\n',
  'folded first line': 'GET / HTTP/1.1\r\n Host: a.test\r\n\r\n',
  'empty header name': 'GET / HTTP/1.1\r\n: a.test\r\n\r\n',
  'no colon': 'GET / HTTP/1.1\r\nHost\r\n\r\n',
  'high byte in a name': 'GET / HTTP/1.1\r\nHos\xe9t: a.test\r\n\r\n',
  'empty line first': '\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'two spaces in the request line': 'GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'tab in the request line': 'GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'space in the target': 'GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'space after the version': 'GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n',
  'HTTP/0.9': 'GET /\r\n\r\n',
  'HTTP/1.2': 'GET / HTTP/1.2\r\nHost: a.test\r\n\r\n',
  'HTTP/2.0': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/01.1': 'GET / HTTP/01.1\r\nHost: a.test\r\n\r\n',
  'lower-case version': 'GET / http/1.1\r\nHost: a.test\r\n\r\n',
  'lower-case method': 'get / HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'method that nobody knows': 'GETS / HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'TLS where HTTP was expected': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n',
}
