/**
 * The drafts of one client, in the order of their `seq`: first those in flight, then those that wait. A draft leaves only when
 * it is durable; whoever waited for it may long have been told that nobody can wait.
 */
import type { AcknowledgementLevel } from '@countersign/record/vocabulary'
import { putAddendum, putEntry, sectionBytes } from './entries.ts'
import type { StoredAddendum } from './entries.ts'
import { appendRoom, wireLevel } from './protocol.ts'
import type { WireLevel } from './protocol.ts'

/** One draft in its final bytes, and who waits for it. */
export interface Waiting {
  readonly entry: Uint8Array
  readonly addenda: readonly StoredAddendum[]
  readonly bytes: number
  readonly level: AcknowledgementLevel
  /** Called for each level that the record reaches, up to `level`. */
  readonly reached: (level: AcknowledgementLevel, leafIndex: number) => void
  /** Also after it was called, the draft stays queued. */
  readonly reject: (error: Error) => void
}

export class DraftQueue {
  /** In flight: sent, and not yet known to be durable. */
  #sent: Waiting[] = []
  #queued: Waiting[] = []

  get size(): number {
    return this.#sent.length + this.#queued.length
  }

  get sent(): readonly Waiting[] {
    return this.#sent
  }

  get isIdle(): boolean {
    return this.#sent.length === 0
  }

  get queued(): number {
    return this.#queued.length
  }

  push(waiting: Waiting): void {
    this.#queued.push(waiting)
  }

  /** Takes as many drafts as one message may hold, and makes the message. At least one must be queued. */
  send(request: number, bytesMax: number): { message: Buffer; level: WireLevel } {
    let [bytes, count] = [0, 0]
    for (const draft of this.#queued) {
      if (count > 0 && bytes + draft.bytes > bytesMax) break
      bytes += draft.bytes
      count += 1
    }
    this.#sent = count === this.#queued.length ? this.#queued : this.#queued.slice(0, count)
    this.#queued = count === this.#queued.length ? [] : this.#queued.slice(count)
    return encode(request, this.#sent)
  }

  /** All that is in flight is durable from `firstIndex` on. */
  acknowledge(): readonly Waiting[] {
    const done = this.#sent
    this.#sent = []
    return done
  }

  /** The oldest draft in flight turned out to be durable. */
  shiftSent(): Waiting | undefined {
    return this.#sent.shift()
  }

  /** What is still in flight was not written: it goes first next time. */
  requeueSent(): void {
    this.#queued = [...this.#sent, ...this.#queued]
    this.#sent = []
  }

  /** Tells all who wait that they cannot; the drafts stay. */
  rejectAll(error: Error): void {
    for (const waiting of this.#sent) waiting.reject(error)
    for (const waiting of this.#queued) waiting.reject(error)
  }
}

function encode(
  request: number,
  drafts: readonly Waiting[],
): { message: Buffer; level: WireLevel } {
  let [entriesBytes, addendaBytes] = [0, 0]
  let level: WireLevel = 0
  for (const draft of drafts) {
    const inEntries = sectionBytes(draft.entry, [])
    entriesBytes += inEntries
    addendaBytes += draft.bytes - inEntries
    const asked = wireLevel(draft.level)
    if (asked > level) level = asked
  }
  const { message, entries, addenda } = appendRoom(request, {
    level,
    count: drafts.length,
    entriesBytes,
    addendaBytes,
  })
  let at = entries
  let addendaAt = addenda
  for (const draft of drafts) {
    at = putEntry(message, at, draft.entry)
    for (const addendum of draft.addenda) addendaAt = putAddendum(message, addendaAt, addendum)
  }
  return { message, level }
}
