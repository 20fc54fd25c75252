import { stat } from 'node:fs/promises'
import { DONE, fit, paintFor, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'
import { readArguments, usageError, wholeNumber } from '../arguments.ts'
import { apiOptions } from '../api-place.ts'
import { askerOptions } from '../api-client.ts'
import { follow, isUrl } from '../../follow.ts'
import type { Followed } from '../../follow.ts'
import { locateLog } from '../log-place.ts'
import type { LocatedLog } from '../log-place.ts'
import { aboutOf, recordLine } from '../record-line.ts'
import type { About } from '../record-line.ts'
import { actorName, openRecord } from '../../contents.ts'
import type { OpenedRecord } from '../../contents.ts'
import { onStopSignal } from '../signals.ts'

const LAST_RECORDS = 10

/** Transactions that are remembered between intent and outcome. */
const OPEN_MAX = 10_000

/** `countersign tail`. */
export const tail: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'tail',
    options: {
      vkey: { type: 'string' },
      from: { type: 'string' },
      once: { type: 'boolean' },
      json: { type: 'boolean' },
      filter: { type: 'string', short: 'q' },
      ...askerOptions,
      ...apiOptions,
    },
    positionalsMax: 1,
  })
  const question = await questionOf(values.filter, positionals[0])
  if (question !== undefined) {
    refuse(values, { names: ['vkey', 'from', 'once'], why: 'goes with a log, not with a question' })
    const { tailFiltered } = await import('./tail-filtered.ts')
    return await tailFiltered({ ...values, question }, io)
  }
  const asking = Object.keys({ ...askerOptions, ...apiOptions }).filter((name) => name !== 'config')
  refuse(values, { names: asking, why: 'goes with a question' })
  const from =
    values.from === undefined
      ? -LAST_RECORDS
      : wholeNumber(values.from, { command: 'tail', name: '--from' })
  const log = await locateLog({ place: positionals[0], config: values.config, vkey: values.vkey })
  const stop = new AbortController()
  const forget = onStopSignal(() => stop.abort())
  try {
    const show = values.json === true ? jsonShower(io) : lineShower(io)
    if (values.once !== true) say(io, `countersign: following ${log.source.name} (Ctrl-C ends)`)
    for await (const followed of follow(log, {
      from,
      live: values.once !== true,
      signal: stop.signal,
    })) {
      await showAll(followed, log, show)
      if (stop.signal.aborted) break
    }
    return DONE
  } finally {
    forget()
    log.source.close()
    log.addenda.close()
  }
}

/** What is asked, where something is: what names no place is a question. `--filter` takes it from anybody's word. */
async function questionOf(
  filter: string | undefined,
  argument: string | undefined,
): Promise<string | undefined> {
  if (filter !== undefined) {
    if (argument === undefined) return filter
    throw usageError('tail', 'could not run: --filter asks the reader, which has its own logs')
  }
  if (argument === undefined || (await isPlace(argument))) return undefined
  return argument
}

/** A URL, something that is there, or what can only be meant as a path. */
async function isPlace(argument: string): Promise<boolean> {
  if (isUrl(argument) || /^[./~]|[/\\]$/.test(argument)) return true
  return (await stat(argument).catch(() => undefined)) !== undefined
}

function refuse(
  values: Readonly<Record<string, unknown>>,
  { names, why }: { names: readonly string[]; why: string },
): void {
  const given = names.find((name) => values[name] !== undefined)
  if (given !== undefined) throw usageError('tail', `could not run: --${given} ${why}`)
}

type Show = (record: OpenedRecord) => void

async function showAll({ from, entries }: Followed, log: LocatedLog, show: Show): Promise<void> {
  for (const [at, entry] of entries.entries()) {
    show(await openRecord(entry, { index: from + at, store: log.addenda }))
  }
}

function jsonShower(io: Io): Show {
  return (record) => printJson(io, recordJson(record))
}

/** What `--json` prints of a record. Content that is no JSON is left out: `show` prints it. */
export function recordJson({ index, leaf, addenda }: OpenedRecord): Record<string, unknown> {
  const contents = addenda.map((addendum) => [addendum.name, jsonOf(addendum.content)] as const)
  const known = contents.filter(([, content]) => content !== undefined)
  const closed = addenda.filter(({ state }) => isClosed(state))
  return {
    index,
    leaf,
    ...(known.length === 0 ? {} : { addenda: Object.fromEntries(known) }),
    ...(closed.length === 0
      ? {}
      : {
          closed: closed.map(({ name, state, erasure, retention }) => ({
            name,
            state,
            record: erasure ?? retention,
          })),
        }),
  }
}

/** Whether it is no fault that an addendum shows nothing. */
function isClosed(state: OpenedRecord['addenda'][number]['state']): boolean {
  return state === 'sealed' || state === 'erased' || state === 'expired'
}

function jsonOf(content: Uint8Array | undefined): unknown {
  if (content === undefined) return undefined
  try {
    return JSON.parse(Buffer.from(content).toString('utf8')) as unknown
  } catch {
    // A body: not for a line of JSON.
    return undefined
  }
}

function lineShower(io: Io): Show {
  const paint = paintFor(io.stdout)
  const open = new Map<string, About>()
  return (record) => {
    const { index, leaf } = record
    const about = open.get(leaf.id) ?? aboutOf(leaf, actorName(record) ?? whyNameless(record))
    if (leaf.phase === 'intent') open.set(leaf.id, about)
    else open.delete(leaf.id)
    // An outcome may never come: the oldest are forgotten.
    for (const oldest of open.keys()) if (open.size > OPEN_MAX) open.delete(oldest)
    print(io, fit(recordLine({ index, leaf, about }, paint), io.stdout))
  }
}

/** Why a record shows no name, where that is worth a word: who is known is never shown by a pseudonym without a reason. */
function whyNameless({ leaf, addenda }: OpenedRecord): string | undefined {
  const state = addenda.find(({ name }) => name === 'request')?.state
  return leaf.actor !== undefined && state !== undefined && isClosed(state)
    ? `[${state}]`
    : undefined
}
