/**
 * A published log (C2SP tlog-tiles), read with suspicion: nothing leaves here that a signed checkpoint does not cover.
 * Holds no state but where the log is and which keys are trusted for it.
 */
import { decodeBundle } from '@countersign/tlog/bundle'
import { CompactRange } from '@countersign/tlog/compact-range'
import { hashLeaf } from '@countersign/tlog/hash'
import type { VerifierKey } from '@countersign/tlog/key'
import { inclusionProofAsync, verifyInclusion } from '@countersign/tlog/proof'
import { NOTE_BYTES_MAX } from '@countersign/tlog/note'
import { openCheckpoint } from '@countersign/tlog/signed-checkpoint'
import { toTreeSize } from '@countersign/tlog/size'
import {
  checkTileBytes,
  nodeFromTile,
  placeOfNode,
  tilePath,
  tileWidth,
  TILE_WIDTH,
} from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { QUORUM_NONE } from '@countersign/tlog/witness-policy'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'
import { ed25519Verify, mlDsa44, sha256 } from '../cryptography.ts'
import { broken, FollowError, messageOf } from './errors.ts'
import type { LogSource } from './log-source.ts'

/** A checkpoint whose signature verified. `note` is the whole of it, as published. */
export interface Head {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
}

/** An entry with its 0-based place, and the proof that it is in the tree of `head`, already verified. */
export interface ProvenEntry {
  readonly index: number
  readonly entry: Uint8Array
  readonly head: Head
  readonly proof: readonly Uint8Array[]
}

export interface PublishedLog {
  readonly source: LogSource
  readonly keys: readonly VerifierKey[]
  /** What must have signed a checkpoint besides: a quorum of witnesses. */
  readonly policy?: WitnessPolicy | undefined
}

/**
 * Reads the checkpoint and verifies its signature.
 * @throws {FollowError} `FOLLOW_UNREADABLE` when there is none; `FOLLOW_BROKEN` when it is not signed by a trusted key
 */
export async function readHead(log: PublishedLog): Promise<Head> {
  const { source } = log
  const bytes = await source.read('checkpoint', NOTE_BYTES_MAX)
  if (bytes === undefined) {
    throw new FollowError(
      'FOLLOW_UNREADABLE',
      `could not read the log: ${source.name} has no checkpoint`,
      {
        hint: 'is it the folder or URL of a log? one that was just made publishes at its first start',
      },
    )
  }
  try {
    return await openHead(bytes, log)
  } catch (cause) {
    throw broken(
      `the checkpoint of ${source.name} is not to be trusted: ${messageOf(cause)}`,
      cause,
    )
  }
}

/** A checkpoint as it was published, verified. @throws {TlogError} */
export async function openHead(
  bytes: Uint8Array,
  { keys, policy }: Pick<PublishedLog, 'keys' | 'policy'>,
): Promise<Head> {
  const { checkpoint } = await openCheckpoint(bytes, {
    policy: policy ?? {
      logs: keys.map((key) => ({ key })),
      witnesses: [],
      groups: [],
      quorum: QUORUM_NONE,
    },
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44: mlDsa44.verify,
  })
  const { origin, root } = checkpoint
  return {
    origin,
    root,
    size: toTreeSize(checkpoint.size),
    note: Buffer.from(bytes).toString('utf8'),
  }
}

/**
 * The entries of one bundle in the tree of `head`: not verified yet, a caller must hash them up to the root.
 * @param index which bundle: entry number divided by 256.
 * @throws {FollowError} `FOLLOW_BROKEN` when it is missing or malformed
 */
export async function readBundle(
  log: PublishedLog,
  head: Head,
  index: number,
): Promise<Uint8Array[]> {
  const width = tileWidth(head.size, 'entries', index)
  const path = tilePath({ level: 'entries', index, width })
  const bytes = await readTileFile(log, head, { level: 'entries', index })
  try {
    const entries = decodeBundle(bytes)
    if (entries.length < width) throw new Error(`it holds ${entries.length} entries, not ${width}`)
    return entries.slice(0, width)
  } catch (cause) {
    throw broken(`${path} is malformed: ${messageOf(cause)}`, cause)
  }
}

/**
 * One entry with its proof, checked.
 * @throws {FollowError} `FOLLOW_RANGE` past the end of the log; `FOLLOW_BROKEN` when the entry is not in the signed tree
 */
export async function readProven(
  log: PublishedLog,
  head: Head,
  index: number,
): Promise<ProvenEntry> {
  if (index >= head.size) {
    throw new FollowError(
      'FOLLOW_RANGE',
      `could not find record ${index}: the log has ${head.size}, counted from 0`,
    )
  }
  const entry = (await readBundle(log, head, Math.floor(index / TILE_WIDTH)))[index % TILE_WIDTH]
  if (entry === undefined) throw broken(`record ${index} is missing`)
  try {
    const readNode = nodeReader(log, head)
    const proof = await inclusionProofAsync(index, head.size, { sha256, readNode })
    const leafHash = hashLeaf(sha256, entry)
    verifyInclusion(
      { index: BigInt(index), size: BigInt(head.size), leafHash, root: head.root, proof },
      sha256,
    )
    return { index, entry, head, proof }
  } catch (cause) {
    if (cause instanceof FollowError) throw cause
    throw broken(`record ${index} is not what was signed: ${messageOf(cause)}`, cause)
  }
}

/**
 * The edge of the tree at `size`, from the tiles under `head`. Not verified: it becomes so when, grown by the entries up
 * to `head.size`, it gives the signed root.
 */
export async function readEdge(log: PublishedLog, head: Head, size: number): Promise<CompactRange> {
  const readNode = nodeReader(log, head)
  const hashes: Uint8Array[] = []
  let covered = 0
  for (let level = 52; level >= 0; level -= 1) {
    const span = 2 ** level
    if (Math.floor(size / span) % 2 === 0) continue
    hashes.push(await readNode(level, covered / span))
    covered += span
  }
  return CompactRange.from(size, hashes, sha256)
}

function nodeReader(
  log: PublishedLog,
  head: Head,
): (level: number, index: number) => Promise<Uint8Array> {
  const tiles = new Map<string, Promise<Uint8Array>>()
  return async (level, index) => {
    const place = placeOfNode(level, index)
    const width = tileWidth(head.size, place.level, place.index)
    const path = tilePath({ level: place.level, index: place.index, width })
    const tile = tiles.get(path) ?? readTileFile(log, head, place)
    tiles.set(path, tile)
    try {
      const bytes = await tile
      checkTileBytes(bytes)
      return nodeFromTile(sha256, bytes, place)
    } catch (cause) {
      if (cause instanceof FollowError) throw cause
      throw broken(`${path} is malformed: ${messageOf(cause)}`, cause)
    }
  }
}

/**
 * A partial tile may be gone: once the full one is there, or a wider one of a log that has grown since. Both begin with the same bytes,
 * and whoever reads them takes no more than its own head stands for.
 */
async function readTileFile(
  log: PublishedLog,
  head: Head,
  { level, index }: Pick<Tile, 'level' | 'index'>,
): Promise<Uint8Array> {
  const { source } = log
  const pathAt = (width: number): string => tilePath({ level, index, width })
  for (let { size } = head; ;) {
    const width = tileWidth(size, level, index)
    const bytes = (await source.read(pathAt(width))) ?? (await source.read(pathAt(TILE_WIDTH)))
    if (bytes !== undefined) return bytes
    const now = await readHead(log)
    if (now.size <= size) throw broken(`${pathAt(width)} is missing from ${source.name}`)
    size = now.size
  }
}
