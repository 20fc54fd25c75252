/**
 * What the records of a bundle say together: sessions and whether a record is missing from one, gaps that writers confessed, persons who
 * were lawfully erased, and which records are about the person that was asked for. Takes records in the order of the log.
 */
import { decodeEntry, scanEntry } from '@countersign/record/decode'
import type { RecordHead } from '@countersign/record/decode'
import { Erasures } from '@countersign/record/erasures'
import { RecordError } from '@countersign/record/errors'
import type { Leaf, Lifecycle } from '@countersign/record/leaf'
import { encodeHex } from '@countersign/tlog/base64'

import type { Finding } from '../finding.ts'

/** Sessions of a bundle; more than any honest run of restarts. */
export const SESSIONS_MAX = 100_000

/** Records about the person that was asked for. */
export const PERSON_RECORDS_MAX = 1_000_000

/** Gaps that a report lists; more are only counted. */
export const LISTED_MAX = 100

/** One life of a writer, as far as the bundle holds it. */
export interface SessionFacts {
  readonly id: string
  readonly firstEntry: number
  readonly firstSeq: number
  lastEntry: number
  lastSeq: number
  lastId: string
  records: number
  /** Whether its last record here says that it ended in order. */
  ended: boolean
  /** Records are missing, or out of order, within it. */
  broken: boolean
}

export interface GapFacts {
  readonly entry: number
  readonly count: number
  readonly from: string
  readonly to: string
  readonly why: string
}

export interface ErasureFacts {
  readonly entry: number
  readonly subject: string
  readonly by: string
  readonly basis: string
  /** Leaf indexes, as the record spells them. */
  readonly leaves: string
}

/** Content that was kept for as long as it had to be: it opens no more, and did not come along. */
export interface RetentionFacts {
  readonly entry: number
  readonly by: string
  /** Days up to which it was kept: the first, the last, and how many. */
  readonly first: string
  readonly last: string
  readonly periods: number
}

/** An addendum as its record names it. */
export interface NamedAddendum {
  readonly entry: number
  readonly ordinal: number
  readonly name: string
  readonly bytes: number
  /** Of its record: under these it was sealed. */
  readonly id: string
  readonly phase: Leaf['phase']
}

/** Whose records are sought, and between which leaf indexes, both included. */
export interface PersonSought {
  readonly pseudonym: string
  readonly from: number
  readonly to: number
}

export interface FactsOptions {
  /** Whether every record between the first and the last is here, so that one missing from a session shows. */
  readonly isContiguous: boolean
  /** Records about this pseudonym are collected. */
  readonly person: PersonSought | undefined
  /** Digests (hexadecimal) of the addenda that the bundle holds, or has keys for. */
  readonly addenda: ReadonlySet<string>
  readonly onFinding: (finding: Finding) => void
}

const decoder = new TextDecoder('utf-8')

export class RecordFacts {
  readonly sessions: Map<string, SessionFacts> = new Map()
  readonly gaps: GapFacts[] = []
  gapsTotal = 0
  gapRecordsTotal = 0
  readonly erasures: ErasureFacts[] = []
  erasuresTotal = 0
  readonly erased: Erasures = new Erasures()
  readonly retentions: RetentionFacts[] = []
  retentionsTotal = 0
  readonly named: Map<string, NamedAddendum> = new Map()
  /** Leaf indexes about the person, ascending. */
  readonly person: number[] = []
  records = 0
  firstOccurred: string | undefined
  lastOccurred: string | undefined
  readonly #options: FactsOptions
  /** Judged last: an entry that is not as it was signed breaks its session too, and that would only be noise. */
  readonly breaks: Finding[] = []
  readonly #theirs = new Set<string>()
  #saidTooMuch = false

  constructor(options: FactsOptions) {
    this.#options = options
  }

  get sought(): PersonSought | undefined {
    return this.#options.person
  }

  /** One record that is as it was signed; `path` is the file it stands in. */
  add(entry: number, bytes: Uint8Array, path: string): void {
    try {
      const head = scanEntry(bytes)
      this.records += 1
      this.#follow(head, entry, path)
      const text = decoder.decode(bytes)
      this.#noteTime(text)
      // Only a first sieve: what passes it is decoded and looked at member by member.
      const isLifecycle = text.includes('"lifecycle":{')
      const pseudonym = this.#options.person?.pseudonym
      const mayBeTheirs =
        pseudonym !== undefined && (text.includes(pseudonym) || this.#theirs.has(head.id))
      const mayNameAddenda = this.#options.addenda.size > 0 && (bytes.at(-1) ?? 0) > 0
      if (isLifecycle || mayBeTheirs || mayNameAddenda) this.#look(entry, bytes, head.id)
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      this.#options.onFinding({ code: 'RECORD_MALFORMED', path, entry, message: error.message })
    }
  }

  #look(entry: number, bytes: Uint8Array, id: string): void {
    const { leaf, digests } = decodeEntry(bytes)
    if (leaf.lifecycle !== undefined) this.#noteLifecycle(entry, leaf)
    if (this.#isAboutPerson(entry, leaf)) {
      if (this.person.length >= PERSON_RECORDS_MAX)
        this.#tooMuch(`${PERSON_RECORDS_MAX} records of one person`, entry)
      else this.person.push(entry)
      if (leaf.phase === 'intent') this.#theirs.add(id)
      else this.#theirs.delete(id)
    }
    for (const [ordinal, digest] of digests.entries()) {
      const hex = encodeHex(digest)
      const about = leaf.addenda?.[ordinal]
      if (about !== undefined && this.#options.addenda.has(hex) && !this.named.has(hex))
        this.named.set(hex, { entry, ordinal, ...about, id, phase: leaf.phase })
    }
  }

  #isAboutPerson(entry: number, leaf: Leaf): boolean {
    const { person } = this.#options
    if (person === undefined || entry < person.from || entry > person.to) return false
    return isAbout(leaf, person.pseudonym) || this.#theirs.has(leaf.id)
  }

