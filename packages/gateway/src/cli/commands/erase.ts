import { resolve } from 'node:path'
import { decodeEntry } from '@countersign/record/decode'
import { formatLeafList } from '@countersign/record/leaf-list'
import { subjectOf, SUBJECT_PATTERN } from '@countersign/record/subject'
import { openProgress } from '@countersign/verifier/summary'
import { loadConfig } from '../../config.ts'
import type { LoadedConfig } from '../../config.ts'
import { systemClock } from '../../platform.ts'
import { readArguments, usageError } from '../arguments.ts'
import { choosePlaces } from '../choose.ts'
import { erasing } from '../erasure.ts'
import type { ErasureOptions, ErasureStep } from '../erasure.ts'
import { CommandError } from '../errors.ts'
import { openLifecycleWriter } from '../lifecycle-writer.ts'
import { DEFAULT_CONFIG, locateLog } from '../log-place.ts'
import type { LocatedLog } from '../log-place.ts'
import { readHead, readProven } from '../../follow.ts'
import { scanSubject } from '../subject-scan.ts'
import type { SubjectScan } from '../subject-scan.ts'
import { ANSWER_IS_NO, counted, DONE, escapeText, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const COMMAND = 'erase'
/** Characters of a basis, a matter or a name, so that they fit a record beside a list of leaves. */
const REASON_CHARACTERS_MAX = 1_000

interface Wanted {
  readonly subject: string
  readonly basis: string
  readonly by: string
  readonly json: boolean
  readonly isDry: boolean
}

/** `countersign erase`. */
export const erase: Command = async (args, io) => {
  const { values } = readArguments(args, {
    command: COMMAND,
    options: {
      config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
      subject: { type: 'string' },
      record: { type: 'string' },
      basis: { type: 'string' },
      by: { type: 'string' },
      'dry-run': { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const { subject, record, json = false } = values
  const isDry = values['dry-run'] === true
  if ((subject === undefined) === (record === undefined))
    throw usageError(COMMAND, 'could not erase: give --subject or --record')
  const basis = reason(values.basis, { command: COMMAND, name: '--basis', isNeeded: !isDry })
  const by = reason(values.by, { command: COMMAND, name: '--by', isNeeded: !isDry })
  const loaded = await loadConfig(resolve(values.config), { files: 'unchecked' })
  const log = await locateLog({ config: values.config })
  try {
    const whose =
      subject === undefined
        ? await subjectOfRecord(log, record ?? '', io)
        : checkSubject(subject, COMMAND)
    return await run(log, loaded, { wanted: { subject: whose, basis, by, json, isDry }, io })
  } finally {
    log.source.close()
    log.addenda.close()
  }
}

/** A subject as it may be given. @throws {CommandError} `USAGE` */
export function checkSubject(subject: string, command: string): string {
  if (SUBJECT_PATTERN.test(subject)) return subject
  throw usageError(
    command,
    `could not read --subject: '${escapeText(subject)}' is no pseudonym`,
    "a pseudonym is the 'who' of 'countersign show': 32 hexadecimal digits, or such as anonymous/2026-11-25",
  )
}

/** A reason as it will stand on record. @throws {CommandError} `USAGE` */
export function reason(
  text: string | undefined,
  { command, name, isNeeded = true }: { command: string; name: string; isNeeded?: boolean },
): string {
  if (text === undefined || text.trim() === '') {
    if (!isNeeded) return ''
    throw usageError(command, `could not run: ${name} says why or who, and goes on record`)
  }
  if (text.length <= REASON_CHARACTERS_MAX) return text
  throw usageError(command, `could not run: ${name} is over ${REASON_CHARACTERS_MAX} characters`)
}

async function subjectOfRecord(log: LocatedLog, record: string, io: Io): Promise<string> {
  const head = await readHead(log)
  for (const index of await choosePlaces(log, head, { command: COMMAND, wanted: record, io })) {
    const { entry } = await readProven(log, head, index)
    const { actor, time } = decodeEntry(entry).leaf
    if (actor !== undefined) return subjectOf(actor.id, BigInt(time.occurred))
  }
  throw new CommandError('CANNOT_RUN', `could not erase: record ${record} is nobody's`)
}

interface Asked {
  readonly wanted: Wanted
  readonly io: Io
}

function openScan(
  log: LocatedLog,
  subject: string,
  io: Io,
): { scan: SubjectScan; end: () => void } {
  const { dataDir } = log
  const { show, end } = openProgress({
    stdout: (text) => io.stdout.write(text),
    stderr: (text) => io.stderr.write(text),
    isTerminal: io.stderr.isTTY === true,
  })
  const at = dataDir === undefined ? {} : { dataDir }
  return { scan: scanSubject({ log, ...at, subject, onProgress: show }), end }
}

async function run(log: LocatedLog, loaded: LoadedConfig, { wanted, io }: Asked): Promise<number> {
  const { subject, isDry } = wanted
  const writer = await openLifecycleWriter(loaded, systemClock)
  const { scan, end } = openScan(log, subject, io)
  try {
    // What was durable when we were called is seen, also a hold or a release of a moment ago.
    await writer.ledger.publish()
    await scan.readOn().finally(end)
    checkKnown(scan, subject, loaded.config.origin)
    if (isDry) return lookAhead(scan, wanted, io)
    if (scan.holds.length > 0) return refused(scan, wanted, io)
    return await eraseNow({ ...wanted, ...writer, scan }, io)
  } finally {
    end()
    await writer.close()
  }
}

function lookAhead(
  { open, holds, erasures }: SubjectScan,
  { subject, json }: Wanted,
  io: Io,
): number {
  const leaves = formatLeafList(open)
  if (json) printJson(io, { subject, dryRun: true, leaves, holds, erasures })
  else {
    print(io, `${subject}: the addenda of ${counted(open.length, 'record')} would go`)
    if (open.length > 0) print(io, `  records  ${leaves}`)
    for (const { record, matter } of holds)
      print(io, `  held     for ${escapeText(matter)} (record ${record}): nothing would be erased`)
  }
  return holds.length > 0 ? ANSWER_IS_NO : DONE
}

async function eraseNow(options: ErasureOptions & Wanted, io: Io): Promise<number> {
  const { subject, json, scan } = options
  let addenda = 0
  for await (const done of erasing(options)) {
    if (done.step === 'addenda_removed') addenda += done.addenda
    if (!json) sayStep(done, io)
  }
  if (json) printJson(io, { subject, erased: true, records: scan.erasures, addenda })
  else
    print(
      io,
      `erased: ${subject}, ${counted(addenda, 'addendum', 'addenda')} removed (${records(scan)})`,
    )
  return DONE
}

/** Long work shows where it is: what was said cannot be undone. */
function sayStep(done: ErasureStep, io: Io): void {
  switch (done.step) {
    case 'recorded':
      return say(io, `countersign: record ${done.record} says so, and is durable`)
    case 'name_forgotten':
      return say(io, 'countersign: whom the pseudonym means is forgotten')
    case 'key_destroyed':
      return say(io, 'countersign: the key is destroyed; what is left of it opens no more')
    case 'addenda_removed':
      return say(
        io,
        `countersign: ${counted(done.addenda, 'addendum', 'addenda')} removed by record ${done.record}`,
      )
    default:
      return done satisfies never
  }
}

function records({ erasures }: SubjectScan): string {
  return `${erasures.length === 1 ? 'record' : 'records'} ${erasures.join(', ')}`
}

function checkKnown({ isKnown }: SubjectScan, subject: string, origin: string): void {
  if (isKnown) return
  throw new CommandError(
    'CANNOT_RUN',
    `could not erase ${subject}: nothing in ${origin} is of it`,
    {
      hint: "find the pseudonym with 'countersign show' of one of the person's records",
    },
  )
}

/** The answer is no, and nothing was done. */
function refused({ holds }: SubjectScan, { subject, json }: Wanted, io: Io): number {
  if (json) printJson(io, { subject, erased: false, holds })
  else {
    print(io, `not erased: ${subject} is under a legal hold`)
    for (const { record, matter, by } of holds)
      print(io, `  for ${escapeText(matter)}, by ${escapeText(by)} (record ${record})`)
  }
  return ANSWER_IS_NO
}
