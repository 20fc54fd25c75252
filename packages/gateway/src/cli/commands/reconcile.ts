/** `countersign reconcile`: an upstream's own access log, held against what the log says was forwarded to it. */
import { decodeEntry } from '@countersign/record/decode'
import { idTimeMs, isId } from '@countersign/record/id'
import type { Leaf } from '@countersign/record/leaf'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { follow, readBundle, readHead } from '../../follow.ts'
import type { PublishedLog } from '../../follow.ts'
import { openReconciliation, readAccessLog } from '../../reconcile.ts'
import type { BadLine, Forwarded, Reconciled, Reconciliation, Window } from '../../reconcile.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError } from '../errors.ts'
import { locateLog } from '../log-place.ts'
import { onStopSignal } from '../signals.ts'
import {
  ANSWER_IS_NO,
  counted,
  DONE,
  escapeText,
  paintFor,
  print,
  printJson,
  say,
} from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const COMMAND = 'reconcile'
const FORMATS = ['nginx-json'] as const

/** Records this far outside of the window may belong to a line inside: a request may take so long. */
const EDGE_MS = 60_000
/** So many bundles in a row after the window, and no more of it is to come. */
const BUNDLES_AFTER = 8
const NS_PER_MS = 1_000_000n
/** Listed; more are only counted. */
const SHOWN_MAX = 20
/** Lines that cannot be read, by number. */
const BAD_LINES_MAX = 100

interface Wanted {
  readonly service: string
  readonly file: string
  readonly format: (typeof FORMATS)[number]
  readonly sinceMs: number | undefined
  readonly untilMs: number | undefined
  readonly ignored: readonly string[]
  readonly json: boolean
}

/** What could not be compared. */
interface Lines {
  readonly bad: BadLine[]
  badTotal: number
  ignored: number
}

export const reconcile: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: COMMAND,
    options: {
      service: { type: 'string' },
      'access-log': { type: 'string' },
      format: { type: 'string', default: 'nginx-json' },
      since: { type: 'string' },
      until: { type: 'string' },
      ignore: { type: 'string', multiple: true },
      config: { type: 'string', short: 'c' },
      vkey: { type: 'string' },
      json: { type: 'boolean' },
    },
    positionalsMax: 1,
  })
  const { service, 'access-log': file, format, since, until, ignore: ignored = [] } = values
  if (service === undefined || file === undefined)
    throw usageError(COMMAND, 'could not run: it needs --service and --access-log')
  const known = FORMATS.find((name) => name === format)
  if (known === undefined)
    throw usageError(COMMAND, `could not read '${format}': the format is ${FORMATS.join(' or ')}`)
  const wanted: Wanted = {
    service,
    file,
    format: known,
    sinceMs: since === undefined ? undefined : timeOf('--since', since),
    untilMs: until === undefined ? undefined : timeOf('--until', until),
    ignored,
    json: values.json === true,
  }
  const log = await locateLog({ place: positionals[0], config: values.config, vkey: values.vkey })
  const tables = openReconciliation()
  try {
    return await compare(wanted, { log, tables, io })
  } finally {
    tables.close()
    log.source.close()
  }
}

async function compare(
  wanted: Wanted,
  { log, tables, io }: { log: PublishedLog; tables: Reconciliation; io: Io },
): Promise<number> {
  const lines = await readLines(wanted, tables)
  const { span } = tables
  if (span === undefined) {
    const hint = 'is it the access log of this upstream, in the format that the how-to page shows?'
    throw new CommandError('CANNOT_RUN', `could not compare: ${wanted.file} holds no request`, {
      hint,
    })
  }
  // Without a window, the access log's own: before and after it, nobody knows what the upstream saw.
  const window = {
    sinceMs: wanted.sinceMs ?? span.sinceMs,
    untilMs: wanted.untilMs ?? span.untilMs,
  }
  const stop = new AbortController()
  const forget = onStopSignal(() => stop.abort())
  await readRecords(log, { tables, window, service: wanted.service, signal: stop.signal }).finally(
    forget,
  )
  const found = tables.compare(window)
  if (wanted.json) printJson(io, { service: wanted.service, ...found, lines })
  else tell(found, lines, { service: wanted.service, io })
  const agree = found.bypassTotal === 0 && found.unseenTotal === 0 && lines.badTotal === 0
  return agree ? DONE : ANSWER_IS_NO
}

async function readLines(
  { file, format, ignored }: Wanted,
  tables: Reconciliation,
): Promise<Lines> {
  const lines: Lines = { bad: [], badTotal: 0, ignored: 0 }
  for await (const line of readAccessLog(file, format)) {
    if ('why' in line) {
      if (line.isTorn) continue
      lines.badTotal += 1
      if (lines.bad.length < BAD_LINES_MAX) lines.bad.push(line)
    } else if (ignored.some((prefix) => line.path.startsWith(prefix))) lines.ignored += 1
    else tables.addSeen(line)
  }
  return lines
}

interface Reading {
  readonly tables: Reconciliation
  readonly window: Window
  readonly service: string
  readonly signal: AbortSignal
}

