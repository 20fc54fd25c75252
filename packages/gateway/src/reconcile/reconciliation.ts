/**
 * Two lists of the same requests, held against each other. They lie in a SQLite file of their own while they are compared, so that
 * memory stays small however long they are; lost with the process, and nothing of it is missed. Both sides may repeat a request id,
 * since clients choose it: each occurrence on one side answers for one on the other.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import type { AccessLine } from './access-log.ts'
import { ReconcileError } from './errors.ts'

/**
 * What the log says of a request to the service. `must`: it was forwarded, and the upstream answered. `may`: it failed on the way, or its
 * outcome is not known. `not`: it was refused.
 */
export type Reached = 'must' | 'may' | 'not'

/** One transaction of the log. */
export interface Forwarded {
  readonly id: string
  /** Leaf index of its intent, or of its only record. */
  readonly leafIndex: number
  readonly requestId: string
  readonly method: string
  /** The route template; empty when the request matched none. */
  readonly route: string
  /** Milliseconds since the epoch: when it began and, where known, ended. */
  readonly beganMs: number
  readonly endedMs: number
  readonly reached: Reached
}

/** Milliseconds since the epoch, both included. */
export interface Window {
  readonly sinceMs: number
  readonly untilMs: number
}

/** A request that the upstream saw, as reported. */
export interface SeenRequest extends AccessLine {
  /** Why the log does not answer for it. */
  readonly why: 'unknown' | 'refused' | 'repeated'
}

export interface Reconciled {
  readonly window: Window
  readonly seen: number
  /** That the log says reached the upstream; at the edges only those that it saw. */
  readonly forwarded: number
  /** Matched by request id. */
  readonly byId: number
  /** Matched by time, method and path only, for want of a request id. Weaker: another request of the kind could stand there. */
  readonly byTime: number
  /** Upstream saw them, and the log does not answer for them: they went around the gateway. */
  readonly bypassTotal: number
  readonly bypass: readonly SeenRequest[]
  /** The log says that they were forwarded and answered, and the upstream never saw them. */
  readonly unseenTotal: number
  readonly unseen: readonly Forwarded[]
  /** Not seen by the upstream, which may be: they failed on the way. */
  readonly uncertain: number
}

export interface ReconciliationOptions {
  /** Rows of either side. */
  readonly rowsMax?: number
  /** How far the clocks of gateway and upstream may be apart, and how late an upstream may write its line. */
  readonly slackMs?: number
}

const ROWS_MAX = 50_000_000
const SLACK_MS = 5_000
/** Listed; more are only counted. */
const LISTED_MAX = 1_000
/** Candidates that are looked at for one line without a request id. */
const CANDIDATES_MAX = 1_000
/** Rows of one transaction of the temporary file. */
const BATCH_ROWS = 10_000

export interface Reconciliation {
  /** A request that the upstream saw. @throws {ReconcileError} `RECONCILE_LIMIT` */
  addSeen(line: AccessLine): void
  /** From the first to the last of them; nothing when there is none. */
  readonly span: Window | undefined
  /** A transaction of the log as it began. @throws {ReconcileError} `RECONCILE_LIMIT` */
  addForwarded(forwarded: Forwarded): void
  /** How one that was given has ended; nothing when it was not. */
  endForwarded(id: string, ending: Pick<Forwarded, 'endedMs' | 'reached'>): void
  compare(window: Window): Reconciled
  close(): void
}

export function openReconciliation(options: ReconciliationOptions = {}): Reconciliation {
  return new Tables(options)
}

class Tables implements Reconciliation {
  readonly #folder: string
  readonly #database: DatabaseSync
  readonly #rowsMax: number
  readonly #slackMs: number
  readonly #insertSeen: StatementSync
  readonly #insertForwarded: StatementSync
  readonly #updateEnded: StatementSync
  readonly #updateSeen: StatementSync
  readonly #updateUsed: StatementSync
  #rows = 0
  #span: Window | undefined

