import { isDay, dayOf, rulesText } from '@countersign/record/retention'
import { resolve } from 'node:path'
import { openProgress } from '@countersign/verifier/summary'
import { loadConfig, retentionRules } from '../../config.ts'
import type { LoadedConfig } from '../../config.ts'
import { sha256Hex } from '../../cryptography.ts'
import { systemClock } from '../../platform.ts'
import { listPeriods } from '../../seal.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError } from '../errors.ts'
import { openLifecycleWriter } from '../lifecycle-writer.ts'
import type { LifecycleWriter } from '../lifecycle-writer.ts'
import { DEFAULT_CONFIG, locateLog } from '../log-place.ts'
import type { LocatedLog } from '../log-place.ts'
import { planRetention, retaining } from '../retention.ts'
import type { HeldPeriod, Period, RetentionPlan, RetentionStep } from '../retention.ts'
import { scanRetention } from '../retention-scan.ts'
import type { RetentionScan } from '../retention-scan.ts'
import { column, counted, DONE, escapeText, paintFor, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'
import { reason } from './erase.ts'

const COMMAND = 'retention'
/** Days that are listed of those whose time has not come; `--json` has all of them. */
const LATER_SHOWN_MAX = 5

interface Wanted {
  readonly today: string
  readonly isApplied: boolean
  readonly by: string
  readonly basis: string | undefined
  readonly json: boolean
}

/** `countersign retention`: what was kept for long enough; with `--apply`, it goes. */
export const retention: Command = async (args, io) => {
  const { values } = readArguments(args, {
    command: COMMAND,
    options: {
      config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
      apply: { type: 'boolean' },
      by: { type: 'string' },
      basis: { type: 'string' },
      today: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const { apply: isApplied = false, json = false } = values
  const by = reason(values.by, { command: COMMAND, name: '--by', isNeeded: isApplied })
  const given = reason(values.basis, { command: COMMAND, name: '--basis', isNeeded: false })
  const basis = given === '' ? undefined : given
  const today = dayGiven(values.today, isApplied)
  const loaded = await loadConfig(resolve(values.config), { files: 'unchecked' })
  checkRules(loaded)
  const log = await locateLog({ config: values.config })
  try {
    return await run(log, loaded, { wanted: { today, isApplied, by, basis, json }, io })
  } finally {
    log.source.close()
    log.addenda.close()
  }
}

/** @throws {CommandError} `USAGE`: nothing goes by any clock but this machine's. */
function dayGiven(text: string | undefined, isApplied: boolean): string {
  if (text === undefined) return dayOf(systemClock.nowNs())
  if (isApplied)
    throw usageError(
      COMMAND,
      'could not apply: --today only looks ahead',
      'leave out --apply, or leave out --today',
    )
  if (isDay(text)) return text
  throw usageError(
    COMMAND,
    `could not read --today: '${escapeText(text)}' is no day`,
    'a day is such as 2027-01-31',
  )
}

/** @throws {CommandError} `CANNOT_RUN`: rules that were taken out of the file let nothing go. */
function checkRules({ config }: LoadedConfig): void {
  const { default: always, labels, services } = config.retention
  const rules = [always, ...Object.values(labels), ...Object.values(services)]
  if (rules.some((rule) => rule !== undefined)) return
  throw new CommandError(
    'CANNOT_RUN',
    'could not begin: without rules, everything is kept for ever',
    {
      hint: 'say how long content is kept under retention in the configuration',
    },
  )
}

interface Asked {
  readonly wanted: Wanted
  readonly io: Io
}

async function run(log: LocatedLog, loaded: LoadedConfig, { wanted, io }: Asked): Promise<number> {
  // From here until the end no hold is placed and none released.
  const writer = await openLifecycleWriter(loaded, systemClock)
  try {
    // What was durable when we were called is seen, also a hold of a moment ago.
    await writer.ledger.publish()
    const scan = await scanned(log, loaded, io)
    const plan = planRetention(scan, {
      periods: listPeriods(writer.stateDir),
      today: wanted.today,
    })
    if (wanted.isApplied) return await apply({ loaded, writer, plan }, wanted, io)
    if (wanted.json) printJson(io, { dryRun: true, ...plan, forEver: scan.forEver })
    else lookAhead(plan, scan, io)
    return DONE
  } finally {
    await writer.close()
  }
}

async function scanned(log: LocatedLog, loaded: LoadedConfig, io: Io): Promise<RetentionScan> {
  const progress = openProgress({
    stdout: (text) => io.stdout.write(text),
    stderr: (text) => io.stderr.write(text),
    isTerminal: io.stderr.isTTY === true,
  })
  return await scanRetention({
    log,
    dataDir: loaded.resolve(loaded.config.data),
    rules: retentionRules(loaded.config),
    onProgress: progress.show,
  }).finally(progress.end)
}

interface Applying {
  readonly loaded: LoadedConfig
  readonly writer: LifecycleWriter
  readonly plan: RetentionPlan
}

async function apply(
  { loaded, writer, plan }: Applying,
  { by, basis, json }: Wanted,
  io: Io,
): Promise<number> {
  const { append, ledger, stateDir } = writer
  const rules = sha256Hex(rulesText(retentionRules(loaded.config)))
  const publish = (): Promise<unknown> => ledger.publish()
  const records: number[] = []
  for await (const step of retaining({ stateDir, plan, by, basis, rules, append, publish })) {
    if (step.step === 'recorded') records.push(step.record)
    if (!json) sayStep(step, io)
  }
  const periods = plan.due.map(({ day }) => day)
  const addenda = addendaOf(plan.due)
  const kept = plan.kept.map(({ day }) => day)
  if (json) printJson(io, { applied: true, today: plan.today, records, periods, addenda, kept })
  else {
    print(
      io,
      `gone: ${counted(addenda, 'addendum', 'addenda')} of ${counted(periods.length, 'day')} (${records.length === 1 ? 'record' : 'records'} ${records.join(', ')})`,
    )
    for (const held of plan.kept) print(io, `  kept  ${keptText(held)}`)
  }
  return DONE
}

/** What was said cannot be undone. */
function sayStep({ step, record, periods }: RetentionStep, io: Io): void {
  switch (step) {
    case 'recorded':
      return say(io, `countersign: record ${record} says so, and is durable`)
    case 'keys_destroyed':
      return say(
        io,
        periods.length === 0
          ? `countersign: no key had to go by record ${record}`
          : `countersign: ${counted(periods.length, 'key')} destroyed by record ${record}; what was under them opens no more`,
      )
    default:
      return step satisfies never
  }
}

function lookAhead({ today, due, kept, later }: RetentionPlan, scan: RetentionScan, io: Io): void {
  const paint = paintFor(io.stdout)
  const row = (day: string, addenda: string, what: string): void =>
    print(io, `  ${day}  ${column(addenda, 9)}  ${what}`)
  if (due.length + kept.length === 0) print(io, `nothing is due on ${today}`)
  else {
    print(
      io,
      `on ${today}, ${counted(addendaOf(due), 'addendum', 'addenda')} of ${counted(due.length, 'day')} would go`,
    )
    print(io, paint.dim(`  kept to     addenda    then`))
  }
  for (const { day, addenda, record } of due)
    row(day, String(addenda), record === undefined ? 'goes' : `goes, as record ${record} says`)
  for (const held of kept) row(held.day, String(held.addenda), paint.yellow(heldText(held)))
  for (const { day, addenda } of later.slice(0, LATER_SHOWN_MAX))
    row(day, String(addenda), paint.dim('later'))
  if (later.length > LATER_SHOWN_MAX)
    print(io, `  and ${counted(later.length - LATER_SHOWN_MAX, 'later day')}`)
  if (scan.forEver > 0)
    print(io, `  no day      ${column(String(scan.forEver), 9)}  kept until somebody is erased`)
}

function keptText(held: HeldPeriod): string {
  return `${held.day}, ${heldText(held)}`
}

function heldText({ holds }: HeldPeriod): string {
  const matters = [
    ...new Set(holds.map(({ matter, record }) => `${escapeText(matter)} (record ${record})`)),
  ]
  return `held for ${matters.join(', ')}`
}

function addendaOf(periods: readonly Period[]): number {
  return periods.reduce((sum, { addenda }) => sum + addenda, 0)
}
