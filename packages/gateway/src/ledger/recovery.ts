/**
 * Opens a log after any end of the process before: tiles up to the published checkpoint, then the write-ahead log. Every
 * frame is checked (checksums, indexes, root); what cannot be explained by a crash stops the process.
 */
import { readdir, readFile, rm, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import type { VerifierKey } from '@countersign/tlog/key'
import { parseNote } from '@countersign/tlog/note'
import { toTreeSize } from '@countersign/tlog/size'
import { syncDirectory } from '../platform.ts'
import { faultOf } from './entries.ts'
import { corrupt, CORRUPT_HINT, LedgerError, messageOf, systemError } from './errors.ts'
import type { Layout } from './layout.ts'
import { PRIVATE_FOLDER_MODE } from './layout.ts'
import { openSigned } from './log-keys.ts'
import { scanWal } from './scan.ts'
import type { FoundFrame, Scan } from './scan.ts'
import { TileStore } from './tile-store.ts'
import { Tree } from './tree.ts'
import { cutTear, removeHalfPrepared, syncSegments, Wal } from './wal.ts'

/** A published head: the signed note as it is in `log/checkpoint`, and what it says. */
export interface Head {
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
}

export interface Recovered {
  readonly tree: Tree
  readonly wal: Wal
  readonly tiles: TileStore
  /** Undefined before the first publication. */
  readonly published: Head | undefined
  /** Bytes of a torn last frame that were cut. */
  readonly tornBytes: number
}

export interface RecoverOptions {
  readonly origin: string
  readonly segmentBytes: number
  /** When there are any, the checkpoint on disk must verify under one of them. */
  readonly logKeys: readonly VerifierKey[]
}

/**
 * Loads the state of a log.
 * @throws {LedgerError} `LEDGER_CORRUPT` with file and byte; `LEDGER_SPLIT` when fewer records are durable than were published.
 */
export async function recover(layout: Layout, options: RecoverOptions): Promise<Recovered> {
  try {
    return await load(layout, options)
  } catch (error) {
    throw systemError('LEDGER_IO', `could not open the log in ${layout.dataDir}`, error)
  }
}

async function load(layout: Layout, options: RecoverOptions): Promise<Recovered> {
  await rm(layout.temporary, { recursive: true, force: true })
  await mkdir(layout.temporary, { recursive: true, mode: PRIVATE_FOLDER_MODE })
  await removeHalfPrepared(layout.wal)
  const published = await readHead(layout, options)
  const tiles = new TileStore(layout)
  const tree = await loadTree(layout, tiles, published)
  const replay = new Replay(tree, published)
  const scan = scanWal(layout.wal, (frame) => replay.apply(frame))
  replay.finish(layout.wal, scan)
  // From here on the folder is changed: a refused log was left exactly as it was found.
  if (scan.tear !== undefined) cutTear(scan.tear)
  syncSegments(scan)
  await syncDirectory(layout.wal)
  const wal = await Wal.open(layout.wal, { segmentBytes: options.segmentBytes, scan })
  for (const place of replay.places(scan)) wal.remember(place.frame, place.header)
  return { tree, wal, tiles, published, tornBytes: scan.tear?.bytes ?? 0 }
}

/** Takes frames in order: the published ones are only checked, the others are applied to the tree. */
class Replay {
  readonly #tree: Tree
  readonly #published: Head | undefined
  /** One past the last record seen; undefined before the first frame. */
  #end: number | undefined
  readonly #frames: { path: string; offset: number; firstIndex: number }[] = []

  constructor(tree: Tree, published: Head | undefined) {
    this.#tree = tree
    this.#published = published
  }

  apply(frame: FoundFrame): void {
    const publishedSize = this.#published?.size ?? 0
    const end = frame.firstIndex + frame.count
    const place = { path: frame.path, byte: frame.offset }
    const expected = this.#end ?? Math.min(frame.firstIndex, publishedSize)
    if (frame.firstIndex !== expected) {
      throw corrupt(place, `its first record is ${frame.firstIndex}, and ${expected} comes next`)
    }
    const fault = faultOf(frame)
    if (fault !== undefined) throw corrupt(place, fault)
    if (end > publishedSize) {
      if (frame.firstIndex < publishedSize) {
        throw corrupt(
          place,
          `the checkpoint of size ${publishedSize} lies inside its records ${frame.firstIndex} to ${end - 1}`,
        )
      }
      this.#tree.apply(frame.entries)
    }
    const root =
      end > publishedSize
        ? this.#tree.root()
        : end === publishedSize
          ? this.#published?.root
          : undefined
    if (root !== undefined && !frame.root.equals(root))
      throw corrupt(place, 'its root is not that of the tree up to it')
    this.#end = end
    this.#frames.push({ path: frame.path, offset: frame.offset, firstIndex: frame.firstIndex })
  }

  /** Compares where the log ends with what was published. */
  finish(folder: string, scan: Scan): void {
    const size = this.#published?.size ?? 0
    const end = this.#end ?? 0
    if (end >= size) return
    const last = scan.segments.at(-1)
    const where =
      last === undefined
        ? `${folder} holds no segment`
        : `the write-ahead log ends at record ${end}`
    throw new LedgerError(
      'LEDGER_SPLIT',
      `could not open the log: ${where}, and ${size} records are signed and published`,
      {
        hint: CORRUPT_HINT,
      },
    )
  }

  *places(scan: Scan): Generator<{
    frame: { path: string; offset: number; firstIndex: number }
    header: Scan['segments'][number]['header']
  }> {
    const headers = new Map(scan.segments.map(({ path, header }) => [path, header]))
    for (const frame of this.#frames) {
      const header = headers.get(frame.path)
      if (header !== undefined) yield { frame, header }
    }
  }
}

/** The checkpoint in the log's folder. @throws {LedgerError} `LEDGER_CORRUPT` when it is not one of this log. */
export async function readHead(
  layout: Layout,
  options: Pick<RecoverOptions, 'origin' | 'logKeys'>,
): Promise<Head | undefined> {
  if (!(await readdir(layout.log)).includes('checkpoint')) return undefined
  const note = await readFile(layout.checkpoint, 'utf8').catch((error: unknown) => {
    throw systemError('LEDGER_IO', `could not read ${layout.checkpoint}`, error)
  })
  const place = { path: layout.checkpoint, byte: 0 }
  try {
    const { logKeys: keys } = options
    const { text } = keys.length === 0 ? parseNote(note) : await openSigned(note, keys)
    const { origin, size, root } = parseCheckpoint(text)
    if (origin !== options.origin) throw corrupt(place, `it is a checkpoint of ${origin}`)
    return { size: toTreeSize(size), root, note }
  } catch (error) {
    if (error instanceof LedgerError) throw error
    throw corrupt(place, messageOf(error))
  }
}

async function loadTree(
  layout: Layout,
  tiles: TileStore,
  published: Head | undefined,
): Promise<Tree> {
  if (published === undefined) return new Tree()
  const tree = await Tree.load(published.size, async (tile) => tiles.readTile(tile))
  if (!Buffer.from(published.root).equals(tree.root())) {
    throw corrupt(
      { path: join(layout.log, 'tile'), byte: 0 },
      `the partial tiles of size ${published.size} lead to another root than the checkpoint; countersign verify names the tile`,
    )
  }
  return tree
}
