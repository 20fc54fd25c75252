import { decodeBase64, encodeBase64 } from './base64.ts'
import { parseCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { TlogError } from './errors.ts'
import { hashLeaf } from './hash.ts'
import { formatHashLines, parseHashLines } from './hash-lines.ts'
import type { VerifierKey } from './key.ts'
import { NOTE_BYTES_MAX, parseNote } from './note.ts'
import type { VerifiedSignature } from './note.ts'
import { PROOF_HASHES_MAX, verifyInclusion } from './proof.ts'
import { openCheckpoint } from './signed-checkpoint.ts'
import type { CheckpointTrust } from './signed-checkpoint.ts'
import { checkUint64, parseDecimal } from './size.ts'
import { byteLength, decodeText } from './text.ts'
import { QUORUM_NONE } from './witness-policy.ts'
import type { WitnessPolicy } from './witness-policy.ts'

/** A receipt (tlog-proof): `checkpoint` is the whole signed note. `extra` is not authenticated by anything. */
export interface TlogProof {
  readonly index: bigint
  readonly extra?: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly checkpoint: string
}

/** What a receipt is verified against: either the entry or its leaf hash; either a policy, or the keys of the logs alone. */
export type ReceiptCheck = { readonly receipt: TlogProof | Uint8Array | string } & (
  | { readonly entry: Uint8Array }
  | { readonly leafHash: Uint8Array }
) &
  ({ readonly policy: WitnessPolicy } | { readonly keys: readonly VerifierKey[] }) &
  Omit<CheckpointTrust, 'policy'>

/** A receipt that verified. */
export interface VerifiedReceipt {
  readonly index: bigint
  readonly checkpoint: Checkpoint
  readonly verified: readonly VerifiedSignature[]
}

/** The ending of the name of a file that holds a receipt. */
export const RECEIPT_EXTENSION = '.tlog-proof'

/** Bytes of extra data in a receipt. */
export const EXTRA_BYTES_MAX = 1_000_000

/** Bytes of a whole receipt: a note, 64 hashes, and the extra data in base64. */
export const RECEIPT_BYTES_MAX: number = NOTE_BYTES_MAX + 4096 + Math.ceil(EXTRA_BYTES_MAX / 3) * 4

const HEADER = 'c2sp.org/tlog-proof@v1'

/**
 * Verifies a receipt: the checkpoint first (its log, its quorum), then the inclusion of the leaf.
 * @throws {TlogError} the codes of `parseReceipt`, `openCheckpoint` and `verifyInclusion`
 * @see https://c2sp.org/tlog-proof, "Verifying a tlog proof"
 */
export async function verifyReceipt(check: ReceiptCheck): Promise<VerifiedReceipt> {
  const isText = typeof check.receipt === 'string' || check.receipt instanceof Uint8Array
  const receipt = isText ? parseReceipt(check.receipt) : check.receipt
  const policy = 'policy' in check ? check.policy : logsOnly(check.keys)
  const { sha256, verify, verifyMlDsa44 } = check
  const { checkpoint, verified } = await openCheckpoint(receipt.checkpoint, {
    policy,
    sha256,
    verify,
    verifyMlDsa44,
  })
  const leafHash = 'entry' in check ? hashLeaf(sha256, check.entry) : check.leafHash
  const { index, proof } = receipt
  verifyInclusion({ index, size: checkpoint.size, leafHash, root: checkpoint.root, proof }, sha256)
  return { index, checkpoint, verified }
}

/**
 * Reads a receipt without believing it.
 * @throws {TlogError} `RECEIPT_MALFORMED`, `PROOF_TOO_LONG`, and the codes of `parseNote`, `parseCheckpoint`, a decimal or a hash
 * @see https://c2sp.org/tlog-proof
 */
export function parseReceipt(input: Uint8Array | string): TlogProof {
  // Attacker-controlled: the limit comes first, so that nothing below works on more.
  if (byteLength(input) > RECEIPT_BYTES_MAX)
    throw malformed(`it is over ${RECEIPT_BYTES_MAX} bytes`)
  const text = decodeText(input)
  const split = text.indexOf('\n\n')
  if (split < 0) throw malformed('it has no blank line before its checkpoint')
  const [header, ...lines] = text.slice(0, split).split('\n')
  if (header !== HEADER) throw malformed(`it does not start with ${HEADER}`)
  const extra =
    lines[0]?.startsWith('extra ') === true ? parseExtra(lines.shift() ?? '') : undefined
  const first = lines.shift()
  if (first?.startsWith('index ') !== true) throw malformed('it has no index line')
  if (lines.length > PROOF_HASHES_MAX)
    throw new TlogError(
      'PROOF_TOO_LONG',
      `could not read the receipt: over ${PROOF_HASHES_MAX} hashes`,
    )
  const checkpoint = text.slice(split + 2)
  parseCheckpoint(parseNote(checkpoint).text)
  const index = parseDecimal(first.slice('index '.length))
  return {
    index,
    ...(extra === undefined ? {} : { extra }),
    proof: parseHashLines(lines),
    checkpoint,
  }
}

/** The text of a receipt. @throws {TlogError} `SIZE_UNSAFE`, `HASH_LENGTH`, and the codes of `parseReceipt`: it would not read back */
export function formatReceipt(receipt: TlogProof): string {
  checkUint64(receipt.index, 'a leaf index')
  const extra = receipt.extra === undefined ? '' : `extra ${encodeBase64(receipt.extra)}\n`
  const text = `${HEADER}\n${extra}index ${receipt.index}\n${formatHashLines(receipt.proof)}\n${receipt.checkpoint}`
  parseReceipt(text)
  return text
}

function parseExtra(line: string): Uint8Array {
  const extra = decodeBase64(line.slice('extra '.length))
  if (extra.length === 0)
    throw malformed('its extra line is empty; without extra data there is no line')
  if (extra.length > EXTRA_BYTES_MAX)
    throw malformed(`its extra data is over ${EXTRA_BYTES_MAX} bytes`)
  return extra
}

function logsOnly(keys: readonly VerifierKey[]): WitnessPolicy {
  return { logs: keys.map((key) => ({ key })), witnesses: [], groups: [], quorum: QUORUM_NONE }
}

function malformed(why: string): TlogError {
  return new TlogError('RECEIPT_MALFORMED', `could not read the receipt: ${why}`)
}
