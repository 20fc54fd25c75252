/** The door of `cryptography`: Node's primitives in the shapes that tlog and record take. It knows no key and no format of ours. */
export { sha256, sha256Hex, sha256Into } from './cryptography/hash.ts'
export { ed25519PublicKey, ed25519Sign, ed25519Verify } from './cryptography/ed25519.ts'
export { mlDsa44 } from './cryptography/ml-dsa-44.ts'
export { sealPrimitives } from './cryptography/sealing.ts'
