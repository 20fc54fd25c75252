/**
 * What a log says about one subject: the holds that stand, what was erased, and which records still have addenda. Derived from entries
 * that were hashed up to the signed root, each time anew: deleting or changing a file of ours lifts no hold.
 */
import { decodeEntry } from '@countersign/record/decode'
import { decodeEnvelope } from '@countersign/record/envelope'
import { Erasures } from '@countersign/record/erasures'
import { RecordError } from '@countersign/record/errors'
import type { Leaf, Lifecycle } from '@countersign/record/leaf'
import { subjectOf } from '@countersign/record/subject'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { readPack } from '../ledger.ts'
import type { PackedAddendum } from '../ledger.ts'
import { follow } from '../follow.ts'
import type { Followed } from '../follow.ts'
import type { PublishedLog } from '../follow.ts'

/** A hold that stands. */
export interface Hold {
  /** Index of the record that says so. */
  readonly record: number
  readonly matter: string
  readonly by: string
}

export interface SubjectScan {
  /** Records read so far. */
  readonly size: number
  readonly holds: readonly Hold[]
  /** Indexes of the erasure records of this subject, in order. */
  readonly erasures: readonly number[]
  /** Records whose addenda are there and covered by no erasure, ascending. */
  readonly open: readonly number[]
  /** Whether the log knows of this subject at all. */
  readonly isKnown: boolean
  /** Reads on to the end of the log as it is published now. @throws {CommandError} `LOG_BROKEN` */
  readOn(): Promise<void>
}

export interface ScanOptions {
  readonly log: PublishedLog
  /** Absent: addenda are not looked at, only records. */
  readonly dataDir?: string
  readonly subject: string
  readonly onProgress?: (done: number, size: number) => void
}

/** What records about erasing have in their bytes: looking for it costs a tenth of decoding. */
const MARKS = ['erasure', 'hold', 'release'].map((kind) =>
  Buffer.from(`"lifecycle":{"kind":"${kind}"`),
)

export function scanSubject(options: ScanOptions): SubjectScan {
  const { subject } = options
  const facts = new Facts(subject)
  const open: number[] = []
  let size = 0
  return {
    get size() {
      return size
    },
    get holds() {
      return [...facts.holds.values()]
    },
    get erasures() {
      return facts.erasures
    },
    get open() {
      return open.filter((index) => facts.covered.covering(index) === undefined)
    },
    get isKnown() {
      return facts.isMentioned || open.length > 0
    },
    async readOn() {
      const signal = new AbortController().signal
      for await (const part of follow(options.log, { from: size, live: false, signal })) {
        facts.read(part)
        if (options.dataDir !== undefined)
          for await (const index of leavesOf(part, options.dataDir, facts)) open.push(index)
        size = part.from + part.entries.length
        options.onProgress?.(size, part.head.size)
      }
    },
  }
}

/** What the entries themselves say. */
class Facts {
  readonly subject: string
  readonly holds = new Map<string, Hold>()
  readonly erasures: number[] = []
  readonly covered = new Erasures()
  isMentioned = false
  /** Transactions of this subject that are not ended: an outcome does not say whose it is. */
  readonly #transactions = new Set<string>()
  readonly #needle: Buffer

  constructor(subject: string) {
    this.subject = subject
    this.#needle = Buffer.from(`"${subject}"`)
  }

  read({ from, entries }: Followed): void {
    for (const [at, entry] of entries.entries()) {
      const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.length)
      if (!bytes.includes(this.#needle)) continue
      this.isMentioned = true
      if (MARKS.some((mark) => bytes.includes(mark))) this.#take(from + at, decodeEntry(entry).leaf)
    }
  }

  /** Whose addenda in clear are: from before sealing, only the leaf says. */
  isOf(leaf: Leaf): boolean {
    if (leaf.phase === 'outcome') return this.#transactions.delete(leaf.id)
    const isOurs = leaf.actor !== undefined && this.#isActor(leaf.actor.id, leaf.time.occurred)
    if (isOurs && leaf.phase === 'intent') this.#transactions.add(leaf.id)
    return isOurs
  }

  #isActor(id: string, occurred: string): boolean {
    return subjectOf(id, BigInt(occurred)) === this.subject
  }

  #take(index: number, leaf: Leaf): void {
    const { lifecycle } = leaf
    if (lifecycle === undefined || !isAbout(lifecycle, this.subject)) return
    if (lifecycle.kind === 'erasure') {
      this.erasures.push(index)
      this.covered.add(index, leaf)
    } else if (lifecycle.kind === 'hold') {
      const { matter, by } = lifecycle
      if (!this.holds.has(matter)) this.holds.set(matter, { record: index, matter, by })
    } else this.holds.delete(lifecycle.matter)
  }
}

type About = Extract<Lifecycle, { kind: 'erasure' | 'hold' | 'release' }>

function isAbout(lifecycle: Lifecycle, subject: string): lifecycle is About {
  const { kind } = lifecycle
  return (
    (kind === 'erasure' || kind === 'hold' || kind === 'release') && lifecycle.subject === subject
  )
}

/** The records of a part of the log that have addenda of the subject in their pack. A part lies within one bundle. */
async function* leavesOf(
  { from, entries }: Followed,
  dataDir: string,
  facts: Facts,
): AsyncGenerator<number, void, undefined> {
  let last = -1
  // Every leaf with addenda in clear is judged in order, once: outcomes are known by the intents before them.
  let judged = from - 1
  let isOurs = false
  for await (const packed of readPack(dataDir, Math.floor(from / TILE_WIDTH))) {
    const { leafIndex } = packed
    const entry = entries[leafIndex - from]
    if (leafIndex < from || entry === undefined) continue
    if (packed.envelope === undefined && leafIndex !== judged) {
      isOurs = facts.isOf(decodeEntry(entry).leaf)
      judged = leafIndex
    }
    const isIts = packed.envelope === undefined ? isOurs : isSealedFor(packed, facts.subject)
    if (isIts && leafIndex !== last) yield (last = leafIndex)
  }
}

function isSealedFor({ envelope }: PackedAddendum, subject: string): boolean {
  try {
    return envelope !== undefined && decodeEnvelope(envelope).subject === subject
  } catch (error) {
    // Damaged: `verify` reports it.
    if (!(error instanceof RecordError)) throw error
    return false
  }
}
