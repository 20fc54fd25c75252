import { TlogError } from './errors.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const NOT_IN_ALPHABET = 255

const VALUE_OF_CODE: Uint8Array = valueTable()

function valueTable(): Uint8Array {
  const table = new Uint8Array(128).fill(NOT_IN_ALPHABET)
  for (let value = 0; value < ALPHABET.length; value++) table[ALPHABET.charCodeAt(value)] = value
  return table
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const bits = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += ALPHABET.charAt(bits >>> 18)
    text += ALPHABET.charAt((bits >>> 12) & 63)
    text += left > 1 ? ALPHABET.charAt((bits >>> 6) & 63) : '='
    text += left > 2 ? ALPHABET.charAt(bits & 63) : '='
  }
  return text
}

/**
 * Reads standard base64 with padding, and only its canonical spelling: one byte string has one text.
 * Platform decoders skip unknown characters and ignore stray bits, so two texts could carry one signature.
 * @throws {TlogError} `BASE64_MALFORMED`
 */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw malformed('its length is not a multiple of 4')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  const digits = text.length - padding
  let bits = 0
  let out = 0
  for (let at = 0; at < text.length; at++) {
    const value = at < digits ? (VALUE_OF_CODE[text.charCodeAt(at)] ?? NOT_IN_ALPHABET) : 0
    if (value === NOT_IN_ALPHABET) throw malformed(`character ${at} is not of the alphabet`)
    bits = (bits << 6) | value
    if (at % 4 !== 3) continue
    // Writes past the end of a typed array are ignored: that is where the padding goes.
    bytes[out++] = bits >>> 16
    bytes[out++] = bits >>> 8
    bytes[out++] = bits
    bits = 0
  }
  if (encodeBase64(bytes) !== text) throw malformed('it is not the canonical spelling of its bytes')
  return bytes
}

/** Lowercase hexadecimal, two digits for each byte. */
export function encodeHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}

/**
 * Reads lowercase hexadecimal, two digits for each byte; uppercase is refused.
 * @throws {TlogError} `HEX_MALFORMED`
 */
export function decodeHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new TlogError(
      'HEX_MALFORMED',
      'could not read hexadecimal: use lowercase digits in pairs',
    )
  }
  const bytes = new Uint8Array(text.length / 2)
  for (let at = 0; at < bytes.length; at++)
    bytes[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16)
  return bytes
}

function malformed(why: string): TlogError {
  return new TlogError('BASE64_MALFORMED', `could not read base64: ${why}`)
}
