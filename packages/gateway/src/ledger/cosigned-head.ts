/**
 * A signed head and the cosignatures collected for it so far. Only cosignatures that verified are in it. Lost with the process:
 * whoever cosigned once cosigns the same head again.
 */
import { keyHandle } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { formatNote, openNote, parseNote } from '@countersign/tlog/note'
import type { NoteSignature } from '@countersign/tlog/note'
import { evaluateQuorum } from '@countersign/tlog/witness-policy'
import type { PolicyWitness, WitnessPolicy } from '@countersign/tlog/witness-policy'
import { ed25519Verify, mlDsa44, sha256 } from '../cryptography.ts'
import type { Head } from './recovery.ts'

/** A cosignature that verified. */
export interface Cosignature {
  /** The signature line, without its newline. */
  readonly line: string
  /** POSIX seconds, as the witness says. */
  readonly timestamp: bigint
}

export class CosignedHead implements Head {
  readonly size: number
  readonly root: Uint8Array
  /** The note as it was signed, before any cosignature. */
  readonly signed: string
  readonly #policy: WitnessPolicy
  /** By the name of the witness in the policy, which is unique there. */
  readonly #cosignatures = new Map<string, Cosignature>()

  constructor({ size, root, note }: Head, policy: WitnessPolicy) {
    this.#policy = policy
    this.size = size
    this.root = root
    this.signed = note
  }

  /** The note with all cosignatures so far, in the order of the policy; it grows. */
  get note(): string {
    if (this.#cosignatures.size === 0) return this.signed
    const { text, signatures } = parseNote(this.signed)
    const lines = this.#policy.witnesses.flatMap(
      ({ name }) => this.#cosignatures.get(name)?.line ?? [],
    )
    return formatNote(text, [...signatures.map(({ line }) => line), ...lines])
  }

  add({ name }: PolicyWitness, cosignature: Cosignature): void {
    this.#cosignatures.set(name, cosignature)
  }

  isCosignedBy({ name }: PolicyWitness): boolean {
    return this.#cosignatures.has(name)
  }

  /** Whether the quorum holds, or would if these witnesses cosigned too. */
  meetsQuorum(more: readonly PolicyWitness[] = []): boolean {
    const cosigned = this.#policy.witnesses.filter((witness) => this.isCosignedBy(witness))
    return evaluateQuorum(this.#policy, [...cosigned, ...more])
  }
}

/**
 * The cosignature of one key among signature lines; undefined when it has none there.
 * @throws {TlogError} `SIGNATURE_INVALID`
 */
export async function findCosignature(
  text: string,
  lines: readonly NoteSignature[],
  key: VerifierKey,
): Promise<Cosignature | undefined> {
  const line = lines.find((signature) => isBy(signature, key))?.line
  if (line === undefined) return undefined
  const { verified } = await openNote(formatNote(text, [line]), {
    keys: [key],
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44: mlDsa44.verify,
  })
  return { line, timestamp: verified[0]?.timestamp ?? 0n }
}

/** Whether a signature line names this key. */
export function isBy({ name, keyId }: NoteSignature, key: VerifierKey): boolean {
  return keyHandle({ name, id: keyId }) === keyHandle(key)
}
