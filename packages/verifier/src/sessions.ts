/**
 * Order within sessions: every record says which number it has in its writer's session and which record came before it, so a record
 * left out shows even where the tree is whole. Also counts intents that no outcome follows.
 */
import type { RecordHead } from '@countersign/record/decode'

import type { Finding } from './finding.ts'

/** The part of one session that lies within one range of the log. */
interface SessionRun {
  readonly first: RecordHead
  readonly firstEntry: number
  lastSeq: number
  lastId: string
}

/** What a range knows of sessions and transactions, to be joined with the ranges before it. */
export interface SessionRuns {
  readonly runs: ReadonlyMap<string, SessionRun>
  /** Intents without an outcome in this range, and outcomes whose intent must be earlier; by id, with the leaf index. */
  readonly open: ReadonlyMap<string, number>
  readonly closing: readonly string[]
  readonly breaks: readonly Finding[]
}

/** Follows records in the order of the log. */
export class Sessions {
  readonly #runs = new Map<string, SessionRun>()
  readonly #open = new Map<string, number>()
  readonly #closing: string[] = []
  readonly #breaks: Finding[] = []
  /** The run of the record before: most often the next one is of the same session. */
  #run: SessionRun | undefined

  add(head: RecordHead, entry: number): void {
    const run = this.#run?.first.session === head.session ? this.#run : this.#runs.get(head.session)
    this.#run = run
    if (run === undefined) {
      this.#runs.set(head.session, {
        first: head,
        firstEntry: entry,
        lastSeq: head.seq,
        lastId: head.id,
      })
    } else {
      if (head.seq !== run.lastSeq + 1 || head.prev !== run.lastId)
        this.#breaks.push(brokenAt(head, entry, run))
      run.lastSeq = head.seq
      run.lastId = head.id
    }
    if (head.phase === 'intent') this.#open.set(head.id, entry)
    else if (head.phase === 'outcome' && !this.#open.delete(head.id)) this.#closing.push(head.id)
  }

  runs(): SessionRuns {
    return { runs: this.#runs, open: this.#open, closing: this.#closing, breaks: this.#breaks }
  }
}

/** Joins ranges in their order. @returns breaks within and between them, the number of sessions, and the intents still open at the end. */
export function joinSessions(ranges: readonly SessionRuns[]): {
  breaks: Finding[]
  sessions: number
  open: ReadonlyMap<string, number>
} {
  const joined = new Map<string, { lastSeq: number; lastId: string }>()
  const open = new Map<string, number>()
  const breaks: Finding[] = []
  for (const range of ranges) {
    for (const [session, run] of range.runs) {
      const before = joined.get(session) ?? { lastSeq: -1, lastId: undefined }
      if (run.first.seq !== before.lastSeq + 1 || run.first.prev !== before.lastId)
        breaks.push(brokenAt(run.first, run.firstEntry, before))
      joined.set(session, run)
    }
    breaks.push(...range.breaks)
    for (const id of range.closing) open.delete(id)
    for (const [id, entry] of range.open) open.set(id, entry)
  }
  return { breaks, sessions: joined.size, open }
}

function brokenAt(
  head: RecordHead,
  entry: number,
  before: { lastSeq: number; lastId: string | undefined },
): Finding {
  const expected = `${before.lastSeq + 1} after ${before.lastId ?? 'nothing'}`
  const message = `session ${head.session} goes on with record ${head.seq} after ${head.prev ?? 'nothing'}, where ${expected} was due`
  return { code: 'SESSION_BROKEN', path: '', entry, message }
}
