/** What a reader of a bundle takes on: everything in it is attacker-controlled, and it is read on someone's laptop. */
import { ENTRY_BYTES_MAX } from '@countersign/tlog/bundle'
import { TILE_WIDTH } from '@countersign/tlog/tile'

/** Files of a bundle: one fewer than what a zip without its 64-bit extension can count. */
export const BUNDLE_FILES_MAX = 65_534

/** Bytes of a bundle: what a zip without its 64-bit extension can address. */
export const BUNDLE_BYTES_MAX = 0xff_ff_ff_fe

/** Bytes of one file when unpacked: the largest is an entry bundle, 256 entries of 65,535 bytes with their lengths. */
export const BUNDLE_FILE_BYTES_MAX: number = TILE_WIDTH * (ENTRY_BYTES_MAX + 2)

/** Bytes of all files when unpacked. */
export const BUNDLE_UNPACKED_BYTES_MAX: number = 16 * 1024 ** 3

/** How many times larger a file may be than its compressed form; what shrinks more is stored as it is. */
export const BUNDLE_RATIO_MAX = 100

/** Bytes of the name of a file. */
export const BUNDLE_NAME_BYTES_MAX = 120

/** Bytes of the manifest, of a list of keys, and of any other file that is text and read as a whole. */
export const BUNDLE_TEXT_BYTES_MAX: number = 8 * 1024 ** 2
