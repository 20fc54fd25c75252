/** The head of an answer, and how its body is framed, judged as strictly as a request's. Attacker-controlled. */
import { cr, isValue, space } from './characters.ts'
import { type Lines, refused } from './field-lines.ts'
import { type BodyFraming, lengthOf, namesClose, noBody } from './framing.ts'
import { HeadReader } from './head-reader.ts'

/** One answer's head; headers are latin1, name, value, name, value. */
export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly httpVersionMinor: 0 | 1
  readonly rawHeaders: string[]
  readonly framing: BodyFraming
  /** What Content-Length says, also where there is no body to it (HEAD, 304). */
  readonly contentLength: number | undefined
  /** Whether another request may follow on the connection once the body has ended. */
  readonly keepsAlive: boolean
}

const startBytesMin = 'HTTP/1.1 200'.length

/** Reads one answer's head after another. */
export class ResponseHeadReader extends HeadReader {
  #status = 0
  #reason = ''
  #minor: 0 | 1 = 1

  /**
   * The head that `feed` came to the end of; undefined when its framing is not what HTTP/1.1 allows. Clears the reader.
   * @param method of the request that is answered.
   */
  take(method: string): ResponseHead | undefined {
    const { fields } = this
    const { contentLength, connection } = fields
    const length = contentLength === undefined ? undefined : lengthOf(contentLength)
    if (contentLength !== undefined && length === undefined) return undefined
    const framing = this.#framing(method, length)
    if (framing === undefined) return undefined
    const head: ResponseHead = {
      status: this.#status,
      reason: this.#reason,
      httpVersionMinor: this.#minor,
      rawHeaders: fields.raw,
      framing,
      contentLength: length,
      keepsAlive:
        this.#minor === 1 &&
        framing !== 'until_close' &&
        (connection === undefined || !namesClose(connection)),
    }
    this.clear()
    return head
  }

  protected override begins(byte: number): boolean {
    return byte === 0x48
  }

  protected override readStart({ bytes, from, text }: Lines, lineEnd: number): number {
    const to = lineEnd - 1
    if (bytes[to] !== cr || to - from < startBytesMin || !text.startsWith('HTTP/1.')) return refused
    const minor = (bytes[from + 7] ?? 0) - 0x30
    if ((minor !== 0 && minor !== 1) || bytes[from + 8] !== space) return refused
    this.#minor = minor
    const hundreds = (bytes[from + 9] ?? 0) - 0x30
    const tens = (bytes[from + 10] ?? 0) - 0x30
    const ones = (bytes[from + 11] ?? 0) - 0x30
    if (hundreds < 1 || hundreds > 5 || !isDigit(tens) || !isDigit(ones)) return refused
    this.#status = 100 * hundreds + 10 * tens + ones
    let at = from + startBytesMin
    // The space before an empty reason is often left out.
    if (at < to && bytes[at] !== space) return refused
    while (at < to && isValue[bytes[at] ?? 0] === 1) at += 1
    if (at < to) return refused
    this.#reason = text.slice(startBytesMin + 1, to - from)
    return lineEnd + 1
  }

  #framing(method: string, length: number | undefined): BodyFraming | undefined {
    const { transferEncoding } = this.fields
    const status = this.#status
    const bodiless = status < 200 || status === 204
    if (transferEncoding !== undefined) {
      const alone = length === undefined && !bodiless && this.#minor === 1
      if (!alone || transferEncoding.toLowerCase() !== 'chunked') return undefined
      return method === 'HEAD' || status === 304 ? noBody : 'chunked'
    }
    if (bodiless) return length === undefined || length === 0 ? noBody : undefined
    if (method === 'HEAD' || status === 304) return noBody
    return length ?? 'until_close'
  }
}

function isDigit(value: number): boolean {
  return value >= 0 && value <= 9
}
