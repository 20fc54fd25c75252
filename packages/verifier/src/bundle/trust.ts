/** Whom a bundle is believed by: its policy, the keys that its reader has from elsewhere, and the checkpoints that they open. */
import { parseAddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { encodeHex } from '@countersign/tlog/base64'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import type { Checkpoint } from '@countersign/tlog/checkpoint'
import type { AsyncOpenPrimitives } from '@countersign/tlog/chunked-encryption'
import { TlogError } from '@countersign/tlog/errors'
import { emptyRoot, equalBytes } from '@countersign/tlog/hash'
import { formatVkey, SignatureType } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { openNote, parseNote } from '@countersign/tlog/note'
import { verifyConsistency } from '@countersign/tlog/proof'
import { openCheckpoint } from '@countersign/tlog/signed-checkpoint'
import { toTreeSize } from '@countersign/tlog/size'
import { parsePolicy, sameKey } from '@countersign/tlog/witness-policy'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'

import type { Finding } from '../finding.ts'
import type { Crypto } from '../source.ts'
import { CHECKPOINT, CONSISTENCY, EARLIER, POLICY } from './layout.ts'

/** The primitives of a platform, with what a bundle may need besides. */
export interface BundleCrypto extends Crypto {
  /** To open sealed addenda. */
  readonly opening: AsyncOpenPrimitives
}

/** What the reader of a bundle brings along. */
export interface ReaderTrust {
  /** Keys that the reader has from elsewhere: the log's own and, if any, witnesses'. */
  readonly keys: readonly VerifierKey[]
  /** A policy of the reader's own, instead of the one in the bundle. */
  readonly policy?: WitnessPolicy | undefined
}

/** Someone whose signature under the checkpoint verified. */
export interface Signer {
  readonly name: string
  readonly algorithm: 'Ed25519' | 'ML-DSA-44'
  readonly vkey: string
  /** Whether the reader gave this key; otherwise it came with the bundle. */
  readonly given: boolean
  /** Of a witness: when it cosigned, POSIX seconds. */
  readonly seconds?: number
}

/** A checkpoint that satisfied the policy. */
export interface BelievedHead {
  readonly note: string
  readonly checkpoint: Checkpoint
  readonly size: number
  readonly signers: readonly Signer[]
  readonly witnesses: readonly Signer[]
  readonly quorum: string
}

export interface HeadFiles {
  readonly policy: Uint8Array | undefined
  readonly checkpoint: Uint8Array | undefined
}

type OnFinding = (finding: Finding) => void

/** The head of the bundle, or findings why there is none to believe. */
export async function openHead(
  files: HeadFiles,
  trust: ReaderTrust & { readonly crypto: BundleCrypto },
  onFinding: OnFinding,
): Promise<BelievedHead | undefined> {
  const asked = ownPolicy(trust) ?? readPolicy(files.policy, trust.crypto, onFinding)
  if (asked === undefined || files.checkpoint === undefined) return undefined
  const policy = narrowed(asked, trust, onFinding)
  const { sha256, ed25519Verify, verifyMlDsa44 } = trust.crypto
  try {
    const { checkpoint, verified } = await openCheckpoint(files.checkpoint, {
      policy,
      sha256,
      verify: ed25519Verify,
      verifyMlDsa44,
    })
    const signers = verified.map(({ key, timestamp }): Signer => ({
      name: key.name,
      algorithm: key.type === SignatureType.mlDsa44 ? 'ML-DSA-44' : 'Ed25519',
      vkey: formatVkey(key),
      given: isGiven(key, trust),
      ...(timestamp === undefined ? {} : { seconds: Number(timestamp) }),
    }))
    const isLog = ({ vkey }: Signer): boolean =>
      policy.logs.some(({ key }) => formatVkey(key) === vkey)
    return {
      note: new TextDecoder().decode(files.checkpoint),
      checkpoint,
      size: toTreeSize(checkpoint.size),
      signers: signers.filter(isLog),
      witnesses: signers.filter((signer) => !isLog(signer)),
      quorum: policy.quorum,
    }
  } catch (error) {
    const { code, message } = tlogError(error)
    const isAboutSignatures = /^(SIGNATURE|NOTE_UNSIGNED|QUORUM|ORIGIN|KEY)/.test(code)
    onFinding({
      code: isAboutSignatures ? 'CHECKPOINT_SIGNATURE' : 'CHECKPOINT_MALFORMED',
      path: CHECKPOINT,
      message,
    })
    return undefined
  }
}

/**
 * Holds the log against the earlier checkpoint of the bundle.
 * @returns the size it has grown from; `undefined` when there is none, or findings say what is wrong with it
 */
export async function openEarlier(
  files: { readonly earlier: Uint8Array | undefined; readonly consistency: Uint8Array | undefined },
  { head, crypto }: { readonly head: BelievedHead; readonly crypto: BundleCrypto },
  onFinding: OnFinding,
): Promise<{ size: number; root: string } | undefined> {
  const { earlier, consistency } = files
  if (earlier === undefined || consistency === undefined) return undefined
  const before = await openByLog(earlier, { head, crypto }, onFinding)
  if (before === undefined) return undefined
  try {
    checkGrowth(before, head, { consistency, crypto })
    return { size: toTreeSize(before.size), root: encodeHex(before.root) }
  } catch (error) {
    onFinding({
      code: before.size > head.checkpoint.size ? 'LOG_SHRANK' : 'LOG_FORKED',
      path: CONSISTENCY,
      message: `the log is not shown to have grown from its earlier checkpoint of ${before.size} records: ${tlogError(error).message}`,
    })
    return undefined
  }
}

/** The earlier checkpoint needs the log's own signature, and no witness: it is what its keeper kept. */
async function openByLog(
  earlier: Uint8Array,
  { head, crypto }: { head: BelievedHead; crypto: BundleCrypto },
  onFinding: OnFinding,
): Promise<Checkpoint | undefined> {
  const { sha256, ed25519Verify, verifyMlDsa44 } = crypto
  try {
    const checkpoint = parseCheckpoint(parseNote(earlier).text)
    if (checkpoint.origin !== head.checkpoint.origin)
      throw new TlogError('ORIGIN_UNKNOWN', 'could not use it: it is of another log')
    const keys = parsePolicy(
      `${head.signers.map(({ vkey }) => `log ${vkey}\n`).join('')}quorum none\n`,
      sha256,
    ).logs.map(({ key }) => key)
    await openNote(earlier, {
      keys,
      sha256,
      verify: ed25519Verify,
      verifyMlDsa44,
    })
    return checkpoint
  } catch (error) {
    onFinding({ code: 'CHECKPOINT_SIGNATURE', path: EARLIER, message: tlogError(error).message })
    return undefined
  }
}

function checkGrowth(
  before: Checkpoint,
  head: BelievedHead,
  { consistency, crypto }: { consistency: Uint8Array; crypto: BundleCrypto },
): void {
  const { sha256 } = crypto
  const claim = parseAddCheckpoint(consistency)
  const isAboutThese = claim.checkpoint === head.note && claim.oldSize === before.size
  if (!isAboutThese)
    throw new TlogError('ROOT_MISMATCH', 'the proof is about another pair of checkpoints')
  if (before.size === 0n) {
    // Everything grew from nothing, if nothing it was.
    if (claim.proof.length > 0 || !equalBytes(before.root, emptyRoot(sha256)))
      throw new TlogError('ROOT_MISMATCH', 'the earlier checkpoint is of an empty tree, and wrong')
    return
  }
  verifyConsistency(
    {
      oldSize: before.size,
      newSize: head.checkpoint.size,
      oldRoot: before.root,
      newRoot: head.checkpoint.root,
      proof: claim.proof,
    },
    sha256,
  )
}

/** A policy of the reader's own may leave the log to the keys beside it. */
function ownPolicy({ policy, keys }: ReaderTrust): WitnessPolicy | undefined {
  if (policy === undefined || policy.logs.length > 0) return policy
  const logs = keys.filter(({ type }) => type !== SignatureType.cosignatureV1)
  return { ...policy, logs: logs.map((key) => ({ key })) }
}

function readPolicy(
  bytes: Uint8Array | undefined,
  { sha256 }: Crypto,
  onFinding: OnFinding,
): WitnessPolicy | undefined {
  if (bytes === undefined) return undefined
  try {
    return parsePolicy(bytes, sha256)
  } catch (error) {
    onFinding({ code: 'FILE_MALFORMED', path: POLICY, message: tlogError(error).message })
    return undefined
  }
}

/**
 * The policy in a bundle names its sender's keys of the log: of those, the reader's own count, and no other. Witnesses that the reader
 * does not know are only not vouched for.
 */
function narrowed(policy: WitnessPolicy, trust: ReaderTrust, onFinding: OnFinding): WitnessPolicy {
  if (trust.keys.length === 0 || trust.policy !== undefined) return policy
  const logs = policy.logs.filter(({ key }) => isGiven(key, trust))
  if (logs.length > 0) return { ...policy, logs }
  const named = policy.logs.map(({ key }) => formatVkey(key)).join(' and ')
  onFinding({
    code: 'KEY_UNTRUSTED',
    path: POLICY,
    message: `it names the log key ${named}, which is not the one you gave`,
  })
  return policy
}

function isGiven(key: VerifierKey, { keys, policy }: ReaderTrust): boolean {
  const known = [
    ...keys,
    ...(policy?.logs ?? []).map((log) => log.key),
    ...(policy?.witnesses ?? []).map((witness) => witness.key),
  ]
  return known.some((other) => sameKey(other, key))
}

function tlogError(error: unknown): TlogError {
  if (error instanceof TlogError) return error
  throw error
}
