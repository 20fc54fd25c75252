/** Reads durable frames back from the write-ahead log while it is being written, off the commit path. */
import { open } from 'node:fs/promises'
import { corrupt } from './errors.ts'
import { decodeFrame, decodeFrameHeader, FRAME_HEADER_BYTES } from './frame.ts'
import type { Frame } from './frame.ts'
import type { WalPlace } from './wal.ts'

const CHUNK_BYTES = 1024 * 1024

/**
 * The frames that hold records `from` up to `to`, in order; both are frame boundaries or lie inside the first and last. The
 * memory of a frame is used again: whoever keeps something of it beyond the next step copies it.
 * @param places as `Wal.placesFrom(from)` gave them; `to` is at most the durable size.
 * @throws {LedgerError} `LEDGER_CORRUPT` when a durable frame cannot be read back as it was written.
 */
export async function* readFrames(
  places: readonly WalPlace[],
  { from, to }: { from: number; to: number },
): AsyncGenerator<Frame, void, undefined> {
  let expected: number | undefined
  let segment = -1
  const room = { bytes: Buffer.alloc(0) }
  for (const place of places) {
    if (place.segment === segment || place.index >= to) continue
    segment = place.segment
    for await (const frame of readSegment(place, room)) {
      if (expected !== undefined && frame.firstIndex !== expected) {
        throw corrupt(
          { path: place.path, byte: place.offset },
          `record ${expected} does not follow`,
        )
      }
      expected = frame.firstIndex + frame.count
      if (expected > from) yield frame
      if (expected >= to) return
    }
  }
  throw corrupt(
    { path: places.at(-1)?.path ?? 'wal', byte: 0 },
    `record ${expected ?? from} was written and cannot be read back`,
  )
}

/** Fresh memory for each chunk would have the collector stop the commit path. */
interface Room {
  bytes: Buffer
}

async function* readSegment(
  { path, marker, offset }: WalPlace,
  room: Room,
): AsyncGenerator<Frame, void, undefined> {
  const file = await open(path, 'r')
  try {
    let at = offset
    let wanted = CHUNK_BYTES
    for (;;) {
      if (room.bytes.length < wanted) room.bytes = Buffer.allocUnsafeSlow(wanted)
      const { bytesRead } = await file.read(room.bytes, 0, wanted, at)
      const chunk = room.bytes.subarray(0, bytesRead)
      const { frames, used, more } = framesOf(chunk, marker)
      yield* frames
      at += used
      if (frames.length === 0 && more <= chunk.length) return
      wanted = Math.max(CHUNK_BYTES, more)
    }
  } finally {
    await file.close()
  }
}

/** Whole frames of a chunk; `more` is how many bytes the next one needs, at least. */
function framesOf(chunk: Buffer, marker: Buffer): { frames: Frame[]; used: number; more: number } {
  const frames: Frame[] = []
  let used = 0
  for (;;) {
    const header = decodeFrameHeader(chunk, used, marker)
    const isCut = chunk.length - used < FRAME_HEADER_BYTES && used > 0
    if (header === undefined) return { frames, used, more: isCut ? CHUNK_BYTES : 0 }
    const frame = decodeFrame(chunk, used, header)
    if (frame === undefined) return { frames, used, more: header.bytes }
    frames.push(frame)
    used += frame.bytes
  }
}
