/** `countersign who-read`: who looked at a record, or at anything of a subject. It asks the log, and no process. */
import type { ReadStatement } from '@countersign/record/reading'
import { SUBJECT_PATTERN } from '@countersign/record/subject'
import { readArguments, usageError, wholeNumber } from '../arguments.ts'
import { choosePlaces } from '../choose.ts'
import { actorName, addendumJson, openRecord } from '../../contents.ts'
import type { OpenedRecord } from '../../contents.ts'
import { findTransaction, readHead, readProven } from '../../follow.ts'
import { CommandError } from '../errors.ts'
import { memberOf, textIn } from '../json.ts'
import { locateLog } from '../log-place.ts'
import type { LocatedLog } from '../log-place.ts'
import { openCopyProgress } from '../progress.ts'
import { scanReads } from '../read-scan.ts'
import type { FoundRead, ReadScan, Wanted } from '../read-scan.ts'
import { isoTime, whoOf } from '../record-line.ts'
import { dimHidden } from '../row-table.ts'
import { localTime } from '../rows.ts'
import { counted, DONE, escapeText, fit, paintFor, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

/** `countersign who-read`. */
export const whoRead: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'who-read',
    options: {
      record: { type: 'string' },
      subject: { type: 'string' },
      origin: { type: 'string' },
      config: { type: 'string', short: 'c' },
      vkey: { type: 'string' },
      json: { type: 'boolean' },
    },
    positionalsMax: 1,
  })
  const { record, subject, origin, json = false } = values
  if ((record === undefined) === (subject === undefined))
    throw usageError('who-read', 'could not run: it is --record ID or --subject PSEUDONYM')
  const log = await locateLog({ place: positionals[0], config: values.config, vkey: values.vkey })
  const progress = openCopyProgress(io)
  try {
    const { wanted, from } =
      subject === undefined
        ? await wantedRecord(log, { record: record ?? '', origin, io })
        : wantedSubject(subject)
    const scan = scanReads({
      log,
      wanted,
      from,
      onProgress: (done, size) => progress.show(done, size),
    })
    let looks = 0
    for await (const found of scan.found()) {
      progress.end()
      const look = await openLook(found, log)
      looks += 1
      if (json) printJson(io, look)
      else tell(look, io)
    }
    progress.end()
    if (subject !== undefined && !scan.isKnown) throw unknownSubject(subject, log)
    tellEnd(scan, { from, looks, io })
    return DONE
  } finally {
    progress.end()
    log.source.close()
    log.addenda.close()
  }
}

interface Searched {
  readonly wanted: Wanted
  readonly from: number
}

async function wantedRecord(
  log: LocatedLog,
  { record, origin, io }: { record: string; origin: string | undefined; io: Io },
): Promise<Searched> {
  const head = await readHead(log)
  if (origin === undefined || origin === head.origin) {
    const places = await choosePlaces(log, head, { command: 'who-read', wanted: record, io })
    const wanted = { kind: 'leaves', origin: head.origin, leaves: new Set(places) } as const
    return { wanted, from: Math.min(...places) }
  }
  // A record of another log that the reader here follows: nothing of that log is at hand, so its place must be said.
  const index = wholeNumber(record, { command: 'who-read', name: '--record with --origin' })
  return { wanted: { kind: 'leaves', origin, leaves: new Set([index]) }, from: 0 }
}

function wantedSubject(subject: string): Searched {
  if (!SUBJECT_PATTERN.test(subject)) {
    throw usageError(
      'who-read',
      `could not read --subject: '${subject}' is no pseudonym (32 hex digits), nor anonymous/ or unknown/ and a day`,
    )
  }
  return { wanted: { kind: 'subject', subject }, from: 0 }
}

function unknownSubject(subject: string, log: LocatedLog): CommandError {
  return new CommandError('CANNOT_RUN', `could not find ${subject} in ${log.source.name}`, {
    hint: "the pseudonym is the id of the actor in any of its records: 'countersign show --json'",
  })
}

/** One look, as `--json` prints it. */
interface Look {
  readonly index: number
  readonly id: string
  readonly time: string
  readonly kind: 'read' | 'export'
  readonly who: string
  /** Pseudonym of who looked; of an export there is none. */
  readonly actor?: string
  readonly role?: string
  readonly unmasked: boolean
  /** How many of the records that were asked about it showed, and how many rows in all. */
  readonly hits: number
  readonly rows?: number
  readonly question?: string
  readonly purpose?: string
  readonly ticket?: string
  readonly services?: readonly string[]
  readonly approval?: string
  /** Why question, purpose and ticket are not shown: `sealed`, `erased`... */
  readonly closed?: string
}

