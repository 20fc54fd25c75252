/**
 * The door of `witness`: whoever answers C2SP `add-checkpoint`. The signer signs a log's own checkpoints. It imports no other
 * room, and never signs what does not continue what it signed before.
 */
export { WitnessError } from './witness/errors.ts'
export { createSignerState } from './witness/signer-state.ts'
export { runSigner } from './witness/signer.ts'
export type { RunningSigner, SignerOptions } from './witness/signer.ts'
