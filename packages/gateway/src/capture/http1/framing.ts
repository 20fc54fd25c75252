/** How the end of a body is known: RFC 9112, section 6.3, and nothing of what it lets a recipient repair. */

/** Bytes of a body of known length (0 is no body), chunks, or, in answers only, all bytes until the end of the connection. */
export type BodyFraming = number | 'chunked' | 'until_close'

export const noBody = 0

/** The value of a Content-Length: digits without sign, blank, list or leading zero, up to 15 of them. */
export function lengthOf(text: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : undefined
}

/** Whether a `Connection` header says close. */
export function namesClose(connection: string): boolean {
  if (connection === 'keep-alive') return false
  return connection
    .toLowerCase()
    .split(',')
    .some((name) => name.trim() === 'close')
}
