/**
 * The bytes of the write-ahead log: segment headers and frames (docs/spec/wal.md). A frame is trusted only when both its
 * checksums hold; the caller checks its indexes and its root. Nothing here touches a file.
 */
import { crc32c } from '@node-rs/crc32'
import { FRAME_OVERHEAD_BYTES } from './limits.ts'

const SEGMENT_MAGIC = Buffer.from('CSWAL v1', 'latin1')
const FRAME_VERSION = 1
const ROOT_BYTES = 32
const CRC_BYTES = 4
/** Never zero, so that a frame whose end was not written is told from one that was damaged. */
const END_MARK = 0xa5_96_5a_69

/** Bytes of a frame before its entries. */
export const FRAME_HEADER_BYTES = 36
/** Bytes before the first frame of a segment. */
export const SEGMENT_HEADER_BYTES = 32
/** Bytes of the marker that starts each frame of a segment. */
export const MARKER_BYTES = 8

export interface SegmentHeader {
  readonly number: number
  /**
   * Random, and the magic of each frame of this segment: content that a stranger sent, or a frame of another segment, cannot
   * pose as a frame of this one.
   */
  readonly marker: Buffer
  readonly bytes: number
}

/** One group as it was committed. Sections are views. */
export interface Frame {
  readonly firstIndex: number
  readonly count: number
  readonly entries: Buffer
  readonly addenda: Buffer
  /** The root of the tree once this group is in it. */
  readonly root: Buffer
  /** Bytes of the frame in the segment. */
  readonly bytes: number
}

export interface FrameHeader {
  readonly firstIndex: number
  readonly count: number
  readonly entriesBytes: number
  readonly addendaBytes: number
  readonly bytes: number
}

/** The header of a segment of `bytes` bytes. */
export function encodeSegmentHeader({ number, marker, bytes }: SegmentHeader): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(header)
  marker.copy(header, 8)
  putUint64(header, number, 16)
  header.writeUInt32BE(bytes, 24)
  header.writeUInt32BE(crc32c(header.subarray(0, 28)), 28)
  return header
}

/** Reads the header of a segment; undefined when its magic or its checksum does not hold. */
export function decodeSegmentHeader(buffer: Buffer): SegmentHeader | undefined {
  if (buffer.length < SEGMENT_HEADER_BYTES) return undefined
  if (!buffer.subarray(0, 8).equals(SEGMENT_MAGIC)) return undefined
  if (crc32c(buffer.subarray(0, 28)) !== buffer.readUInt32BE(28)) return undefined
  const marker = Buffer.from(buffer.subarray(8, 16))
  return { marker, number: getUint64(buffer, 16), bytes: buffer.readUInt32BE(24) }
}

/** Bytes of a frame with sections of these sizes. */
export function frameBytes(entriesBytes: number, addendaBytes: number): number {
  return FRAME_OVERHEAD_BYTES + entriesBytes + addendaBytes
}

/** What stands at the start of a frame. */
export interface FrameStart {
  readonly marker: Buffer
  readonly firstIndex: number
  readonly count: number
  readonly entriesBytes: number
  readonly addendaBytes: number
}

/** Writes the header of a frame at the start of `frame`; returns where the entries go. */
export function putFrameHeader(frame: Buffer, start: FrameStart): number {
  start.marker.copy(frame)
  frame.writeUInt32BE(FRAME_VERSION, 8)
  frame.writeUInt32BE(start.count, 12)
  putUint64(frame, start.firstIndex, 16)
  frame.writeUInt32BE(start.entriesBytes, 24)
  frame.writeUInt32BE(start.addendaBytes, 28)
  frame.writeUInt32BE(crc32c(frame.subarray(0, 32)), 32)
  return FRAME_HEADER_BYTES
}

/** Writes root, checksum and end mark behind the sections, at `at`; returns the bytes of the whole frame. */
export function putFrameEnd(frame: Buffer, at: number, root: Uint8Array): number {
  frame.set(root, at)
  frame.writeUInt32BE(crc32c(frame.subarray(0, at + ROOT_BYTES)), at + ROOT_BYTES)
  frame.writeUInt32BE(END_MARK, at + ROOT_BYTES + CRC_BYTES)
  return at + ROOT_BYTES + CRC_BYTES + 4
}

/** Reads the header at `at`; undefined unless marker, version and checksum hold. */
export function decodeFrameHeader(
  buffer: Buffer,
  at: number,
  marker: Buffer,
): FrameHeader | undefined {
  if (at + FRAME_HEADER_BYTES > buffer.length) return undefined
  if (buffer.compare(marker, 0, MARKER_BYTES, at, at + MARKER_BYTES) !== 0) return undefined
  if (crc32c(buffer.subarray(at, at + 32)) !== buffer.readUInt32BE(at + 32)) return undefined
  if (buffer.readUInt32BE(at + 8) !== FRAME_VERSION) return undefined
  const entriesBytes = buffer.readUInt32BE(at + 24)
  const addendaBytes = buffer.readUInt32BE(at + 28)
  return {
    firstIndex: getUint64(buffer, at + 16),
    count: buffer.readUInt32BE(at + 12),
    entriesBytes,
    addendaBytes,
    bytes: frameBytes(entriesBytes, addendaBytes),
  }
}

/** Reads the frame at `at` behind a header that holds; undefined when it is cut short or its checksum fails. */
export function decodeFrame(buffer: Buffer, at: number, header: FrameHeader): Frame | undefined {
  const end = at + header.bytes
  if (end > buffer.length) return undefined
  if (buffer.readUInt32BE(end - 4) !== END_MARK) return undefined
  if (crc32c(buffer.subarray(at, end - 8)) !== buffer.readUInt32BE(end - 8)) return undefined
  const entries = at + FRAME_HEADER_BYTES
  const addenda = entries + header.entriesBytes
  return {
    firstIndex: header.firstIndex,
    count: header.count,
    entries: buffer.subarray(entries, addenda),
    addenda: buffer.subarray(addenda, addenda + header.addendaBytes),
    root: buffer.subarray(end - 8 - ROOT_BYTES, end - 8),
    bytes: header.bytes,
  }
}

/** Writes a size or an index as uint64. Sizes are safe integers (tlog `TreeSize`). */
export function putUint64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32BE(Math.floor(value / 2 ** 32), at)
  buffer.writeUInt32BE(value % 2 ** 32, at + 4)
}

/** Reads a uint64 as a number; over 2^53-1 it is not exact, and matches no index that was written. */
export function getUint64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
}
