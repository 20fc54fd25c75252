/**
 * The door of `witness`: whoever answers C2SP `add-checkpoint`. The signer signs a log's own checkpoints; a witness cosigns those
 * of others. It imports no other room, and never signs what does not continue what it signed before.
 */
export { WitnessError } from './witness/errors.ts'
export { createSignerState } from './witness/signer-state.ts'
export { runSigner } from './witness/signer.ts'
export type { RunningSigner, SignerOptions } from './witness/signer.ts'
export { runWitness } from './witness/witness.ts'
export type { RunningWitness, WitnessEvent, WitnessOptions } from './witness/witness.ts'
export { evidenceFolder, readEvidence } from './witness/evidence.ts'
export type { Evidence } from './witness/evidence.ts'
export { makeKey } from './witness/keys.ts'
