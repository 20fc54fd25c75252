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
