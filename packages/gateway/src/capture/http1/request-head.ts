/** The head of a request: what `parseHead` takes, and how the body after it is framed. Attacker-controlled. */
import { METHODS } from 'node:http'
import type { RawHead } from '../canonical-request.ts'
import type { DefectName } from '../defects.ts'
import { cr, isTarget, isToken, space } from './characters.ts'
import { type Lines, refused } from './field-lines.ts'
import { type BodyFraming, lengthOf, namesClose, noBody } from './framing.ts'
import { HeadReader } from './head-reader.ts'

/** A head, and what the codec itself has to know of it. `url` and the headers are latin1, as node:http gives them. */
export interface RequestHead extends RawHead {
  readonly method: string
  readonly url: string
  readonly httpVersionMajor: 1
  readonly httpVersionMinor: 0 | 1
  readonly rawHeaders: string[]
  readonly framing: BodyFraming
  /** The client does not want to go on with this connection, or can not. */
  readonly close: boolean
  /** The client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean
}

const methods: ReadonlySet<string> = new Set(METHODS)
const requestLineBytesMax = 1_024

/** Reads one request head after another. */
export class RequestHeadReader extends HeadReader {
  #method = ''
  #url = ''
  #minor: 0 | 1 = 1

  /** The request line as it came, cut at 1 KiB; what there is of it when it never came to an end. */
  get requestLine(): string {
    const text = this.startLine === '' ? this.unread : this.startLine
    const start = text.slice(0, requestLineBytesMax)
    const end = start.indexOf('\n')
    return (end === -1 ? start : start.slice(0, end)).replace(/\r$/, '')
  }

  /** The head that `feed` came to the end of; undefined when `defect` says what is wrong with its framing. Clears the reader. */
  take(): RequestHead | undefined {
    const { fields } = this
    const minor = this.#minor
    const framing = this.#framing()
    if (framing === undefined) return undefined
    const head: RequestHead = {
      method: this.#method,
      url: this.#url,
      httpVersionMajor: 1,
      httpVersionMinor: minor,
      rawHeaders: fields.raw,
      framing,
      close: minor === 0 || (fields.connection !== undefined && namesClose(fields.connection)),
      expectsContinue:
        minor === 1 && fields.expect !== undefined && /^100-continue$/i.test(fields.expect),
    }
    this.clear()
    return head
  }

  protected override begins(byte: number): boolean {
    return isToken[byte] === 1
  }

  protected override readStart({ bytes, from, text }: Lines, lineEnd: number): number {
    if (bytes[lineEnd - 1] !== cr) return this.#refuse('syntax')
    let at = from
    while (isToken[bytes[at] ?? 0] === 1) at += 1
    this.#method = text.slice(0, at - from)
    if (bytes[at] !== space || !methods.has(this.#method))
      // The first word of HTTP/2.
      return this.#refuse(this.#method === 'PRI' ? 'http_version' : 'method')
    const urlFrom = (at += 1)
    while (isTarget[bytes[at] ?? 0] === 1) at += 1
    if (at === urlFrom) return this.#refuse('target_character')
    this.#url = text.slice(urlFrom - from, at - from)
    // HTTP/0.9 had no version.
    if (at === lineEnd - 1) return this.#refuse('http_version')
    if (bytes[at] !== space) return this.#refuse('target_character')
    const version = text.slice(at + 1 - from, lineEnd - 1 - from)
    if (version === 'HTTP/1.1') this.#minor = 1
    else if (version === 'HTTP/1.0') this.#minor = 0
    else return this.#refuse(version.startsWith('HTTP/') ? 'http_version' : 'target_character')
    return lineEnd + 1
  }

  #framing(): BodyFraming | undefined {
    const { contentLength, transferEncoding } = this.fields
    if (transferEncoding !== undefined) {
      if (transferEncoding === 'chunked' && this.#minor === 1 && contentLength === undefined)
        return 'chunked'
      this.fields.defect = contentLength === undefined ? 'transfer_encoding' : 'length_and_chunked'
      return undefined
    }
    if (contentLength === undefined) return noBody
    this.fields.defect = 'content_length'
    return lengthOf(contentLength)
  }

  #refuse(defect: DefectName): number {
    this.fields.defect = defect
    return refused
  }
}
