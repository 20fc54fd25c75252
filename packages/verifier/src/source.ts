/** Where the files of a log come from. The checks know nothing else of the world, so they run wherever bytes can be fetched. */
import { decodeBundle } from '@countersign/tlog/bundle'
import type { Sha256 } from '@countersign/tlog/hash'
import type { Ed25519Verify, MlDsa44Verify } from '@countersign/tlog/key'
import { HASH_BYTES } from '@countersign/tlog/hash'
import { TILE_WIDTH, tilePath } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'

export interface LogSource {
  /** The bytes at a path below the log's prefix; `undefined` when there is no such file. Any other trouble is thrown. */
  readonly read: (path: string) => Uint8Array | undefined | Promise<Uint8Array | undefined>
  /** As `read`, but the bytes lie in `room` until it is lent again; absent where that saves nothing. */
  readonly readInto?: (path: string, room: Room) => Uint8Array | undefined
  /** All files below the prefix; absent where they cannot be listed, as over HTTP. */
  readonly list?: () => Promise<readonly string[]>
  /** Widths of the partial tiles in a folder such as `tile/0/001.p`; absent where it cannot be listed. */
  readonly widths?: (folder: string) => readonly number[]
}

/** Memory that is lent to read one file after the other: fresh memory for each takes the machine longer than reading it. */
export interface Room {
  bytes: Uint8Array
}

/** SHA-256 of `data`, its 32 bytes written to `target` from `at` on: what is hashed a million times should allocate nothing. */
export type Sha256Into = (data: Uint8Array, target: Uint8Array, at: number) => void

/** The primitives, passed in because each platform has fast ones of its own. */
export interface Crypto {
  readonly sha256: Sha256
  readonly sha256Into: Sha256Into
  readonly ed25519Verify: Ed25519Verify
  /** Where there is none, keys of type 0x06 count as unknown. */
  readonly verifyMlDsa44?: MlDsa44Verify | undefined
}

/** The bytes of a tile or bundle. A partial one may have given way to a wider one since the checkpoint: then that is cut to width. */
export async function readTile(
  source: LogSource,
  tile: Tile,
  room?: Room,
): Promise<Uint8Array | undefined> {
  const path = tilePath(tile)
  const exact =
    room === undefined || source.readInto === undefined
      ? await source.read(path)
      : source.readInto(path, room)
  if (exact !== undefined || tile.width === TILE_WIDTH) return exact
  const full = tilePath({ ...tile, width: TILE_WIDTH })
  const wider = (source.widths?.(`${full}.p`) ?? []).filter((width) => width > tile.width)
  for (const width of [TILE_WIDTH, ...wider]) {
    const bytes = await source.read(tilePath({ ...tile, width }))
    if (bytes !== undefined) return cutTile(bytes, tile)
  }
  return undefined
}

/** The first `width` hashes or entries of a wider tile; all of it when it is too short or unreadable, which the caller will find. */
export function cutTile(bytes: Uint8Array, { level, width }: Tile): Uint8Array {
  if (level !== 'entries') return bytes.subarray(0, width * HASH_BYTES)
  try {
    const last = decodeBundle(bytes)[width - 1]
    return last === undefined
      ? bytes
      : bytes.subarray(0, last.byteOffset - bytes.byteOffset + last.length)
  } catch {
    // Unreadable is not silent: the caller decodes these same bytes and reports why.
    return bytes
  }
}
