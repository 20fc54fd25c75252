import { parseCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { TlogError } from './errors.ts'
import type { Sha256 } from './hash.ts'
import type { Ed25519Verify, MlDsa44Verify } from './key.ts'
import { openNote } from './note.ts'
import type { Note, VerifiedSignature } from './note.ts'
import { evaluateQuorum, policyKeys, sameKey } from './witness-policy.ts'
import type { WitnessPolicy } from './witness-policy.ts'

/** What is needed to believe a checkpoint. */
export interface CheckpointTrust {
  readonly policy: WitnessPolicy
  readonly sha256: Sha256
  readonly verify: Ed25519Verify
  readonly verifyMlDsa44?: MlDsa44Verify | undefined
}

/** A checkpoint that a log of the policy signed, with every signature that verified. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly note: Note
  readonly verified: readonly VerifiedSignature[]
}

/**
 * Opens a checkpoint: signed by a log of the policy under its own origin, and cosigned by the policy's quorum.
 * @throws {TlogError} `ORIGIN_UNKNOWN` when no log of the policy has this origin; `NOTE_UNSIGNED` when that log did not sign;
 * `QUORUM_UNMET`; and the codes of `openNote` and `parseCheckpoint`
 */
export async function openCheckpoint(
  input: Uint8Array | string,
  trust: CheckpointTrust,
): Promise<SignedCheckpoint> {
  const { policy, sha256, verify, verifyMlDsa44 } = trust
  const { note, verified } = await openNote(input, {
    keys: policyKeys(policy),
    sha256,
    verify,
    verifyMlDsa44,
  })
  const checkpoint = parseCheckpoint(note.text)
  const logs = policy.logs.filter((log) => log.key.name === checkpoint.origin)
  if (logs.length === 0) {
    throw new TlogError(
      'ORIGIN_UNKNOWN',
      `could not open the checkpoint: no known log has the origin ${JSON.stringify(checkpoint.origin)}`,
    )
  }
  if (!logs.some((log) => verified.some(({ key }) => sameKey(key, log.key)))) {
    throw new TlogError(
      'NOTE_UNSIGNED',
      'could not open the checkpoint: the log of its origin did not sign it',
    )
  }
  if (!evaluateQuorum(policy, verified)) {
    throw new TlogError(
      'QUORUM_UNMET',
      `could not open the checkpoint: its cosignatures do not meet the quorum ${policy.quorum}`,
    )
  }
  return { checkpoint, note, verified }
}
