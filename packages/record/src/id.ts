/**
 * Ids of records: UUIDv7, so that they sort by time. One generator never makes an id that sorts at or before an earlier one of its
 * own, also within a millisecond and when the clock goes back. What is lost with a generator is only that promise: ids stay unique.
 */
import { openRandom } from './salt.ts'
import type { FillRandom } from './salt.ts'

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const TIME_MS_MAX = 2 ** 48 - 1
const COUNTER_MAX = 0xf_ff

const HEX_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)

/**
 * Opens a generator of UUIDv7 ids, monotonic: a 12-bit counter, started at random below half its range, follows the milliseconds.
 * @param options.nowMs milliseconds since the epoch; when it goes back, ids keep the latest time seen.
 * @param options.random fills an array with random bytes; the platform's cryptographic source when absent.
 * @see RFC 9562, sections 5.7 and 6.2 (method 1)
 */
export function openIds({
  nowMs,
  random,
}: {
  nowMs: () => number
  random?: FillRandom
}): () => string {
  const take = openRandom(random)
  let lastMs = -1
  let counter = 0
  let timePart = ''
  return () => {
    const now = checkTime(Math.floor(nowMs()))
    if (now > lastMs || counter === COUNTER_MAX) {
      // A millisecond that is full borrows from the next one, so the order holds at any rate.
      lastMs = now > lastMs ? now : lastMs + 1
      const seed = take(2)
      counter = ((byteAt(seed, 0) << 8) | byteAt(seed, 1)) & (COUNTER_MAX >> 1)
      timePart = formatTime(lastMs)
    } else counter++
    const bytes = take(8)
    const variant = (byteAt(bytes, 0) & 0x3f) | 0x80
    return (
      `${timePart}-7${hexAt(counter >>> 8).slice(1)}${hexAt(counter & 0xff)}-${hexAt(variant)}${hexAt(byteAt(bytes, 1))}-` +
      hexAt(byteAt(bytes, 2)) +
      hexAt(byteAt(bytes, 3)) +
      hexAt(byteAt(bytes, 4)) +
      hexAt(byteAt(bytes, 5)) +
      hexAt(byteAt(bytes, 6)) +
      hexAt(byteAt(bytes, 7))
    )
  }
}

/** Whether a text is a UUIDv7 as we write them: lower-case, with hyphens. */
export function isId(text: string): boolean {
  return ID.test(text)
}

/** The milliseconds since the epoch that an id of `openIds` starts with. Meaningless for a text that is not `isId`. */
export function idTimeMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

function checkTime(ms: number): number {
  if (ms >= 0 && ms <= TIME_MS_MAX) return ms
  throw new RangeError(`could not make an id: 48 bits do not hold a clock of ${ms} ms`)
}

function formatTime(ms: number): string {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

function hexAt(byte: number): string {
  return HEX_OF_BYTE[byte] ?? ''
}
