/**
 * Who read a record, or any record of a subject, as the log itself says: every entry is hashed up to the signed root, so nobody can
 * leave a look out. It needs neither the index nor a process of ours. What left as a bundle (`export`, `disclose`) was read as well.
 */
import { parseLeafList } from '@countersign/record/leaf-list'
import type { LeafRun } from '@countersign/record/leaf-list'
import type { Leaf } from '@countersign/record/leaf'
import { subjectOf } from '@countersign/record/subject'
import { follow, readLeaf } from '../follow.ts'
import type { Followed, PublishedLog } from '../follow.ts'

/** What may have been read. */
export type Wanted =
  /** Records of a log, which may be another than the one that is read. */
  | { readonly kind: 'leaves'; readonly origin: string; readonly leaves: ReadonlySet<number> }
  /** A pseudonym, or a pseudo-subject of a day. */
  | { readonly kind: 'subject'; readonly subject: string }

/** A look at what was wanted. */
export interface FoundRead {
  readonly index: number
  readonly entry: Uint8Array
  readonly leaf: Leaf
  /** How many of the wanted records it showed. */
  readonly hits: number
  /** The record that says who asked: the intent of the read, where it was met on the way. */
  readonly intent: Place | undefined
}

/** An entry in its place. */
export interface Place {
  readonly index: number
  readonly entry: Uint8Array
}

export interface ReadScan {
  /** Looks, in the order of the log. @throws {FollowError} */
  found(): AsyncGenerator<FoundRead, void, undefined>
  /** Reads that counted records and list none: aggregates. */
  readonly uncounted: number
  /** Records that were read and verified. */
  readonly size: number
  /** Whether the log knows of the subject at all. */
  readonly isKnown: boolean
}

export interface ReadScanOptions {
  readonly log: PublishedLog
  readonly wanted: Wanted
  /** Nothing before it can have been a look: the first of the wanted leaves. */
  readonly from: number
  readonly onProgress: (done: number, size: number) => void
}

/** The envelope stands first in every record: within so many bytes a record says of which class it is. */
const HEAD_BYTES = 96

/** Looking for these costs a tenth of decoding. */
const READ_MARK = Buffer.from('"class":"read"')
const EXPORT_MARK = Buffer.from('"lifecycle":{"kind":"export"')
const ID = /^\{"v":1,"id":"([0-9a-f-]{36})"/

/** Reads that have begun and not ended. Past it the oldest is forgotten, and looked for in the log when it ends. */
const OPEN_MAX = 10_000

export function scanReads({ log, wanted, from, onProgress }: ReadScanOptions): ReadScan {
  const leaves = new WantedLeaves(wanted)
  const open = new Map<string, Place>()
  let size = 0
  let uncounted = 0
  const look = ({ index, entry, isRead }: Look, origin: string): FoundRead | undefined => {
    const leaf = readLeaf(entry, index)
    if (isRead && leaf.phase === 'intent') {
      remember(open, leaf.id, { index, entry })
      return undefined
    }
    const { read } = leaf
    if (read !== undefined && read.rows > 0 && read.records === undefined) uncounted += 1
    const hits = leaves.hitsOf(listsOf(leaf, origin), origin)
    const intent = open.get(leaf.id) ?? open.get(leaf.cause?.id ?? '')
    open.delete(leaf.id)
    return hits === 0 ? undefined : { index, entry, leaf, hits, intent }
  }
  return {
    get uncounted() {
      return uncounted
    },
    get size() {
      return size
    },
    get isKnown() {
      return leaves.isKnown
    },
    async *found() {
      const { signal } = new AbortController()
      for await (const part of follow(log, { from, live: false, signal })) {
        for (const one of looksIn(part, leaves)) {
          const found = look(one, part.head.origin)
          if (found !== undefined) yield found
        }
        size = part.from + part.entries.length
        onProgress(size, part.head.size)
      }
    },
  }
}

interface Look extends Place {
  readonly isRead: boolean
}

/** The entries that may be looks, in order; on the way it is learnt which are the subject's. */
function* looksIn({ from, entries }: Followed, leaves: WantedLeaves): Generator<Look> {
  for (const [at, entry] of entries.entries()) {
    const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.length)
    const index = from + at
    leaves.learn(index, bytes)
    const isRead = bytes.subarray(0, HEAD_BYTES).includes(READ_MARK)
    if (isRead || bytes.includes(EXPORT_MARK)) yield { index, entry, isRead }
  }
}

function remember(open: Map<string, Place>, id: string, place: Place): void {
  open.set(id, place)
  for (const oldest of open.keys()) if (open.size > OPEN_MAX) open.delete(oldest)
}

/** The records that were shown, by log. */
function listsOf(
  { read, lifecycle }: Leaf,
  origin: string,
): readonly { readonly origin: string; readonly leaves: string }[] {
  if (lifecycle?.kind === 'export') return [{ origin, leaves: lifecycle.leaves }]
  return read?.records ?? []
}

/** Which leaves are meant; those of a subject become known as the log is read, and always before anyone could read them. */
class WantedLeaves {
  readonly #leaves: Set<number>
  readonly #origin: string | undefined
  readonly #subject: string | undefined
  readonly #actor: Buffer | undefined
  /** Transactions of the subject that have not ended: an outcome does not say whose it is. */
  readonly #transactions = new Set<string>()

  constructor(wanted: Wanted) {
    const isSubject = wanted.kind === 'subject'
    this.#leaves = new Set(isSubject ? [] : wanted.leaves)
    this.#origin = isSubject ? undefined : wanted.origin
    this.#subject = isSubject ? wanted.subject : undefined
    // Of those whom nobody knows, `anonymous/2026-11-25` stands for all of a day.
    const id = isSubject ? wanted.subject.split('/')[0] : undefined
    this.#actor = id === undefined ? undefined : Buffer.from(`"actor":{"id":"${id}"`)
  }

  get isKnown(): boolean {
    return this.#leaves.size > 0
  }

  learn(index: number, bytes: Buffer): void {
    if (this.#actor === undefined) return
    if (bytes.includes(this.#actor)) this.#take(index, bytes)
    else if (this.#transactions.size > 0) {
      const id = ID.exec(bytes.toString('latin1', 0, HEAD_BYTES))?.[1] ?? ''
      if (this.#transactions.delete(id)) this.#leaves.add(index)
    }
  }

  /** How many of them are in lists of leaves. @param own origin of the log that is read */
  hitsOf(
    lists: readonly { readonly origin: string; readonly leaves: string }[],
    own: string,
  ): number {
    let hits = 0
    for (const { origin, leaves } of lists)
      if (origin === (this.#origin ?? own)) hits += this.#hitsIn(leaves)
    return hits
  }

  #hitsIn(list: string): number {
    return parseLeafList(list).reduce((hits, run) => hits + this.#hitsOfRun(run), 0)
  }

  #hitsOfRun({ from, to }: LeafRun): number {
    const within = (leaf: number): boolean => leaf >= from && leaf <= to
    // Attacker-controlled: a run may be longer than any log.
    if (to - from > this.#leaves.size) return [...this.#leaves].filter(within).length
    let hits = 0
    for (let leaf = from; leaf <= to; leaf += 1) if (this.#leaves.has(leaf)) hits += 1
    return hits
  }

  #take(index: number, bytes: Buffer): void {
    const { actor, id, phase, time } = readLeaf(bytes, index)
    if (actor === undefined || subjectOf(actor.id, BigInt(time.occurred)) !== this.#subject) return
    this.#leaves.add(index)
    if (phase === 'intent') this.#transactions.add(id)
  }
}