  constructor({ rowsMax = ROWS_MAX, slackMs = SLACK_MS }: ReconciliationOptions) {
    this.#rowsMax = rowsMax
    this.#slackMs = slackMs
    this.#folder = mkdtempSync(join(tmpdir(), 'countersign-reconcile-'))
    this.#database = new DatabaseSync(join(this.#folder, 'tables'))
    // Nobody reads it after a crash: no journal, no waiting for the disk.
    this.#database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF')
    this.#database.exec(`
      CREATE TABLE seen (line INTEGER PRIMARY KEY, ms INTEGER, request TEXT, method TEXT, path TEXT,
        status INTEGER, state TEXT NOT NULL DEFAULT 'open') STRICT;
      CREATE TABLE forwarded (id TEXT PRIMARY KEY, leaf INTEGER, request TEXT, method TEXT, route TEXT,
        began INTEGER, ended INTEGER, reached TEXT, state TEXT NOT NULL DEFAULT 'open') STRICT, WITHOUT ROWID;
    `)
    this.#insertSeen = this.#database.prepare(
      'INSERT INTO seen (line, ms, request, method, path, status) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#insertForwarded = this.#database.prepare(
      `INSERT INTO forwarded (id, leaf, request, method, route, began, ended, reached)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    )
    this.#updateEnded = this.#database.prepare(
      'UPDATE forwarded SET ended = ?, reached = ? WHERE id = ?',
    )
    this.#updateSeen = this.#database.prepare('UPDATE seen SET state = ? WHERE line = ?')
    this.#updateUsed = this.#database.prepare(`UPDATE forwarded SET state = 'seen' WHERE id = ?`)
    this.#database.exec('BEGIN')
  }

  get span(): Window | undefined {
    return this.#span
  }

  addSeen({ line, timeMs, requestId, method, path, status }: AccessLine): void {
    this.#count()
    this.#insertSeen.run(line, timeMs, requestId, method, path, status)
    const { sinceMs, untilMs } = this.#span ?? { sinceMs: timeMs, untilMs: timeMs }
    this.#span = { sinceMs: Math.min(sinceMs, timeMs), untilMs: Math.max(untilMs, timeMs) }
  }

  addForwarded(forwarded: Forwarded): void {
    this.#count()
    const { id, leafIndex, requestId, method, route, beganMs, endedMs, reached } = forwarded
    this.#insertForwarded.run(id, leafIndex, requestId, method, route, beganMs, endedMs, reached)
  }

  endForwarded(id: string, { endedMs, reached }: Pick<Forwarded, 'endedMs' | 'reached'>): void {
    this.#updateEnded.run(endedMs, reached, id)
  }

  compare(window: Window): Reconciled {
    this.#database.exec(`COMMIT; BEGIN;
      UPDATE seen SET state = 'outside' WHERE ms < ${window.sinceMs} OR ms > ${window.untilMs};
      CREATE INDEX by_request ON forwarded (request) WHERE state = 'open';
      CREATE INDEX by_time ON forwarded (method, began) WHERE state = 'open';
    `)
    this.#matchIds()
    this.#matchTimes()
    // At the edges one side may lie just outside of what the other covers: only what lies well inside must be seen.
    const inside = `began >= ${window.sinceMs} AND ended <= ${window.untilMs}`
    const count = (sql: string): number => numberOf(this.#database.prepare(sql).get(), 'n')
    const unseen = `FROM forwarded WHERE state = 'open' AND reached = 'must' AND ${inside}`
    const bypass = `FROM seen WHERE state IN ('unknown', 'refused', 'repeated')`
    return {
      window,
      seen: count(`SELECT count(*) AS n FROM seen WHERE state <> 'outside'`),
      forwarded: count(
        `SELECT count(*) AS n FROM forwarded WHERE state = 'seen' OR (reached = 'must' AND ${inside})`,
      ),
      byId: count(`SELECT count(*) AS n FROM seen WHERE state = 'id'`),
      byTime: count(`SELECT count(*) AS n FROM seen WHERE state = 'time'`),
      bypassTotal: count(`SELECT count(*) AS n ${bypass}`),
      bypass: this.#database
        .prepare(`SELECT * ${bypass} ORDER BY line LIMIT ${LISTED_MAX}`)
        .all()
        .map(seenOf),
      unseenTotal: count(`SELECT count(*) AS n ${unseen}`),
      unseen: this.#database
        .prepare(`SELECT * ${unseen} ORDER BY leaf LIMIT ${LISTED_MAX}`)
        .all()
        .map(forwardedOf),
      uncertain: count(
        `SELECT count(*) AS n FROM forwarded WHERE state = 'open' AND reached = 'may'
         AND began BETWEEN ${window.sinceMs} AND ${window.untilMs}`,
      ),
    }
  }

  close(): void {
    this.#database.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #count(): void {
    this.#rows += 1
    if (this.#rows > this.#rowsMax) {
      throw new ReconcileError(
        'RECONCILE_LIMIT',
        `could not compare over ${this.#rowsMax} requests at once`,
        { hint: 'choose a window with --since and --until' },
      )
    }
    if (this.#rows % BATCH_ROWS === 0) this.#database.exec('COMMIT; BEGIN')
  }

  /** The request id was in both: the best there is, as long as each is used once. */
  #matchIds(): void {
    const lines = this.#database.prepare(
      `SELECT * FROM seen WHERE state = 'open' AND request <> '' ORDER BY ms, line`,
    )
    const candidate = this.#database.prepare(
      `SELECT id, reached FROM forwarded WHERE state = 'open' AND request = ? AND method = ?
       ORDER BY reached = 'not', abs(ended - ?) LIMIT 1`,
    )
    const known = this.#database.prepare('SELECT 1 AS n FROM forwarded WHERE request = ? LIMIT 1')
    for (const row of lines.iterate()) {
      const { line, requestId, method, timeMs } = seenOf(row)
      const found = candidate.get(requestId, method, timeMs)
      if (found === undefined)
        this.#settle(line, known.get(requestId) === undefined ? 'unknown' : 'repeated')
      else this.#settle(line, found['reached'] === 'not' ? 'refused' : 'id', String(found['id']))
    }
  }

  /** The upstream wrote no request id: any transaction of that time, method and route will do. */
  #matchTimes(): void {
    const lines = this.#database.prepare(
      `SELECT * FROM seen WHERE state = 'open' AND request = '' ORDER BY ms, line`,
    )
    const candidates = this.#database.prepare(
      `SELECT id, route FROM forwarded WHERE state = 'open' AND reached <> 'not' AND method = ?
       AND began <= ? AND ended >= ? ORDER BY began LIMIT ${CANDIDATES_MAX}`,
    )
    for (const row of lines.iterate()) {
      const { line, method, path, timeMs } = seenOf(row)
      const from = timeMs - this.#slackMs
      const found = candidates
        .all(method, timeMs + this.#slackMs, from)
        .find(({ route }) => matchesRoute(path, String(route)))
      if (found === undefined) this.#settle(line, 'unknown')
      else this.#settle(line, 'time', String(found['id']))
    }
  }

  /** What answers for a line is used up before the next line asks. */
  #settle(line: number, state: 'id' | 'time' | SeenRequest['why'], id?: string): void {
    this.#updateSeen.run(state, line)
    if (id !== undefined) this.#updateUsed.run(id)
  }
}