/** Every transaction with the service around the window, each proven to be in the log. */
async function readRecords(
  log: PublishedLog,
  { tables, window, service, signal }: Reading,
): Promise<void> {
  const from = await indexBefore(log, window.sinceMs - EDGE_MS)
  let bundlesAfter = 0
  for await (const followed of follow(log, { from, live: false, signal })) {
    let isAfter = true
    for (const [at, entry] of followed.entries.entries()) {
      const { leaf } = decodeEntry(entry)
      if (leaf.class === 'http.server')
        addRecord(tables, leaf, { index: followed.from + at, service })
      isAfter &&= msOf(leaf.time.occurred) > window.untilMs + EDGE_MS
    }
    bundlesAfter = isAfter ? bundlesAfter + 1 : 0
    if (bundlesAfter >= BUNDLES_AFTER || signal.aborted) return
  }
}

function addRecord(
  tables: Reconciliation,
  leaf: Leaf,
  { index, service }: { index: number; service: string },
): void {
  const endedMs = msOf(leaf.time.observed ?? leaf.time.occurred)
  const reached = reachedOf(leaf)
  if (leaf.phase === 'outcome') {
    tables.endForwarded(leaf.id, { endedMs, reached })
    return
  }
  if (leaf.service?.name !== service) return
  const isOpen = leaf.phase === 'intent'
  tables.addForwarded({
    id: leaf.id,
    leafIndex: index,
    requestId: leaf.request?.id ?? '',
    method: leaf.http?.method ?? '',
    route: leaf.http?.route ?? '',
    beganMs: msOf(leaf.time.occurred),
    // Its outcome may never come: then it may have ended at any time.
    endedMs: isOpen ? Number.MAX_SAFE_INTEGER : endedMs,
    reached,
  })
}

/** Whether the upstream must have seen a request, may have, or must not. */
function reachedOf({ decision, outcome }: Leaf): Forwarded['reached'] {
  if (decision?.allowed === false || outcome === 'denied') return 'not'
  // The upstream's own status is what makes these two: it has answered.
  return outcome === 'success' || outcome === 'failure' ? 'must' : 'may'
}

/** Where to begin so as to miss nothing that is later: ids carry the time, nearly in the order of the log. */
async function indexBefore(log: PublishedLog, timeMs: number): Promise<number> {
  const head = await readHead(log)
  let low = 0
  let high = Math.ceil(head.size / TILE_WIDTH)
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const times = (await readBundle(log, head, middle)).map((entry) => decodeEntry(entry).leaf.id)
    const latest = Math.max(0, ...times.filter(isId).map(idTimeMs))
    if (latest >= timeMs) high = middle
    else low = middle + 1
  }
  return Math.max(0, low - BUNDLES_AFTER) * TILE_WIDTH
}

function tell(found: Reconciled, lines: Lines, { service, io }: { service: string; io: Io }): void {
  const paint = paintFor(io.stdout)
  const agree = found.bypassTotal === 0 && found.unseenTotal === 0 && lines.badTotal === 0
  const answer = agree ? paint.green('reconciled') : paint.red('NOT reconciled')
  const { sinceMs, untilMs } = found.window
  print(io, `${answer}: ${service}, ${iso(sinceMs)} to ${iso(untilMs)}`)
  print(io, `  upstream    saw ${counted(found.seen, 'request')}`)
  print(io, `  log         says that ${counted(found.forwarded, 'request')} reached it`)
  print(io, `  matched     ${found.byId} by request id`)
  if (found.byTime > 0)
    print(
      io,
      `  matched     ${found.byTime} by time, method and path only: weaker, the upstream wrote no request id`,
    )
  if (found.uncertain > 0)
    print(
      io,
      `  uncertain   ${found.uncertain} that failed on the way, and that the upstream did not see`,
    )
  if (lines.ignored > 0) print(io, `  ignored     ${counted(lines.ignored, 'line')}, as asked`)
  for (const { line, timeMs, method, path, status, why } of found.bypass.slice(0, SHOWN_MAX)) {
    const what = `line ${line}, ${iso(timeMs)} ${method} ${path} ${status}`
    print(io, `  ${paint.red('BYPASS')}      ${escapeText(what)}: ${WHY[why]}`)
  }
  more(io, found.bypassTotal)
  for (const { leafIndex, beganMs, method, route } of found.unseen.slice(0, SHOWN_MAX)) {
    const what = `entry ${leafIndex}, ${iso(beganMs)} ${method} ${route}`
    print(
      io,
      `  ${paint.red('UNSEEN')}      ${escapeText(what)}: on record as answered, and the upstream has no line of it`,
    )
  }
  more(io, found.unseenTotal)
  for (const { line, why } of lines.bad.slice(0, SHOWN_MAX))
    print(io, `  unreadable  line ${line}: ${why}`)
  more(io, lines.badTotal)
  if (found.bypassTotal > 0)
    say(
      io,
      'countersign: a request that went around the gateway was neither authorised nor recorded',
    )
}

const WHY = {
  unknown: 'the log does not know it',
  refused: 'the log says that it was refused',
  repeated: 'its request id is on record, but fewer times than the upstream saw it',
} as const

function more(io: Io, total: number): void {
  if (total > SHOWN_MAX) print(io, `              and ${total - SHOWN_MAX} more`)
}

function timeOf(option: string, text: string): number {
  const isTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(
    text,
  )
  const ms = isTime ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) {
    throw usageError(
      COMMAND,
      `could not read ${option}: '${text}' is no time with its zone, such as 2026-07-30T12:00:00Z`,
    )
  }
  return ms
}

function msOf(ns: string): number {
  return Number(BigInt(ns) / NS_PER_MS)
}

function iso(ms: number): string {
  return Number.isSafeInteger(ms) && Math.abs(ms) < 8.64e15
    ? new Date(ms).toISOString()
    : String(ms)
}
