/** `countersign scrubber --once` and `--status`: one look at the whole log, and how the last one went. */
import { loadConfig } from '../config.ts'
import type { ScrubState } from '../follow.ts'
import { readArguments, usageError } from './arguments.ts'
import { DEFAULT_CONFIG, locateLog } from './log-place.ts'
import { sayOnce, scrub } from './open-scrubber.ts'
import { onStopSignal } from './signals.ts'
import { ANSWER_IS_NO, COULD_NOT, counted, DONE, escapeText, print, printJson } from './terminal.ts'
import type { Command, Io } from './terminal.ts'

export const scrubOnce: Command = async (args, io) => {
  const { values } = readArguments(args, {
    command: 'scrubber',
    options: {
      config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
      once: { type: 'boolean' },
      status: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  if (values.once === true && values.status === true)
    throw usageError('scrubber', 'could not run: --once and --status are two things')
  const loaded = await loadConfig(values.config, { files: 'unchecked' })
  const stop = new AbortController()
  const forget = onStopSignal(() => stop.abort())
  const tell = sayOnce(io)
  let wasWhole = true
  const log = await locateLog({ config: loaded.path })
  const state = await scrub(loaded, log, {
    passes: values.status === true ? 0 : 1,
    signal: stop.signal,
    onEvent: (event) => {
      tell(event)
      if (event.kind === 'unchecked') wasWhole = false
    },
  }).finally(forget)
  report(state, { io, json: values.json === true })
  if (state.damage.length > 0) return ANSWER_IS_NO
  return wasWhole && !stop.signal.aborted ? DONE : COULD_NOT
}

function report(state: ScrubState, { io, json }: { io: Io; json: boolean }): void {
  if (json) {
    printJson(io, state)
    return
  }
  const { passes, lastPassMs, lastPassBytes, cursor, groups, damage, repaired } = state
  print(
    io,
    damage.length === 0 ? 'no damage is known' : `${counted(damage.length, 'file')} damaged`,
  )
  for (const { path, detail, sinceMs, recorded } of damage) {
    const record = recorded ? '' : '; its alarm is not on record yet'
    print(io, `  ${escapeText(path)}: ${escapeText(detail)}, since ${iso(sinceMs)}${record}`)
  }
  print(
    io,
    `  passes      ${passes}${lastPassMs === null ? '' : `, the last until ${iso(lastPassMs)}`}`,
  )
  if (lastPassBytes !== null)
    print(io, `  read        ${counted(lastPassBytes, 'byte')} in the last pass`)
  if (cursor > 0) print(io, `  under way   ${cursor * 256} of ${groups * 256} records`)
  print(io, `  repaired    ${counted(repaired, 'file')}`)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
