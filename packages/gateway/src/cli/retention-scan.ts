/**
 * What a log and its packs say about retention: which days have addenda, what has been let go already, and which days a legal hold
 * keeps. Derived from entries that were hashed up to the signed root, each time anew: changing a file of ours lifts no hold.
 */
import { decodeEntry } from '@countersign/record/decode'
import { decodeEnvelope } from '@countersign/record/envelope'
import type { Envelope } from '@countersign/record/envelope'
import { RecordError } from '@countersign/record/errors'
import type { Leaf } from '@countersign/record/leaf'
import { dropAfter, retentionDays, Retentions } from '@countersign/record/retention'
import type { RetentionRules } from '@countersign/record/retention'
import { subjectOf } from '@countersign/record/subject'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { follow } from '../follow.ts'
import type { Followed, PublishedLog } from '../follow.ts'
import { readPack } from '../ledger.ts'
import type { Hold } from './subject-scan.ts'

/** A hold that stands, and on whom. */
export interface HoldOn extends Hold {
  readonly subject: string
}

export interface RetentionScan {
  /** How many addenda are kept up to each day. */
  readonly addenda: ReadonlyMap<string, number>
  /** Addenda that no day is set for: they are kept until their subject is erased. */
  readonly forEver: number
  /** Days on which somebody has records on whom a hold stands. */
  readonly held: ReadonlyMap<string, readonly HoldOn[]>
  /** Which record let a day go. */
  readonly recorded: Retentions
}

export interface RetentionScanOptions {
  readonly log: PublishedLog
  readonly dataDir: string
  /** By these, rows have their days: an index may have been made by them after content was sealed by others. */
  readonly rules: RetentionRules
  readonly onProgress?: (done: number, size: number) => void
}

/** What records about holds and retention have in their bytes: looking for it costs a tenth of decoding. */
const MARKS = ['hold', 'release', 'retention'].map((kind) =>
  Buffer.from(`"lifecycle":{"kind":"${kind}"`),
)

/** Reads the whole log, as it is published now. @throws {FollowError} */
export async function scanRetention(options: RetentionScanOptions): Promise<RetentionScan> {
  const facts = new Facts()
  let size = 0
  for await (const part of partsOf(options)) {
    facts.read(part)
    size = part.from + part.entries.length
  }
  const days = new Days(facts.standing(), options.rules)
  // Whose records are meant is known only now.
  if (facts.standing().length > 0) for await (const part of partsOf(options)) days.read(part)
  for (let group = 0; group * TILE_WIDTH < size; group++) {
    for await (const { envelope } of readPack(options.dataDir, group)) days.count(envelope)
    options.onProgress?.(Math.min(size, (group + 1) * TILE_WIDTH), size)
  }
  const { addenda, forEver, held } = days
  return { addenda, forEver, held, recorded: facts.recorded }
}

function partsOf({ log }: RetentionScanOptions): AsyncIterable<Followed> {
  return follow(log, { from: 0, live: false, signal: new AbortController().signal })
}

/** What the records themselves say. */
class Facts {
  readonly recorded = new Retentions()
  readonly #holds = new Map<string, HoldOn>()

  read({ from, entries }: Followed): void {
    for (const [at, entry] of entries.entries()) {
      if (MARKS.some((mark) => bytesOf(entry).includes(mark)))
        this.#take(from + at, decodeEntry(entry).leaf)
    }
  }

  standing(): readonly HoldOn[] {
    return [...this.#holds.values()]
  }

  #take(record: number, leaf: Leaf): void {
    this.recorded.add(record, leaf)
    const { lifecycle } = leaf
    if (lifecycle?.kind !== 'hold' && lifecycle?.kind !== 'release') return
    const { subject, matter, by } = lifecycle
    const name = JSON.stringify([subject, matter])
    if (lifecycle.kind === 'release') this.#holds.delete(name)
    else if (!this.#holds.has(name)) this.#holds.set(name, { record, subject, matter, by })
  }
}

/** Days, and what is on each. */
class Days {
  readonly addenda = new Map<string, number>()
  readonly held = new Map<string, readonly HoldOn[]>()
  forEver = 0
  readonly #holds = new Map<string, HoldOn[]>()
  readonly #needles: readonly Buffer[]
  readonly #rules: RetentionRules

  constructor(holds: readonly HoldOn[], rules: RetentionRules) {
    this.#rules = rules
    for (const hold of holds)
      this.#holds.set(hold.subject, [...(this.#holds.get(hold.subject) ?? []), hold])
    // Those of a day whom nobody knew (`anonymous/2026-11-25`) are in a leaf by their word alone.
    const ids = new Set(holds.map(({ subject }) => subject.split('/')[0]))
    this.#needles = [...ids].map((id) => Buffer.from(`"actor":{"id":"${id}"`))
  }

  /** The days of rows of those on whom a hold stands. */
  read({ entries }: Followed): void {
    for (const entry of entries) {
      const bytes = bytesOf(entry)
      if (!this.#needles.some((needle) => bytes.includes(needle))) continue
      const { actor, labels, service, time } = decodeEntry(entry).leaf
      const occurredNs = BigInt(time.occurred)
      const day = dropAfter(
        occurredNs,
        retentionDays(this.#rules, { labels, service: service?.name }),
      )
      if (actor !== undefined && day !== undefined) this.#keep(day, subjectOf(actor.id, occurredNs))
    }
  }

  /** One addendum of a pack. */
  count(envelope: Uint8Array | undefined): void {
    const { subject, period } = envelopeOf(envelope)
    if (period === undefined) this.forEver += 1
    else this.addenda.set(period, (this.addenda.get(period) ?? 0) + 1)
    if (subject !== undefined && period !== undefined) this.#keep(period, subject)
  }

  #keep(day: string, subject: string): void {
    const holds = this.#holds.get(subject)
    const before = this.held.get(day) ?? []
    const [first] = holds ?? []
    if (holds === undefined || first === undefined || before.includes(first)) return
    this.held.set(day, [...before, ...holds])
  }
}

function bytesOf(entry: Uint8Array): Buffer {
  return Buffer.from(entry.buffer, entry.byteOffset, entry.length)
}

/** In clear, or damaged: nothing says whose it is or how long it is kept, so it stays. */
function envelopeOf(envelope: Uint8Array | undefined): Partial<Envelope> {
  if (envelope === undefined) return {}
  try {
    return decodeEnvelope(envelope)
  } catch (error) {
    if (!(error instanceof RecordError)) throw error
    return {}
  }
}
