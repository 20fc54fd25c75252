import { TlogError } from './errors.ts'

const encoder = new TextEncoder()
// A byte order mark is kept as a character: dropped silently, two byte strings would read as one text.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The UTF-8 bytes of a text that `decodeText` let through. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/**
 * Reads text strictly: valid UTF-8, and no control character (below U+0020) but newline.
 * @throws {TlogError} `UTF8_MALFORMED`, `CONTROL_CHARACTER`
 */
export function decodeText(input: Uint8Array | string): string {
  const text = decodeUtf8(input)
  checkNoControls(text)
  return text
}

/** @throws {TlogError} `UTF8_MALFORMED`, also for a string that holds half a surrogate pair. */
export function decodeUtf8(input: Uint8Array | string): string {
  if (typeof input === 'string') {
    // Encoded, a lone surrogate becomes U+FFFD: other bytes than the ones that were checked.
    if (!input.isWellFormed())
      throw new TlogError('UTF8_MALFORMED', 'could not read text: it holds a lone surrogate')
    return input
  }
  try {
    return decoder.decode(input)
  } catch (error) {
    throw new TlogError('UTF8_MALFORMED', 'could not read text: it is not valid UTF-8', {
      cause: error,
    })
  }
}

/** How many UTF-8 bytes `input` takes. */
export function byteLength(input: Uint8Array | string): number {
  return typeof input === 'string' ? encoder.encode(input).length : input.length
}

/** @throws {TlogError} `CONTROL_CHARACTER` when `text` holds a character below U+0020 other than newline. */
export function checkNoControls(text: string): void {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0x20 || unit === 0x0a) continue
    throw new TlogError(
      'CONTROL_CHARACTER',
      `could not read text: control character 0x${unit.toString(16).padStart(2, '0')} at ${at}`,
    )
  }
}
