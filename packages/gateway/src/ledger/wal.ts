/**
 * The write-ahead log: where a record first becomes durable. It holds what is not yet published, and the segment in use.
 * Lost with it: every acknowledged record since the last publication. An attacker who owns it can add records, and cut the
 * tail that is not yet signed; what is signed he cannot change without the signer noticing.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { link, open, readdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from '../platform.ts'
import { corrupt, DISK_HINT, LedgerError, systemError } from './errors.ts'
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  MARKER_BYTES,
  SEGMENT_HEADER_BYTES,
} from './frame.ts'
import type { SegmentHeader } from './frame.ts'
import { PRIVATE_FILE_MODE, segmentName } from './layout.ts'
import { withFileSync } from './open-file.ts'
import type { FoundSegment, Scan, Tear } from './scan.ts'

/** Zeros are written in pieces, so that a commit never waits behind 64 MiB of them. */
const ZERO_BYTES = 1024 * 1024

/** Every so many bytes a place is remembered from which frames can be read. */
const MARK_EVERY_BYTES = 1024 * 1024

/** A place in the log from which frames can be read, in order. */
export interface WalPlace {
  readonly index: number
  readonly segment: number
  readonly path: string
  readonly marker: Buffer
  readonly offset: number
}

interface Segment {
  readonly header: SegmentHeader
  readonly path: string
  readonly file: number
}

export class Wal {
  readonly #folder: string
  readonly #segmentBytes: number
  #current: Segment
  #offset: number
  #next: Promise<Segment> | undefined
  #prepared: Segment | undefined
  #places: WalPlace[] = []
  #retained: { number: number; path: string; firstIndex: number }[] = []

  private constructor(
    folder: string,
    segmentBytes: number,
    first: { segment: Segment; offset: number },
  ) {
    this.#folder = folder
    this.#segmentBytes = segmentBytes
    this.#current = first.segment
    this.#offset = first.offset
  }

  /** Takes up the log where the scan left it; a torn last frame has been cut before. */
  static async open(
    folder: string,
    { segmentBytes, scan }: { segmentBytes: number; scan: Scan },
  ): Promise<Wal> {
    const used = scan.segments.findLastIndex((segment) => segment.firstIndex !== undefined)
    const current = scan.segments[Math.max(used, 0)]
    const first =
      current === undefined
        ? {
            segment: await prepareSegment(folder, { number: 1, bytes: segmentBytes }),
            offset: SEGMENT_HEADER_BYTES,
          }
        : { segment: reopen(current), offset: current.end }
    const wal = new Wal(folder, segmentBytes, first)
    for (const segment of scan.segments) {
      if (segment.firstIndex === undefined) continue
      wal.#retain(segment, segment.firstIndex)
    }
    // Prepared before the last stop, and empty: the next one, if its size is still the one wanted.
    const [spare, ...rest] = current === undefined ? [] : scan.segments.slice(Math.max(used, 0) + 1)
    if (spare !== undefined && spare.header.bytes === segmentBytes) wal.#prepared = reopen(spare)
    else if (spare !== undefined) rest.unshift(spare)
    for (const extra of rest) await unlink(extra.path)
    wal.#prepareNext()
    return wal
  }

