/** From heads and pieces of bodies to bytes, in as few writes as they allow. */
import assert from 'node:assert'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { lengthOf } from './framing.ts'

/** Up to here a body travels in one string with what stands before it: one write, no second buffer. */
export const oneWriteBytesMax = 16_384

const statusLines: string[] = []

/** `HTTP/1.1 200 OK` and its line end. @param status 100 to 599. */
export function statusLine(status: number): string {
  const known = statusLines[status]
  if (known !== undefined) return known
  assert(Number.isInteger(status) && status >= 100 && status <= 599, `status ${status}`)
  return (statusLines[status] = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`)
}

// Would end a header line, or look as if.
const breaksLine = /[\0\r\n]/

/**
 * Header lines, from `name, value, name, value`. What frames the message is the codec's to say: a caller who says it too
 * is at fault, and so is one whose values break the line.
 */
export function headerLines(headers: readonly string[]): string {
  let lines = ''
  let written = ''
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (framed(name)) throw misused(name)
    written += name + value
    lines += name + ': '
    lines += value + '\r\n'
  }
  // Once for all: a test for each costs as much as all the rest.
  if (breaksLine.test(written)) throw misused('with a line break')
  return lines
}

function misused(header: string): Error {
  return new assert.AssertionError({ message: `the header ${header} is not one to write` })
}

const framingNames: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
])

function framed(name: string): boolean {
  const { length } = name
  return (length === 10 || length === 14 || length === 17) && framingNames.has(name.toLowerCase())
}

/** Whether the headers hold a Date. */
export function holdsDate(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name.length === 4 && (name === 'date' || name.toLowerCase() === 'date')) return true
  }
  return false
}

/** What a socket is given at once. */
export interface Piece {
  /** latin1; '' when there is nothing before the body. */
  readonly before: string
  readonly body: Buffer | undefined
  /** latin1; '' when nothing follows. */
  readonly after: string
}

/** Writes a piece with one system call. @returns false when the caller should wait for `drain`. */
export function writePiece(socket: Socket, { before, body, after }: Piece): boolean {
  if (body === undefined || body.length === 0) {
    const text = before + after
    return text === '' || socket.write(text, 'latin1')
  }
  if (body.length <= oneWriteBytesMax)
    return before === '' && after === ''
      ? socket.write(body)
      : socket.write(before + body.toString('latin1') + after, 'latin1')
  if (before === '' && after === '') return socket.write(body)
  socket.cork()
  if (before !== '') socket.write(before, 'latin1')
  let more = socket.write(body)
  if (after !== '') more = socket.write(after, 'latin1')
  socket.uncork()
  return more
}

/** What stands before the data of a chunk. */
export function chunkLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`
}

/** The last chunk, without trailers. */
export const lastChunk = '0\r\n\r\n'

/** Content-Length, checked. */
export function contentLengthLine(bytes: number): string {
  assert(lengthOf(String(bytes)) !== undefined, `content-length ${bytes}`)
  return `content-length: ${bytes}\r\n`
}
