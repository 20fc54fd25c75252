/** Who countersigned a checkpoint, and whether that is enough for a policy. Only signatures that verified come here. */
import type { VerifierKey } from '@countersign/tlog/key'
import type { VerifiedSignature } from '@countersign/tlog/note'
import {
  describeQuorum,
  evaluateQuorum,
  policyKeys,
  sameKey,
} from '@countersign/tlog/witness-policy'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'

/** One cosignature. `time` is when it was made, as the witness says: RFC 3339, or seconds where there is no such date. */
export interface Cosigner {
  readonly name: string
  readonly time: string
}

/** What a policy asks for, and whether the checkpoint has it. */
export interface Quorum {
  readonly asked: string
  readonly met: boolean
}

const DATE_SECONDS_MAX = 8_640_000_000_000n

/** The cosigners of a checkpoint of `origin`: the log's own timestamped signature is none. */
export function cosignersOf(verified: readonly VerifiedSignature[], origin: string): Cosigner[] {
  return verified.flatMap(({ key, timestamp }) =>
    timestamp === undefined || key.name === origin
      ? []
      : [{ name: key.name, time: timeText(timestamp) }],
  )
}

/** Whether what verified is enough. */
export function quorumOf(policy: WitnessPolicy, verified: readonly VerifiedSignature[]): Quorum {
  return { asked: describeQuorum(policy), met: evaluateQuorum(policy, verified) }
}

/** The given keys and those of a policy, each once. */
export function knownKeys(
  keys: readonly VerifierKey[],
  policy: WitnessPolicy | undefined,
): readonly VerifierKey[] {
  if (policy === undefined) return keys
  const more = policyKeys(policy).filter((key) => !keys.some((other) => sameKey(other, key)))
  return [...keys, ...more]
}

/** POSIX seconds as RFC 3339. Attacker-controlled: a witness may claim a time that no calendar has. */
export function timeText(seconds: bigint): string {
  if (seconds > DATE_SECONDS_MAX) return `${seconds} s`
  return new Date(Number(seconds) * 1000).toISOString().replace('.000Z', 'Z')
}
