/** How the end of a body is known: RFC 9112, section 6.3, and nothing of what it lets a recipient repair. */

/** Bytes of a body of known length (0 is no body), chunks, or, in answers only, all bytes until the end of the connection. */
export type BodyFraming = number | 'chunked' | 'until_close'

export const noBody = 0

const lengthDigitsMax = 15

/** The value of a Content-Length: digits without sign, blank, list or leading zero, up to 15 of them. */
export function lengthOf(text: string): number | undefined {
  const digits = text.length
  if (digits === 0 || digits > lengthDigitsMax) return undefined
  let length = 0
  for (let at = 0; at < digits; at += 1) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return undefined
    length = length * 10 + digit
  }
  return digits > 1 && text.startsWith('0') ? undefined : length
}

/** Whether a `Connection` header says close. */
export function namesClose(connection: string): boolean {
  if (connection === 'keep-alive') return false
  return connection
    .toLowerCase()
    .split(',')
    .some((name) => name.trim() === 'close')
}
