import { decodeBase64, encodeBase64 } from './base64.ts'
import { checkHash } from './hash.ts'

/** Reads hashes written in base64, one on each line. @throws {TlogError} `BASE64_MALFORMED`, `HASH_LENGTH` */
export function parseHashLines(lines: readonly string[]): Uint8Array[] {
  return lines.map((line) => {
    const hash = decodeBase64(line)
    checkHash(hash, 'a proof')
    return hash
  })
}

/** Hashes in base64, one on each line, each line ended by a newline. @throws {TlogError} `HASH_LENGTH` */
export function formatHashLines(hashes: readonly Uint8Array[]): string {
  let text = ''
  for (const hash of hashes) {
    checkHash(hash, 'a proof')
    text += `${encodeBase64(hash)}\n`
  }
  return text
}
