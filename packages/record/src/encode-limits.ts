/** Bytes of an entry at most, trailer included: what the 16-bit length of an entry bundle can say. */
export const ENTRY_BYTES_MAX = 65_535

/** Bytes of one addendum at most; larger content goes into several. */
export const ADDENDUM_BYTES_MAX: number = 4 * 1024 * 1024

/** Addenda of one record at most: what the one-byte count of the trailer can say. */
export const ADDENDA_MAX = 255

/** What sealing adds to content that is `ADDENDUM_BYTES_MAX` once sealed, at most: salt, commitment, and a tag for each 16 KiB. */
export const SEALING_BYTES_MAX: number = 56 + 16 * (ADDENDUM_BYTES_MAX / (16 * 1024) + 1)