/** Whether a path is one that a route template describes; a request that matched no route may have had any. */
export function matchesRoute(path: string, route: string): boolean {
  if (route === '') return true
  const [wanted, given] = [route.split('/'), path.split('/')]
  const last = wanted.at(-1) ?? ''
  const isOpen = /^\{.*\.\.\.\}$/.test(last)
  if (isOpen ? given.length < wanted.length : given.length !== wanted.length) return false
  const fixed = isOpen ? wanted.slice(0, -1) : wanted
  return fixed.every((segment, at) =>
    /^\{.*\}$/.test(segment) ? (given[at] ?? '') !== '' : segment === decoded(given[at] ?? ''),
  )
}

/** Attacker-controlled: what is no percent-encoding stands for itself. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

type Row = Record<string, unknown>

function seenOf(row: Row): SeenRequest {
  return {
    line: numberOf(row, 'line'),
    timeMs: numberOf(row, 'ms'),
    requestId: String(row['request']),
    method: String(row['method']),
    path: String(row['path']),
    status: numberOf(row, 'status'),
    why: row['state'] === 'refused' || row['state'] === 'repeated' ? row['state'] : 'unknown',
  }
}

function forwardedOf(row: Row): Forwarded {
  return {
    id: String(row['id']),
    leafIndex: numberOf(row, 'leaf'),
    requestId: String(row['request']),
    method: String(row['method']),
    route: String(row['route']),
    beganMs: numberOf(row, 'began'),
    endedMs: numberOf(row, 'ended'),
    reached: row['reached'] === 'must' || row['reached'] === 'not' ? row['reached'] : 'may',
  }
}

function numberOf(row: Row | undefined, name: string): number {
  return Number(row?.[name] ?? 0)
}
