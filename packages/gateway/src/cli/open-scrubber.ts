/** Opens the scrubber as a process's work: what it reads, where its alarms go, and what it says. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openIds } from '@countersign/record/id'
import type { Draft } from '@countersign/record/leaf'
import type { LoadedConfig } from '../config.ts'
import { isUrl, openLogSource, scrubLog } from '../follow.ts'
import type {
  Alarm,
  CheckedAddenda,
  LogSource,
  PublishedLog,
  ScrubEvent,
  ScrubOptions,
  ScrubState,
} from '../follow.ts'
import { checkAddendaPack, connectLedger, layoutOf } from '../ledger.ts'
import type { Ledger } from '../ledger.ts'
import { systemClock } from '../platform.ts'
import { openErasures } from '../contents.ts'
import type { ErasureSearch } from '../contents.ts'
import { CommandError, messageOf } from './errors.ts'
import { locateLog } from './log-place.ts'
import type { Opened } from './commands/processes.ts'
import { escapeText, say, sayError } from './terminal.ts'
import type { Io } from './terminal.ts'

const NS_PER_MS = 1_000_000n

export async function openScrubber(loaded: LoadedConfig, io: Io): Promise<Opened> {
  const stop = new AbortController()
  const options = {
    passes: Number.POSITIVE_INFINITY,
    signal: stop.signal,
    onEvent: sayOnce(io),
  }
  // Before it is ready: without its key a log cannot be looked after, and whoever started this should hear of it.
  const log = await locateLog({ config: loaded.path })
  await makeTemporary(loaded)
  const scrubbing = scrub(loaded, log, options)
  scrubbing.catch((error: unknown) => {
    // Its own state cannot be kept: whoever supervises it starts it again, more and more rarely.
    sayError(io, error)
    process.exit(2)
  })
  return {
    listening: {},
    async close() {
      stop.abort()
      await scrubbing
    },
  }
}

/** Scrubs the log of a configuration, so many times; with no pass at all it only says how things stand. */
export async function scrub(
  loaded: LoadedConfig,
  log: PublishedLog,
  options: Pick<ScrubOptions, 'passes' | 'signal' | 'onEvent'>,
): Promise<ScrubState> {
  const dataDir = loaded.resolve(loaded.config.data)
  const mirrors = await openMirrors(loaded, options.onEvent)
  const recorder = openRecorder(dataDir)
  const erased = openErasures(log)
  try {
    const temporary = await makeTemporary(loaded)
    return await scrubLog({
      ...options,
      log,
      folder: layoutOf(dataDir).log,
      temporary,
      statePath: join(dataDir, 'state', 'scrub.json'),
      bytesPerSecond: loaded.config.scrub.rate,
      mirrors,
      checkAddenda: (group, entries) => checkAddenda(dataDir, { group, entries, erased }),
      record: recorder.record,
      nowMs: () => Number(systemClock.nowNs() / NS_PER_MS),
    })
  } finally {
    await recorder.close()
    log.source.close()
    for (const mirror of mirrors) mirror.close()
  }
}

/** Where repaired files are written before they take their place. */
async function makeTemporary(loaded: LoadedConfig): Promise<string> {
  const folder = join(loaded.resolve(loaded.config.data), 'state', 'scrub-tmp')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return folder
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not make ${folder}: ${messageOf(cause)}`, { cause })
  }
}

/** A mirror that cannot be opened is not there for now: the log is looked after all the same. */
async function openMirrors(
  loaded: LoadedConfig,
  onEvent: (event: ScrubEvent) => void,
): Promise<LogSource[]> {
  const mirrors: LogSource[] = []
  for (const place of loaded.config.scrub.mirrors) {
    try {
      mirrors.push(await openLogSource(isUrl(place) ? place : loaded.resolve(place)))
    } catch (error) {
      onEvent({ kind: 'unchecked', why: messageOf(error) })
    }
  }
  return mirrors
}

interface Group {
  readonly group: number
  readonly entries: readonly Uint8Array[]
  readonly erased: ErasureSearch
}

async function checkAddenda(
  dataDir: string,
  { group, entries, erased }: Group,
): Promise<CheckedAddenda> {
  const { path, bytes, wrong, unreadable } = await checkAddendaPack(dataDir, group, entries)
  if (unreadable !== undefined) return { path, bytes, problem: unreadable }
  for (const { leafIndex, isMissing } of wrong) {
    // What was erased lawfully is gone, and no damage; the log says so itself.
    if (isMissing && (await erased.covering(leafIndex)) !== undefined) continue
    const how = isMissing ? 'is missing' : 'is not the one that it names'
    return { path, bytes, problem: `an addendum of record ${leafIndex} ${how}` }
  }
  return { path, bytes }
}

interface Recorder {
  record(this: void, alarm: Alarm): Promise<void>
  close(): Promise<void>
}

/** A writer's session of its own, opened with the first alarm: most scrubbers never write. */
function openRecorder(dataDir: string): Recorder {
  const newId = openIds({ nowMs: () => Number(systemClock.nowNs() / NS_PER_MS) })
  let ledger: Ledger | undefined
  return {
    async record(alarm) {
      ledger ??= await connectLedger({ socketPath: layoutOf(dataDir).socket, clock: systemClock })
      await ledger.append(alarmDraft(alarm, newId()))
    },
    async close() {
      await ledger?.close()
    },
  }
}

function alarmDraft(alarm: Alarm, id: string): Draft {
  return {
    leaf: {
      v: 1,
      id,
      class: 'lifecycle',
      action: 'lifecycle.alarm',
      phase: 'single',
      outcome: 'success',
      severity: alarm.raised ? 'error' : 'notice',
      time: { occurred: systemClock.nowNs().toString() },
      lifecycle: { kind: 'alarm', ...alarm },
    },
    addenda: [],
  }
}

/** What happens, in words; what is the same as last time is not said again. */
export function sayOnce(io: Io): (event: ScrubEvent) => void {
  let last = ''
  return (event) => {
    const text = textOf(event)
    if (text !== undefined && text !== last) say(io, `countersign: ${escapeText(text)}`)
    if (text !== undefined) last = text
  }
}

function textOf(event: ScrubEvent): string | undefined {
  switch (event.kind) {
    case 'damaged':
      return `warning: DAMAGE: ${event.path}: ${event.detail}`
    case 'repaired':
      return `repaired ${event.path} from ${event.from}`
    case 'unrecorded':
      return `warning: the damage of ${event.path} is not on record yet: ${messageOf(event.cause)}`
    case 'unchecked':
      return `warning: not checked: ${event.why}`
    case 'pass':
      return undefined
    default:
      return event satisfies never
  }
}
