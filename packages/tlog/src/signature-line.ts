import { decodeBase64, encodeBase64 } from './base64.ts'
import { TlogError } from './errors.ts'
import { checkKeyName } from './key.ts'

/** One signature line of a note. `line` is the whole line without its newline; `signature` is what follows the 4-byte key id. */
export interface NoteSignature {
  readonly name: string
  readonly keyId: number
  readonly signature: Uint8Array
  readonly line: string
}

const DASH = '\u2014 '

/**
 * Reads `— <name> <base64(key id || signature)>`, without its newline.
 * @throws {TlogError} `SIGNATURE_MALFORMED`, `KEY_NAME_INVALID`, `BASE64_MALFORMED`
 */
export function parseSignatureLine(line: string): NoteSignature {
  if (!line.startsWith(DASH)) throw malformed('it must start with an em dash and a space')
  const space = line.indexOf(' ', DASH.length)
  if (space < 0) throw malformed('it must be a name, a space and base64')
  const name = line.slice(DASH.length, space)
  checkKeyName(name)
  const bytes = decodeBase64(line.slice(space + 1))
  if (bytes.length < 5) throw malformed('it must hold a 4-byte key id and a signature')
  const keyId = new DataView(bytes.buffer).getUint32(0)
  return { name, keyId, signature: bytes.subarray(4), line }
}

/** The signature line of `signature`, without its newline. @throws {TlogError} `KEY_NAME_INVALID` */
export function formatSignatureLine(
  key: { readonly name: string; readonly id: number },
  signature: Uint8Array,
): string {
  checkKeyName(key.name)
  const bytes = new Uint8Array(4 + signature.length)
  new DataView(bytes.buffer).setUint32(0, key.id)
  bytes.set(signature, 4)
  return `${DASH}${key.name} ${encodeBase64(bytes)}`
}

function malformed(rule: string): TlogError {
  return new TlogError('SIGNATURE_MALFORMED', `could not read a signature line: ${rule}`)
}
