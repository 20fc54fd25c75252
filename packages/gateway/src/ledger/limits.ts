/**
 * Every limit of the ledger, by name and unit. A limit that is reached refuses; it never truncates. The limit of an entry,
 * 65,535 bytes, is `ENTRY_BYTES_MAX` of record: it is what the uint16 of a bundle can say.
 */

/** Bytes of one addendum; larger content goes into several. */
export const ADDENDUM_BYTES_MAX: number = 4 * 1024 * 1024
/** Bytes that a sealed addendum takes beside its content. */
export const ENVELOPE_BYTES_MAX = 116
/** Bytes of one draft once encoded: its entry and all its addenda. A frame holds at least one draft. */
export const DRAFT_BYTES_MAX: number = 16 * 1024 * 1024
/** Bytes of one WAL frame and of one APPEND message, unless a single draft is larger. */
export const BATCH_BYTES_MAX: number = 4 * 1024 * 1024
/** Drafts that may wait in one client. */
export const PENDING_MAX = 50_000
/** Bytes of a WAL segment. */
export const SEGMENT_BYTES: number = 64 * 1024 * 1024
/** Entries in one ENTRIES answer. */
export const ENTRIES_COUNT_MAX = 1_024
/** Bytes after which an ENTRIES answer takes no further entry. */
export const ENTRIES_BYTES_MAX: number = 1024 * 1024
/** Connections to the ledger's socket at once. */
export const CONNECTIONS_MAX = 1_024
/** Answers that may wait for one connection to read them; a client that reads nothing is cut off. */
export const REPLY_BACKLOG_BYTES_MAX: number = 64 * 1024 * 1024
/** Questions of one connection (proofs, entries, publications) that may be under way at once. */
export const QUESTIONS_MAX = 4_096
/**
 * Records and WAL bytes that may wait for publication, for example while the signer is away. Their hashes are in memory and
 * their segments on disk; past this, appends are refused.
 */
export const UNPUBLISHED_MAX = 4_000_000
export const UNPUBLISHED_BYTES_MAX: number = 8 * 1024 ** 3
/** How often a checkpoint is signed and published when nobody asks sooner. */
export const CHECKPOINT_INTERVAL_MS = 1_000
/** How long one request to the signer may take. */
export const SIGNER_TIMEOUT_MS = 5_000
/** How often the signer may answer 409 to one attempt before it counts as failed. */
export const SIGNER_CONFLICTS_MAX = 3
/** Bytes of a witness's answer: some signature lines. */
export const WITNESS_ANSWER_BYTES_MAX = 65_536
/** How long a witness may take, and how long a record that demands D2 may wait for the quorum, unless configured. */
export const WITNESS_TIMEOUT_MS = 2_000
/** Requests to one witness for one checkpoint: a 409 tells where it stands, and a connection may have just closed. */
export const WITNESS_ATTEMPTS_MAX = 3
/** First and longest pause before a witness that failed is asked again; each is twice the one before. */
export const WITNESS_PAUSE_MS_MIN = 50
export const WITNESS_PAUSE_MS_MAX = 1_000
/** How long the quorum may be out of reach before that is an alarm, unless configured. */
export const WITNESS_GRACE_MS = 10_000
/** How long a publication waits for the quorum; after that it goes out signed, and its cosignatures follow. */
export const PUBLISH_WITNESS_WAIT_MS = 1_000
/** Characters of what a witness said that are repeated in a status, an alarm or a message. */
export const WITNESS_DETAIL_MAX = 200
/** Files that a publication writes at once: twice the threads, so that none of them idles. */
export const PUBLISH_FILES_MAX = 16
/** Bytes of a WAL frame around its entries and addenda. */
export const FRAME_OVERHEAD_BYTES = 76
/** Client: turns of the event loop for which a draft may wait for company, each shorter than a millisecond under load. */
export const GATHER_TURNS_MAX = 8
/** Client: how long a message may stay unanswered before the ledger counts as away. */
export const APPEND_TIMEOUT_MS = 5_000
/** Client: first and longest pause between attempts to reconnect. */
export const RECONNECT_MS_MIN = 5
export const RECONNECT_MS_MAX = 1_000
/** Client: how long `close` waits for drafts to become durable. */
export const CLOSE_WITHIN_MS = 5_000
