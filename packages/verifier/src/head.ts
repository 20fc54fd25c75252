/** Checkpoints: which are believed, and whether a log grew from an earlier one. Every one of them is attacker-controlled. */
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import type { Checkpoint } from '@countersign/tlog/checkpoint'
import { emptyRoot, equalBytes } from '@countersign/tlog/hash'
import { SignatureType } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { openNote, parseNote } from '@countersign/tlog/note'
import { consistencyProofAsync, verifyConsistency } from '@countersign/tlog/proof'
import { toTreeSize } from '@countersign/tlog/size'
import { nodeFromTile, placeOfNode, tileWidth } from '@countersign/tlog/tile'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'

import type { Findings } from './finding.ts'
import { reasonOf } from './range.ts'
import { readTile } from './source.ts'
import type { Crypto, LogSource } from './source.ts'
import { cosignersOf, knownKeys, quorumOf } from './witnesses.ts'
import type { Cosigner, Quorum } from './witnesses.ts'

/** A checkpoint that is believed, the name it was signed under, and who countersigned it. */
export interface Head {
  readonly checkpoint: Checkpoint
  /** The origin, or nothing when no key was given. */
  readonly signedBy: readonly string[]
  readonly witnessedBy: readonly Cosigner[]
  /** Of the given policy. */
  readonly quorum?: Quorum | undefined
}

/** Whom to believe, and with what. */
export interface HeadTrust {
  readonly source: LogSource
  readonly crypto: Crypto
  readonly keys: readonly VerifierKey[]
  /** Who must have cosigned; its keys are believed like the given ones. */
  readonly policy?: WitnessPolicy | undefined
}

/** Where trouble is told, and under which name. */
interface Where {
  readonly path: string
  readonly findings: Findings
}

/** The checkpoint of a log; undefined, and a finding, when it cannot be believed. */
export async function readHead(trust: HeadTrust, where: Where): Promise<Head | undefined> {
  const note = await trust.source.read('checkpoint')
  if (note === undefined) {
    where.findings.add({
      code: 'FILE_MISSING',
      path: where.path,
      message: 'there is no checkpoint: this is no log, or nothing was ever signed',
    })
    return undefined
  }
  return openHead(note, trust, where)
}

/** A checkpoint of a log that one of the keys is of; undefined, and a finding, when it is none. */
export async function openHead(
  note: Uint8Array | string,
  { keys: given, policy, crypto }: Omit<HeadTrust, 'source'>,
  where: Where,
): Promise<Head | undefined> {
  const { path, findings } = where
  try {
    const checkpoint = parseCheckpoint(parseNote(note).text)
    toTreeSize(checkpoint.size)
    const keys = knownKeys(given, policy)
    if (keys.length === 0) return { checkpoint, signedBy: [], witnessedBy: [] }
    const { verified } = await openNote(note, {
      keys,
      sha256: crypto.sha256,
      verify: crypto.ed25519Verify,
      verifyMlDsa44: crypto.verifyMlDsa44,
    })
    // A log may sign with Ed25519, with ML-DSA-44, or with both, each under its origin; a cosignature/v1 is a witness's.
    const { origin } = checkpoint
    const isByLog = verified.some(
      ({ key }) => key.name === origin && key.type !== SignatureType.cosignatureV1,
    )
    if (isByLog) {
      return {
        checkpoint,
        signedBy: [origin],
        witnessedBy: cosignersOf(verified, origin),
        quorum: policy === undefined ? undefined : quorumOf(policy, verified),
      }
    }
    findings.add({
      code: 'CHECKPOINT_SIGNATURE',
      path,
      message: `no given key is that of the log ${JSON.stringify(origin)}`,
    })
  } catch (error) {
    const message = reasonOf(error)
    findings.add({
      code: /signature|signed/.test(message) ? 'CHECKPOINT_SIGNATURE' : 'CHECKPOINT_MALFORMED',
      path,
      message,
    })
  }
  return undefined
}

/** Holds the log against an earlier checkpoint. Same keys, same origin; it may only have grown. */
export async function verifyGrowth(
  now: Checkpoint,
  options: HeadTrust & { readonly from?: Uint8Array | undefined },
  findings: Findings,
): Promise<number | undefined> {
  if (options.from === undefined) return undefined
  const path = 'the earlier checkpoint'
  const before = (await openHead(options.from, options, { path, findings }))?.checkpoint
  if (before === undefined) return undefined
  if (before.origin !== now.origin) {
    findings.add({
      code: 'LOG_FORKED',
      path,
      message: `it is of another log: ${JSON.stringify(before.origin)}, not ${JSON.stringify(now.origin)}`,
    })
    return undefined
  }
  if (before.size > now.size) {
    findings.add({
      code: 'LOG_SHRANK',
      path: 'checkpoint',
      message: `the log shrank: it had ${before.size} entries, and now has ${now.size}`,
    })
    return undefined
  }
  const problem = await growthProblem(before, now, options)
  if (problem === undefined) return Number(before.size)
  const message = `the log forked: its first ${before.size} entries are not those that the earlier checkpoint signed (${problem})`
  findings.add({ code: 'LOG_FORKED', path: 'checkpoint', message })
  return undefined
}

/** Why the tree of `now`, by its tiles, does not begin with the one of `before`. */
export async function growthProblem(
  before: Checkpoint,
  now: Checkpoint,
  { source, crypto }: Pick<HeadTrust, 'source' | 'crypto'>,
): Promise<string | undefined> {
  const { sha256 } = crypto
  if (before.size === 0n)
    return equalBytes(before.root, emptyRoot(sha256))
      ? undefined
      : 'it is empty, and its root is not'
  const size = toTreeSize(now.size)
  const readNode = async (level: number, index: number): Promise<Uint8Array> => {
    const place = placeOfNode(level, index)
    const width = tileWidth(size, place.level, place.index)
    const tile =
      (await readTile(source, { level: place.level, index: place.index, width })) ??
      new Uint8Array(0)
    return nodeFromTile(sha256, tile, place)
  }
  try {
    const proof = await consistencyProofAsync(toTreeSize(before.size), size, { sha256, readNode })
    verifyConsistency(
      { oldSize: before.size, newSize: now.size, oldRoot: before.root, newRoot: now.root, proof },
      sha256,
    )
    return undefined
  } catch (error) {
    return reasonOf(error)
  }
}