async function openLook(found: FoundRead, log: LocatedLog): Promise<Look> {
  const { index, entry, leaf, hits } = found
  const common = { index, id: leaf.id, time: isoTime(leaf.time.occurred), hits }
  const { lifecycle, read } = leaf
  if (lifecycle?.kind === 'export') {
    const { by, purpose, opened } = lifecycle
    return { ...common, kind: 'export', who: by, purpose, unmasked: opened > 0 }
  }
  const outcome = await openRecord(entry, { index, store: log.addenda })
  const intent = await openIntent(found, log)
  const who = intent?.leaf.actor === undefined ? leaf : intent.leaf
  const name = intent === undefined ? undefined : (actorName(intent) ?? nameless(intent))
  return {
    ...common,
    kind: 'read',
    who: whoOf(who, name),
    ...(who.actor === undefined ? {} : { actor: who.actor.id }),
    ...(read === undefined ? {} : { role: read.role, rows: read.rows }),
    unmasked: read?.unmasked === true,
    ...(read?.approval === undefined ? {} : { approval: read.approval }),
    ...statementOf(outcome),
  }
}

/** Who asked is in the intent: met on the way, or looked for, since a live stream may have begun long before. */
async function openIntent(
  { intent, leaf }: FoundRead,
  log: LocatedLog,
): Promise<OpenedRecord | undefined> {
  if (intent !== undefined)
    return await openRecord(intent.entry, { index: intent.index, store: log.addenda })
  const id = leaf.phase === 'single' ? leaf.cause?.id : leaf.id
  if (id === undefined) return undefined
  const head = await readHead(log)
  const [place] = await findTransaction(log, head, { id, onMiss: () => undefined })
  if (place === undefined) return undefined
  const { entry } = await readProven(log, head, place.index)
  return await openRecord(entry, { index: place.index, store: log.addenda })
}

function nameless({ addenda }: OpenedRecord): string | undefined {
  const state = addenda.find(({ name }) => name === 'request')?.state
  return state === 'sealed' || state === 'erased' ? `[${state}]` : undefined
}

/** What the reader said of why; or why it is not to be seen. */
function statementOf({ addenda }: OpenedRecord): ReadStatement & { closed?: string } {
  const addendum = addenda.find(({ name }) => name === 'read')
  if (addendum === undefined) return {}
  const json = addendumJson(addendum)
  if (json === undefined) return { closed: addendum.state }
  const [purpose, ticket] = ['purpose', 'ticket'].map((name) => textIn(json, name))
  // The empty question asks for everything.
  const question = memberOf(json, 'question')
  const services = memberOf(json, 'services')
  return {
    ...(typeof question === 'string' ? { question } : {}),
    ...(purpose === undefined ? {} : { purpose }),
    ...(ticket === undefined ? {} : { ticket }),
    ...(isTexts(services) ? { services } : {}),
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** Two lines: when, who, as whom, whether sealed content was shown, and where that is on record; then what was asked, and why. */
function tell(look: Look, io: Io): void {
  const paint = paintFor(io.stdout)
  const { who, role, unmasked, index, kind } = look
  const as = kind === 'export' ? 'by a bundle' : `as ${role ?? '?'}`
  const open = unmasked ? paint.yellow('unmasked') : 'masked'
  const time = localTime(String(BigInt(Date.parse(look.time)) * 1_000_000n))
  print(
    io,
    fit(
      `${time}  ${dimHidden(escapeText(who), paint)} ${as}, ${open}  ${paint.dim(`leaf ${index}`)}`,
      io.stdout,
    ),
  )
  const words = [
    look.closed === undefined ? undefined : `[${look.closed}]`,
    look.question === '' ? 'everything' : look.question,
    look.purpose === undefined ? undefined : `purpose: ${look.purpose}`,
    look.ticket === undefined ? undefined : `ticket: ${look.ticket}`,
    look.approval === undefined ? undefined : `approved in ${look.approval}`,
  ].filter((word) => word !== undefined)
  if (words.length === 0) return
  print(io, fit(`    ${dimHidden(words.map(escapeText).join('; '), paint)}`, io.stdout))
}

function tellEnd(
  { uncounted, size }: ReadScan,
  { from, looks, io }: { from: number; looks: number; io: Io },
): void {
  const found = looks === 0 ? 'nobody read it' : counted(looks, 'look')
  say(
    io,
    `countersign: ${found}; records ${from} to ${Math.max(from, size - 1)} were read, and verified`,
  )
  if (uncounted > 0)
    say(io, `countersign: besides, ${counted(uncounted, 'read')} counted records and listed none`)
}