  /** The marker with which the next frame of `bytes` must start; rolls to the next segment when this one is full. */
  markerFor(bytes: number): Buffer {
    if (this.#offset + bytes > this.#current.header.bytes) this.#roll(bytes)
    return this.#current.header.marker
  }

  /**
   * Writes one frame and waits until it is on the disk: the commit. Synchronous, because waking a thread costs more than the
   * sync itself; meanwhile drafts pile up in the sockets, and make the next group larger.
   * @throws {LedgerError} `LEDGER_IO`, fatal: after a failed sync the kernel may hold lost pages for clean, so a retry lies.
   */
  commit(frame: Buffer, firstIndex: number): void {
    const { file, path, header } = this.#current
    try {
      const written = writeSync(file, frame, 0, frame.length, this.#offset)
      checkWritten(written, frame.length)
      fdatasyncSync(file)
    } catch (cause) {
      // A crash here leaves a torn frame, or a whole one that nobody was told of. Recovery knows both.
      throw new LedgerError('LEDGER_IO', `could not commit: ${path}, byte ${this.#offset}`, {
        cause,
        hint: DISK_HINT,
      })
    }
    if (this.#offset === SEGMENT_HEADER_BYTES) this.#retain({ header, path }, firstIndex)
    this.#mark(firstIndex)
    this.#offset += frame.length
  }

  /** Remembers a frame found at recovery, as `commit` does. */
  remember(
    frame: { path: string; offset: number; firstIndex: number },
    header: SegmentHeader,
  ): void {
    const last = this.#places.at(-1)
    const near =
      last !== undefined &&
      last.path === frame.path &&
      frame.offset < last.offset + MARK_EVERY_BYTES
    if (near) return
    const { path, offset, firstIndex: index } = frame
    this.#places.push({ index, segment: header.number, path, marker: header.marker, offset })
  }

  /** Places from the one at or before `index` to the end, one for each segment or more; empty when it is no longer here. */
  placesFrom(index: number): readonly WalPlace[] {
    const first = this.#places.findLastIndex((place) => place.index <= index)
    return first < 0 ? [] : this.#places.slice(first)
  }

  /** Bytes of all segments that hold records. */
  get bytes(): number {
    return this.#retained.length * this.#segmentBytes
  }

  /** Deletes the segments whose every record is below `size`. The caller has published them. */
  async dropBelow(size: number): Promise<void> {
    let dropped = 0
    // A segment is done when the one after it starts at or below `size`; the one in use always stays.
    for (
      let after = this.#retained[1];
      after !== undefined && after.firstIndex <= size;
      after = this.#retained[1]
    ) {
      const [done] = this.#retained
      if (done === undefined) break
      // Forgotten only once it is gone: a later one that goes before it would be a hole.
      await unlink(done.path).catch(unlessMissing)
      this.#retained.shift()
      this.#places = this.#places.filter((place) => place.segment !== done.number)
      dropped += 1
    }
    if (dropped > 0) await syncDirectory(this.#folder)
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => undefined)
    try {
      if (this.#prepared !== undefined) closeSync(this.#prepared.file)
      closeSync(this.#current.file)
    } catch (error) {
      throw systemError('LEDGER_IO', `could not close ${this.#current.path}`, error)
    }
  }

  #mark(firstIndex: number): void {
    const { path, header } = this.#current
    this.remember({ path, offset: this.#offset, firstIndex }, header)
  }

  #retain({ header, path }: { header: SegmentHeader; path: string }, firstIndex: number): void {
    this.#retained.push({ number: header.number, path, firstIndex })
  }

  #roll(bytes: number): void {
    const room = this.#segmentBytes - SEGMENT_HEADER_BYTES
    if (bytes > room)
      throw new LedgerError(
        'LEDGER_LIMIT',
        `could not commit: a frame of ${bytes} bytes, and a segment holds ${room}`,
      )
    const number = this.#current.header.number + 1
    try {
      // Usually ready long before. When it is not, the commit path pays for it: slow, and still right.
      const next =
        this.#prepared ?? prepareSegmentSync(this.#folder, { number, bytes: this.#segmentBytes })
      this.#prepared = undefined
      closeSync(this.#current.file)
      this.#current = next
    } catch (error) {
      const path = join(this.#folder, segmentName(number))
      throw systemError('LEDGER_IO', `could not make the next segment: ${path}`, error)
    }
    this.#offset = SEGMENT_HEADER_BYTES
    this.#prepareNext()
  }

  #prepareNext(): void {
    if (this.#prepared !== undefined || this.#next !== undefined) return
    const number = this.#current.header.number + 1
    const preparing = prepareSegment(this.#folder, { number, bytes: this.#segmentBytes })
    this.#next = preparing
    preparing.then(
      (segment) => {
        this.#next = undefined
        // The commit path may have overtaken us and made this very segment itself.
        if (segment.header.number === this.#current.header.number + 1) this.#prepared = segment
        else closeSync(segment.file)
      },
      () => {
        // Not fatal here: the roll tries again, synchronously, and that failure stops the process.
        this.#next = undefined
      },
    )
  }
}

/** Overwrites a torn last frame with zeros, durably. */
export function cutTear({ path, offset, bytes }: Tear): void {
  withFileSync(path, 'r+', (file) => {
    checkWritten(writeSync(file, Buffer.alloc(bytes), 0, bytes, offset), bytes)
    fsyncSync(file)
  })
}

/** Makes what recovery read durable: a frame may have been in the page cache only when the last process was killed. */
export function syncSegments(scan: Scan): void {
  for (const { path } of scan.segments) withFileSync(path, 'r+', fsyncSync)
}

/** Removes segments that were still being prepared when the last process ended. */
export async function removeHalfPrepared(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith('.wal.tmp')) await unlink(join(folder, name))
  }
}

function reopen({ header, path }: FoundSegment): Segment {
  return { header, path, file: openSync(path, 'r+') }
}

function plan(
  folder: string,
  { number, bytes }: { number: number; bytes: number },
): { path: string; draft: string; header: SegmentHeader } {
  const path = join(folder, segmentName(number))
  const draft = `${path}.${randomBytes(4).toString('hex')}.wal.tmp`
  return { path, draft, header: { number, bytes, marker: randomBytes(MARKER_BYTES) } }
}

/** A segment full of zeros, durable under its name, so that a commit changes data only and never the file system's books. */
async function prepareSegment(
  folder: string,
  options: { number: number; bytes: number },
): Promise<Segment> {
  const { path, draft, header } = plan(folder, options)
  try {
    const handle = await open(draft, 'wx', PRIVATE_FILE_MODE)
    try {
      const zeros = Buffer.alloc(ZERO_BYTES)
      for (let at = 0; at < header.bytes; at += ZERO_BYTES) {
        const wanted = Math.min(ZERO_BYTES, header.bytes - at)
        const { bytesWritten } = await handle.write(zeros, 0, wanted, at)
        checkWritten(bytesWritten, wanted)
        await handle.datasync()
      }
      await handle.write(encodeSegmentHeader(header), 0, SEGMENT_HEADER_BYTES, 0)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // Linked, not renamed: the commit path may have made this segment in the meantime, and must never lose it.
    await link(draft, path)
  } finally {
    await unlink(draft).catch(() => undefined)
  }
  await syncDirectory(dirname(path))
  return { header, path, file: openSync(path, 'r+') }
}

function prepareSegmentSync(folder: string, options: { number: number; bytes: number }): Segment {
  const { path, draft, header } = plan(folder, options)
  try {
    const file = openSync(draft, 'wx+', PRIVATE_FILE_MODE)
    const zeros = Buffer.alloc(ZERO_BYTES)
    for (let at = 0; at < header.bytes; at += ZERO_BYTES) {
      const wanted = Math.min(ZERO_BYTES, header.bytes - at)
      checkWritten(writeSync(file, zeros, 0, wanted, at), wanted)
    }
    writeSync(file, encodeSegmentHeader(header), 0, SEGMENT_HEADER_BYTES, 0)
    fsyncSync(file)
    closeSync(file)
    linkSync(draft, path)
  } catch (cause) {
    // Prepared in the background a moment ago, and whole: that one will do.
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    if (!isThere) throw cause
  } finally {
    rmSync(draft, { force: true })
  }
  // Whoever linked it: its name is durable before a commit relies on it.
  withFileSync(folder, 'r', fsyncSync)
  return openPrepared(path)
}

/** An attempt that failed and landed: what was to be removed is gone. */
function unlessMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

/** A disk that is nearly full writes less than it was asked to, without an error: then it is the error that the next byte would be. */
function checkWritten(written: number, wanted: number): void {
  if (written === wanted) return
  const message = `ENOSPC: wrote ${written} of ${wanted} bytes: the disk is full`
  throw Object.assign(new Error(message), { code: 'ENOSPC', syscall: 'write' })
}

function openPrepared(path: string): Segment {
  const file = openSync(path, 'r+')
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  readSync(file, bytes, 0, SEGMENT_HEADER_BYTES, 0)
  const header = decodeSegmentHeader(bytes)
  if (header === undefined) throw corrupt({ path, byte: 0 }, 'its header is damaged')
  return { header, path, file }
}
