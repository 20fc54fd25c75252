/**
 * What many gateways could send together, from one process: records encoded beforehand, as fast as the ledger takes them or at
 * a rate. One process with a client each could not encode, send and count so many beside the ledger it measures.
 */
import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Draft } from '@countersign/record/leaf'
import type { AcknowledgementLevel } from '@countersign/record/vocabulary'
import { sha256 } from '../../cryptography.ts'
import { putAddendum, putEntry, sectionBytes } from '../entries.ts'
import type { StoredAddendum } from '../entries.ts'
import { LedgerError } from '../errors.ts'
import { Link } from '../link.ts'
import { appendRoom } from '../protocol.ts'
import { makeDraft } from './setup.ts'

/** Records of one message, and messages under way at once. */
const MESSAGE_RECORDS = 256
const UNDER_WAY = 8

/** The loop of `flow` wakes so often; when it comes later than this, latency counts from when a record was due. */
const TICK_MS = 1
const LATE_MS = 2
/** Records of one message at most, however late the loop is. */
const LATE_RECORDS = 1024

/** Records that are encoded before they are sent: 20 MB of 512 bytes each. */
const SLICE_RECORDS = 40_000

export interface PourOptions {
  readonly socketPath: string
  readonly entryBytes: number
  /** Seals what each record reveals, before anything is timed; without it records reveal nothing. */
  readonly seal?: (draft: Draft) => Draft
}

/** Bytes that a record reveals, when it is to be sealed: about what a request does. */
const REVEALED = Buffer.alloc(300, 'r')

/**
 * As fast as the ledger takes them. Every record is another, and sessions stay gapless; records are encoded in slices of which only
 * the sending is timed, so that memory stays flat however many they are.
 * @param onSlice told after each slice of how many records are durable.
 * @returns durable records per second.
 */
export async function pour(
  { socketPath, records, ...kind }: PourOptions & { records: number },
  onSlice?: (durable: number) => Promise<void>,
): Promise<number> {
  const link = await open(socketPath)
  const encoded = new Records(kind)
  let elapsedMs = 0
  let durable = 0
  while (durable < records) {
    encoded.next(Math.min(SLICE_RECORDS, records - durable))
    const start = performance.now()
    let from = 0
    const worker = async (): Promise<void> => {
      while (from < encoded.count) {
        const to = Math.min(encoded.count, from + MESSAGE_RECORDS)
        const sent = send(link, encoded, { from, to, level: 'D0' })
        from = to
        await sent
      }
    }
    await Promise.all(Array.from({ length: UNDER_WAY }, worker))
    elapsedMs += performance.now() - start
    durable += encoded.count
    await onSlice?.(durable)
  }
  link.break(new LedgerError('LEDGER_CLOSED', 'done'))
  return (durable * 1000) / elapsedMs
}

/** How long each record took, in milliseconds, and how many came in a second. */
export interface Flow {
  readonly tookMs: Float64Array
  readonly perSecond: number
}

/**
 * At a rate, whether or not earlier records are done. What is due in one turn of the loop goes in one message.
 * @param level what a record waits for.
 */
