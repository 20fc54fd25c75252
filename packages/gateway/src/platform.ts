/** The door of `platform`: clock, durable files, hashing and signing. No word of our domain. */
export type { Clock } from './platform/clock.ts'
export { systemClock } from './platform/clock.ts'
export { sha256, sha256Hex } from './platform/hash.ts'
export { ed25519PublicKey, ed25519Sign, ed25519Verify } from './platform/ed25519.ts'
export { replaceFile, syncDirectory, writeDurably } from './platform/durable.ts'
export { Lru } from './platform/lru.ts'
export { sealPrimitives } from './platform/sealing.ts'
