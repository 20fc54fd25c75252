/** The file `addenda.keys`: for each addendum that can be read, its key, or the word that it needs none. */
import { decodeBase64, encodeBase64 } from '@countersign/tlog/base64'
import { SEALING_KEY_BYTES } from '@countersign/tlog/chunked-encryption'
import { TlogError } from '@countersign/tlog/errors'

/** What opens an addendum: its key, or `clear` when it was never sealed. */
export type AddendumKey = Uint8Array | 'clear'

/** The lines for some addenda, by digest (hexadecimal), in the order of the map. */
export function formatKeys(keys: ReadonlyMap<string, AddendumKey>): string {
  return [...keys]
    .map(([digest, key]) => `${digest} ${key === 'clear' ? key : encodeBase64(key)}\n`)
    .join('')
}

/** Reads the file. @returns the number of the line that is no key, or the keys */
export function parseKeys(bytes: Uint8Array): ReadonlyMap<string, AddendumKey> | { line: number } {
  const keys = new Map<string, AddendumKey>()
  const lines = new TextDecoder('latin1').decode(bytes).split('\n')
  // Every line ends in a newline, so the last piece is empty.
  if (lines.pop() !== '') return { line: lines.length + 1 }
  for (const [at, line] of lines.entries()) {
    const [, digest, key] = /^([0-9a-f]{64}) ([A-Za-z0-9+/=]{1,64})$/.exec(line) ?? []
    const opened = key === 'clear' ? key : keyOf(key ?? '')
    if (digest === undefined || opened === undefined || keys.has(digest)) return { line: at + 1 }
    keys.set(digest, opened)
  }
  return keys
}

function keyOf(text: string): Uint8Array | undefined {
  try {
    const key = decodeBase64(text)
    return key.length === SEALING_KEY_BYTES ? key : undefined
  } catch (error) {
    if (error instanceof TlogError) return undefined
    throw error
  }
}
