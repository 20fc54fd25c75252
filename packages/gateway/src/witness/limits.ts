/** Every limit of the signer and the witness, by name and unit. A limit that is reached refuses. The limit of a body is tlog's. */

/** Until the head of a request is there. */
export const HEADERS_TIMEOUT_MS = 5_000
/** Until its body is there, too. */
export const REQUEST_TIMEOUT_MS = 10_000
/** How often the two above are looked at. */
export const TIMEOUT_CHECK_MS = 1_000
/** A connection on which nothing moves. */
export const IDLE_TIMEOUT_MS = 60_000
/** Bytes of the head of a request. */
export const HEADERS_BYTES_MAX: number = 8 * 1024
/** Connections at once; more are closed as they come. */
export const CONNECTIONS_MAX = 64
/** Logs in one state file. */
export const LOGS_MAX = 256
/** Trusted keys of one log. With the two lines of a witness, their signatures fit a slot of the state. */
export const LOG_KEYS_MAX = 4
/** Keys in one key file: Ed25519 and ML-DSA-44. */
export const KEYS_MAX = 2
/** Bytes of an origin and of a witness's name: what an ML-DSA-44 cosignature can name. */
export const NAME_BYTES_MAX = 255
/** Bytes of one of the two slots of a log in the state file. */
export const STATE_SLOT_BYTES: number = 32 * 1024
/** Pieces of evidence kept of one log that contradict what was cosigned: one convicts it, more say how often. */
export const SPLITS_PER_LOG_MAX = 64
/** Pieces kept of one log whose proof failed: anyone can spoil a proof, so they never crowd out the others. */
export const UNPROVEN_PER_LOG_MAX = 16