  #follow(head: RecordHead, entry: number, path: string): void {
    const session = this.sessions.get(head.session)
    if (session === undefined) {
      this.#begin(head, entry)
      return
    }
    const follows = head.seq === session.lastSeq + 1 && head.prev === session.lastId
    if (!follows) session.broken = true
    if (!follows && this.#options.isContiguous && this.breaks.length < LISTED_MAX) {
      this.breaks.push({
        code: 'SESSION_BROKEN',
        path,
        entry,
        message: `session ${head.session} goes on with its record ${head.seq}, where ${session.lastSeq + 1} was due`,
      })
    }
    session.lastSeq = head.seq
    session.lastId = head.id
    session.lastEntry = entry
    session.records += 1
    session.ended = false
  }

  #begin(head: RecordHead, entry: number): void {
    if (this.sessions.size >= SESSIONS_MAX) {
      this.#tooMuch(`${SESSIONS_MAX} sessions`, entry)
      return
    }
    this.sessions.set(head.session, {
      id: head.session,
      firstEntry: entry,
      firstSeq: head.seq,
      lastEntry: entry,
      lastSeq: head.seq,
      lastId: head.id,
      records: 1,
      ended: false,
      broken: head.seq === 0 ? head.prev !== undefined : false,
    })
  }

  #tooMuch(what: string, entry: number): void {
    if (this.#saidTooMuch) return
    this.#saidTooMuch = true
    const message = `there are over ${what}: ask for a shorter range`
    this.#options.onFinding({ code: 'BUNDLE_LIMIT', path: '', entry, message })
  }

  #noteTime(text: string): void {
    const occurred = /"occurred":"([0-9]{1,20})"/.exec(text)?.[1]
    if (occurred === undefined) return
    this.firstOccurred ??= occurred
    this.lastOccurred = occurred
  }

  #noteLifecycle(entry: number, { lifecycle, session }: Leaf): void {
    this.erased.add(entry, lifecycle === undefined ? {} : { lifecycle })
    switch (lifecycle?.kind) {
      case 'gap':
        this.#noteGap(entry, lifecycle)
        break
      case 'erasure':
        this.#noteErasure(entry, lifecycle)
        break
      case 'retention':
        this.#noteRetention(entry, lifecycle)
        break
      case 'shutdown': {
        const found = this.sessions.get(session)
        if (found !== undefined) found.ended = true
        break
      }
      // The others change nothing about what is complete.
      case undefined:
      case 'boot':
      case 'heartbeat':
      case 'config':
      case 'key':
      case 'alarm':
      case 'hold':
      case 'release':
      case 'rotation':
      case 'export':
        break
      default:
        lifecycle satisfies never
    }
  }

  #noteErasure(entry: number, erasure: Extract<Lifecycle, { kind: 'erasure' }>): void {
    const { subject, by, basis, leaves } = erasure
    this.erasuresTotal += 1
    if (this.erasures.length < LISTED_MAX) this.erasures.push({ entry, subject, by, basis, leaves })
  }

  #noteRetention(entry: number, retention: Extract<Lifecycle, { kind: 'retention' }>): void {
    const { by, periods } = retention
    const [first] = periods
    // A run that found nothing closed nothing.
    if (first === undefined) return
    this.retentionsTotal += 1
    if (this.retentions.length < LISTED_MAX)
      this.retentions.push({
        entry,
        by,
        first,
        last: periods.at(-1) ?? first,
        periods: periods.length,
      })
  }

  #noteGap(entry: number, gap: Extract<Lifecycle, { kind: 'gap' }>): void {
    this.gapsTotal += 1
    this.gapRecordsTotal += gap.count
    if (this.gaps.length < LISTED_MAX)
      this.gaps.push({ entry, count: gap.count, from: gap.from, to: gap.to, why: gap.why })
  }
}

/** Whether a record is about a pseudonym by itself; an outcome is so by its intent. */
export function isAbout(leaf: Leaf, pseudonym: string): boolean {
  const { lifecycle } = leaf
  const isFactAbout =
    (lifecycle?.kind === 'erasure' ||
      lifecycle?.kind === 'hold' ||
      lifecycle?.kind === 'release') &&
    lifecycle.subject === pseudonym
  return isFactAbout || leaf.actor?.id === pseudonym
}