export async function flow({
  socketPath,
  rate,
  level,
  seconds,
  ...kind
}: PourOptions & { rate: number; level: AcknowledgementLevel; seconds: number }): Promise<Flow> {
  const link = await open(socketPath)
  const encoded = new Records(kind)
  const count = rate * seconds
  encoded.next(count)
  const tookMs = new Float64Array(count)
  const underWay = new Set<Promise<void>>()
  const start = performance.now()
  for (let from = 0; from < count;) {
    const now = performance.now()
    const due = Math.min(count, Math.floor(((now - start) * rate) / 1000))
    while (from < due) {
      const since = from
      const to = Math.min(due, from + LATE_RECORDS)
      const done = send(link, encoded, { from, to, level }).then(() => {
        underWay.delete(done)
        const end = performance.now()
        for (let nth = since; nth < to; nth++) {
          const wasDue = start + (nth * 1000) / rate
          tookMs[nth] = end - (now - wasDue > LATE_MS ? wasDue : now)
        }
      })
      underWay.add(done)
      from = to
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  }
  await Promise.all(underWay)
  const perSecond = (count * 1000) / (performance.now() - start)
  link.break(new LedgerError('LEDGER_CLOSED', 'done'))
  return { tookMs, perSecond }
}

/** Entries of one session in one buffer, as they stand in a message. */
class Records {
  readonly #session = openIds({ nowMs: () => Date.now() })()
  readonly #fillerBytes: number
  readonly #seal: PourOptions['seal']
  #seq = 0
  #prev: string | undefined
  #section: Buffer = Buffer.alloc(0)
  /** Where each entry starts, and the last one ends. */
  #starts = new Uint32Array(1)
  /** The addenda of all records, one after the other, as they stand in a message; each record has one or none. */
  #addenda: StoredAddendum[] = []

  constructor({ entryBytes, seal }: Omit<PourOptions, 'socketPath'>) {
    this.#seal = seal
    const least = encodeDraft(makeDraft(), { session: this.#session, seq: 0 }, sha256).entry.length
    // What `prev` and a larger number take.
    this.#fillerBytes = Math.max(0, entryBytes - least - 60)
  }

  get count(): number {
    return this.#starts.length - 1
  }

  /** Encodes the next records of the session in place of the last ones. */
  next(count: number): void {
    const starts = new Uint32Array(count + 1)
    this.#addenda = []
    let at = 0
    for (let nth = 0; nth < count; nth++) {
      const { entry, addenda } = this.#encode()
      this.#addenda.push(...addenda)
      const end = at + sectionBytes(entry, [])
      if (end > this.#section.length) this.#grow(2 * end, at)
      at = putEntry(this.#section, at, entry)
      starts[nth + 1] = at
    }
    this.#starts = starts
  }

  /** The entries `from` up to `to`. */
  slice(from: number, to: number): Buffer {
    return this.#section.subarray(this.#starts[from], this.#starts[to])
  }

  addenda(from: number, to: number): readonly StoredAddendum[] {
    return this.#seal === undefined ? [] : this.#addenda.slice(from, to)
  }

  #encode(): { entry: Uint8Array; addenda: readonly StoredAddendum[] } {
    const draft =
      this.#seal === undefined
        ? makeDraft({ bytes: this.#fillerBytes })
        : this.#seal(makeDraft({ bytes: this.#fillerBytes, content: REVEALED }))
    const stamp = { session: this.#session, seq: this.#seq, prev: this.#prev }
    const { entry } = encodeDraft(draft, stamp, sha256)
    this.#seq += 1
    this.#prev = draft.leaf.id
    return { entry, addenda: draft.addenda }
  }

  #grow(bytes: number, used: number): void {
    const larger = Buffer.allocUnsafeSlow(bytes)
    this.#section.copy(larger, 0, 0, used)
    this.#section = larger
  }
}

async function open(socketPath: string): Promise<Link> {
  return Link.open(socketPath, openIds({ nowMs: () => Date.now() })())
}

interface Part {
  readonly from: number
  readonly to: number
  readonly level: AcknowledgementLevel
}

/** Resolves when the records are acknowledged at their level. */
async function send(link: Link, records: Records, { from, to, level }: Part): Promise<void> {
  const request = link.nextRequest()
  const section = records.slice(from, to)
  const addenda = records.addenda(from, to)
  const answers = level === 'D1' ? 2 : 1
  const {
    message,
    entries,
    addenda: start,
  } = appendRoom(request, {
    level: level === 'D1' ? 1 : 0,
    count: to - from,
    entriesBytes: section.length,
    addendaBytes: sectionBytes(new Uint8Array(0), addenda) - sectionBytes(new Uint8Array(0), []),
  })
  section.copy(message, entries)
  let at = start
  for (const addendum of addenda) at = putAddendum(message, at, addendum)
  await new Promise<void>((resolve, reject) => {
    let left = answers
    const answered = (): void => {
      left -= 1
      if (left === 0) resolve()
    }
    link.send(message, request, { left: answers, resolve: answered, reject })
  })
}
