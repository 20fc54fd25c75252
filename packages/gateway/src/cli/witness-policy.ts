/** Whose cosignatures a person trusts: a policy read from a file, and what a checkpoint has of it. */
import { readFile } from 'node:fs/promises'
import { TlogError } from '@countersign/tlog/errors'
import type { VerifierKey } from '@countersign/tlog/key'
import { openNote, parseNote } from '@countersign/tlog/note'
import { parsePolicy, sameKey } from '@countersign/tlog/witness-policy'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'
import { cosignersOf, knownKeys, quorumOf } from '@countersign/verifier/witnesses'
import type { Cosigner, Quorum } from '@countersign/verifier/witnesses'
import { ed25519Verify, mlDsa44, sha256 } from '../cryptography.ts'
import { CommandError, messageOf } from './errors.ts'
import { broken, readHead } from '../follow.ts'
import type { Head, PublishedLog } from '../follow.ts'

/** How far a checkpoint has come. */
export interface Witnessed {
  readonly level: 'D1' | 'D2'
  /** Absent without a policy. */
  readonly quorum?: Quorum
  readonly witnesses: readonly Cosigner[]
  /** Signatures by keys that nobody named. */
  readonly strangers: number
}

/** @throws {CommandError} `CANNOT_RUN`, with the line that is wrong */
export async function readPolicy(file: string): Promise<WitnessPolicy> {
  try {
    return parsePolicy(await readFile(file), sha256)
  } catch (cause) {
    throw unusable(`the policy ${file}`, cause)
  }
}

/** A policy that was read already. @throws {CommandError} `CANNOT_RUN`, with the line that is wrong */
export function policyIn(text: string): WitnessPolicy {
  try {
    return parsePolicy(text, sha256)
  } catch (cause) {
    throw unusable('the policy', cause)
  }
}

function unusable(policy: string, cause: unknown): CommandError {
  return new CommandError('CANNOT_RUN', `could not use ${policy}: ${messageOf(cause)}`, {
    cause,
    hint: "it is a file of c2sp.org/tlog-policy: 'witness', 'group' and 'quorum' lines",
  })
}

/** The policy, which also takes the logs whose keys are trusted anyway. */
export function withLogs(policy: WitnessPolicy, keys: readonly VerifierKey[]): WitnessPolicy {
  const more = keys.filter((key) => !policy.logs.some((log) => sameKey(log.key, key)))
  return { ...policy, logs: [...policy.logs, ...more.map((key) => ({ key }))] }
}

/**
 * Who cosigned a checkpoint that its log has signed.
 * @throws {FollowError} `FOLLOW_BROKEN` when a cosignature of a trusted witness does not verify
 */
export async function witnessedBy(
  note: string,
  { keys, policy }: { keys: readonly VerifierKey[]; policy: WitnessPolicy | undefined },
): Promise<Witnessed> {
  try {
    const { note: opened, verified } = await openNote(note, {
      keys: knownKeys(keys, policy),
      sha256,
      verify: ed25519Verify,
      verifyMlDsa44: mlDsa44.verify,
    })
    const quorum = policy === undefined ? undefined : quorumOf(policy, verified)
    return {
      level: quorum?.met === true ? 'D2' : 'D1',
      ...(quorum === undefined ? {} : { quorum }),
      witnesses: cosignersOf(verified, originOf(note)),
      strangers: opened.signatures.length - verified.length,
    }
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    throw broken(`a cosignature of its checkpoint is not to be trusted: ${cause.message}`, cause)
  }
}

/** How long the quorum is waited for, where a log is witnessed and its newest checkpoint is not yet. */
const WITNESSED_WITHIN_MS = 10_000

/**
 * The newest checkpoint; with a policy, the first that its quorum cosigned: cosignatures follow a signature, so that of a moment ago
 * may lack them. When they do not come in time it is the newest one as it is, and whoever demands the quorum will find it unmet.
 * @throws {FollowError}
 */
export async function readWitnessedHead(
  log: PublishedLog,
  policy: WitnessPolicy | undefined,
): Promise<Head> {
  const tooLate = AbortSignal.timeout(WITNESSED_WITHIN_MS)
  for (;;) {
    const head = await readHead(log)
    if (policy === undefined || tooLate.aborted) return head
    const { quorum } = await witnessedBy(head.note, { keys: log.keys, policy })
    if (quorum?.met === true) return head
    await log.source.changed(tooLate)
  }
}

function originOf(note: string): string {
  return parseNote(note).text.split('\n')[0] ?? ''
}
