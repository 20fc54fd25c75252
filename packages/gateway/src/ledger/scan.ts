/**
 * Reads the write-ahead log back, frame by frame, and decides what a bad one means. Only the last frame that was written can
 * be torn, because each is synced before the next is begun; anything else is damage, and stops the process.
 */
import { readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { corrupt } from './errors.ts'
import {
  decodeFrame,
  decodeFrameHeader,
  decodeSegmentHeader,
  FRAME_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
} from './frame.ts'
import type { Frame, SegmentHeader } from './frame.ts'
import { segmentNumber } from './layout.ts'
import { withFileSync } from './open-file.ts'

/** Disks write sectors of this size whole or not at all. */
const SECTOR_BYTES = 512

/** A frame as it was found. */
export interface FoundFrame extends Frame {
  readonly path: string
  readonly offset: number
}

export interface FoundSegment {
  readonly path: string
  readonly header: SegmentHeader
  /** Index of its first record; undefined while it holds no frame. */
  readonly firstIndex: number | undefined
  /** Where the next frame goes. */
  readonly end: number
}

/** A last frame that was not wholly written; it was never acknowledged. */
export interface Tear {
  readonly path: string
  readonly offset: number
  /** Bytes to overwrite with zeros. */
  readonly bytes: number
}

export interface Scan {
  readonly segments: readonly FoundSegment[]
  readonly tear: Tear | undefined
}

/**
 * Reads all segments of a folder in order.
 * @param onFrame is told of each whole frame; what it throws stops the scan.
 * @throws {LedgerError} `LEDGER_CORRUPT` with file and byte for anything but a torn last frame.
 */
export function scanWal(folder: string, onFrame: (frame: FoundFrame) => void): Scan {
  const segments: FoundSegment[] = []
  let tear: Tear | undefined
  for (const path of segmentPaths(folder)) {
    const { segment, buffer } = readSegment(path, segments.at(-1))
    const found = scanFrames(segment, buffer, onFrame)
    if (tear !== undefined && (found.firstIndex !== undefined || found.end !== lastUsed(buffer))) {
      throw corrupt(
        { path: tear.path, byte: tear.offset },
        `a damaged frame, and ${path} holds later ones`,
      )
    }
    tear ??= tearOf(found, buffer)
    segments.push(found)
  }
  return { segments, tear }
}

function segmentPaths(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => segmentNumber(name) !== undefined)
    .toSorted()
    .map((name) => join(folder, name))
}

function readSegment(
  path: string,
  before: FoundSegment | undefined,
): { segment: FoundSegment; buffer: Buffer } {
  const buffer = readWhole(path)
  const header = decodeSegmentHeader(buffer)
  if (header === undefined) throw corrupt({ path, byte: 0 }, 'its header is damaged')
  if (header.number !== segmentNumber(path.slice(path.lastIndexOf('/') + 1))) {
    throw corrupt({ path, byte: 16 }, `it is segment ${header.number} under another name`)
  }
  if (before !== undefined && header.number !== before.header.number + 1) {
    throw corrupt({ path, byte: 16 }, `segment ${before.header.number + 1} before it is missing`)
  }
  // Segments are allocated whole before their first frame: a shorter one has lost its end.
  if (buffer.length !== header.bytes) {
    throw corrupt(
      { path, byte: buffer.length },
      `it is ${buffer.length} bytes long, and was ${header.bytes}`,
    )
  }
  return { segment: { path, header, firstIndex: undefined, end: SEGMENT_HEADER_BYTES }, buffer }
}

function scanFrames(
  segment: FoundSegment,
  buffer: Buffer,
  onFrame: (frame: FoundFrame) => void,
): FoundSegment {
  let at = segment.end
  let firstIndex: number | undefined
  for (;;) {
    const header = decodeFrameHeader(buffer, at, segment.header.marker)
    const frame = header === undefined ? undefined : decodeFrame(buffer, at, header)
    if (frame === undefined) return { ...segment, firstIndex, end: at }
    onFrame({ ...frame, path: segment.path, offset: at })
    firstIndex ??= frame.firstIndex
    at += frame.bytes
  }
}

/** What lies behind the last whole frame of a segment: nothing, or a torn frame; anything else is thrown. */
function tearOf(segment: FoundSegment, buffer: Buffer): Tear | undefined {
  const { path, end } = segment
  const used = lastUsed(buffer)
  if (used <= end) return undefined
  const later = findFrameAfter(segment, buffer)
  if (later !== undefined) {
    throw corrupt({ path, byte: end }, `a damaged frame, and a later one follows at byte ${later}`)
  }
  const header = decodeFrameHeader(buffer, end, segment.header.marker)
  const extent = header === undefined ? used : Math.min(end + header.bytes, buffer.length)
  if (used > extent) throw corrupt({ path, byte: extent }, 'bytes that belong to no frame')
  // Not even the header is all there; a whole frame is longer than that, and does not end in zeros.
  const isHeaderCut = header === undefined && used < end + FRAME_HEADER_BYTES
  if (!isHeaderCut && !looksTorn(buffer, end, extent)) {
    // Every sector was written, so the frame was whole once: it may have been acknowledged.
    throw corrupt(
      { path, byte: end },
      'the last frame was written whole and has been damaged since',
    )
  }
  return { path, offset: end, bytes: used - end }
}

/** The header of a frame is written only after the frame before it was synced. */
function findFrameAfter({ end, header }: FoundSegment, buffer: Buffer): number | undefined {
  let at = buffer.indexOf(header.marker, end + 1)
  while (at >= 0) {
    if (decodeFrameHeader(buffer, at, header.marker) !== undefined) return at
    at = buffer.indexOf(header.marker, at + 1)
  }
  return undefined
}

/** A write that did not finish leaves its end, or some whole sectors, as they were: zero. */
function looksTorn(buffer: Buffer, start: number, end: number): boolean {
  if (buffer[end - 1] === 0) return true
  for (let at = start; at < end;) {
    const next = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES)
    if (isZero(buffer, at, next)) return true
    at = next
  }
  return false
}

function isZero(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at] !== 0) return false
  return true
}

/** One past the last byte that is not zero, and at least the end of the header. */
function lastUsed(buffer: Buffer): number {
  const words = new BigUint64Array(buffer.buffer, buffer.byteOffset, Math.floor(buffer.length / 8))
  let word = words.length
  if (buffer.length % 8 === 0) while (word > 0 && words[word - 1] === 0n) word -= 1
  let at = buffer.length % 8 === 0 ? word * 8 : buffer.length
  while (at > SEGMENT_HEADER_BYTES && buffer[at - 1] === 0) at -= 1
  return Math.max(at, SEGMENT_HEADER_BYTES)
}

function readWhole(path: string): Buffer {
  const { size } = statSync(path)
  // Aligned, for the search from the end.
  const buffer = Buffer.from(new ArrayBuffer(size))
  withFileSync(path, 'r', (file) => {
    for (let at = 0; at < size;) {
      const got = readSync(file, buffer, at, size - at, at)
      if (got === 0) throw corrupt({ path, byte: at }, 'it became shorter while it was read')
      at += got
    }
  })
  return buffer
}
