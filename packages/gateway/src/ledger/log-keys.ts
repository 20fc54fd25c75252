/** The public keys of the log, and what they are held against. */
import { parseVkey } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { openNote } from '@countersign/tlog/note'
import type { VerifiedSignature } from '@countersign/tlog/note'
import { ed25519Verify, mlDsa44, sha256 } from '../cryptography.ts'

/** Reads the keys of a log, one a line; none of nothing. @throws {TlogError} for a key that is none */
export function parseLogKeys(text: string = ''): VerifierKey[] {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '').map((line) => parseVkey(line, sha256))
}

/** Opens a checkpoint that one of the keys signed, at least, and none badly. @throws {TlogError} as `openNote` */
export async function openSigned(
  note: string,
  keys: readonly VerifierKey[],
): Promise<{ text: string; verified: readonly VerifiedSignature[] }> {
  const trust = { keys, sha256, verify: ed25519Verify, verifyMlDsa44: mlDsa44.verify }
  const { note: opened, verified } = await openNote(note, trust)
  return { text: opened.text, verified }
}
