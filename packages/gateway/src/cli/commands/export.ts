import { isId } from '@countersign/record/id'
import { findByTime, findSession } from '../../evidence.ts'
import type { EvidenceLog, LeafRange, Scope } from '../../evidence.ts'
import { readHead } from '../../follow.ts'
import { readArguments, usageError } from '../arguments.ts'
import { choosePlaces } from '../choose.ts'
import { CommandError } from '../errors.ts'
import { runExport } from '../export-run.ts'
import type { ChooseScope } from '../export-run.ts'
import { reasonGiven } from '../reason.ts'
import type { Command, Io } from '../terminal.ts'

const COMMAND = 'export'

/** A pseudonym, or everybody of a day of whom nobody was known. */
const PSEUDONYM = /^[\x21-\x7e]{1,64}$/

interface Asked {
  readonly range?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly session?: string | undefined
  readonly person?: string | undefined
  readonly record?: string[] | undefined
  readonly complete?: boolean | undefined
}

/** `countersign export`. */
export const exportCommand: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: COMMAND,
    options: {
      out: { type: 'string', short: 'o' },
      by: { type: 'string' },
      purpose: { type: 'string' },
      range: { type: 'string' },
      since: { type: 'string' },
      until: { type: 'string' },
      session: { type: 'string' },
      person: { type: 'string' },
      record: { type: 'string', multiple: true },
      open: { type: 'boolean' },
      complete: { type: 'boolean' },
      policy: { type: 'string' },
      'from-checkpoint': { type: 'string' },
      unrecorded: { type: 'boolean' },
      config: { type: 'string', short: 'c' },
      vkey: { type: 'string' },
      json: { type: 'boolean' },
    },
    positionalsMax: 1,
  })
  if (values.out === undefined) throw usageError(COMMAND, 'could not export: -o names the file')
  const kind = kindOf(values)
  const wanted = {
    place: positionals[0],
    config: values.config,
    vkey: values.vkey,
    target: values.out,
    by: reasonGiven(values.by, { command: COMMAND, name: '--by' }),
    purpose: reasonGiven(values.purpose, { command: COMMAND, name: '--purpose' }),
    opening: values.open === true ? ('chosen' as const) : ('none' as const),
    policy: values.policy,
    fromCheckpoint: values['from-checkpoint'],
    unrecorded: values.unrecorded === true,
    json: values.json === true,
  }
  return await runExport(wanted, chooserOf(kind, readBounds(values), { asked: values, io }), io)
}

/** The scope of chosen records, each an id or an index. */
export function chosenRecords(command: string, wanted: readonly string[], io: Io): ChooseScope {
  return async (log) => {
    const head = await readHead(log)
    const indexes = new Set<number>()
    for (const one of wanted) {
      const places = await choosePlaces(log, head, { command, wanted: one, io })
      for (const index of isId(one) ? places : [Number(one)]) indexes.add(index)
    }
    return { kind: 'record', indexes: [...indexes] }
  }
}

function kindOf(asked: Asked): Scope['kind'] {
  const { session, person, record, range } = asked
  const kinds = [
    ...(session === undefined ? [] : (['session'] as const)),
    ...(person === undefined ? [] : (['person'] as const)),
    ...(record === undefined ? [] : (['record'] as const)),
  ]
  const [kind = 'range', second] = kinds
  if (second !== undefined)
    throw usageError(COMMAND, `could not export: give --${kind} or --${second}, not both`)
  const isTimed = asked.since !== undefined || asked.until !== undefined
  if (range !== undefined && isTimed)
    throw usageError(COMMAND, 'could not export: give --range or times, not both')
  const hasRange = range !== undefined || isTimed
  if (kind === 'range' && !hasRange)
    throw usageError(
      COMMAND,
      'could not export: say what: --range, --since, --until, --session, --person or --record',
    )
  if (hasRange && (kind === 'session' || kind === 'record'))
    throw usageError(COMMAND, `could not export: --${kind} says where it lies by itself`)
  if (asked.complete === true && kind !== 'person')
    throw usageError(
      COMMAND,
      'could not export: --complete is for --person; a range and a session are',
    )
  return kind
}

/** What bounds a range, read before the log is: as indexes, or in nanoseconds since the epoch. */
interface Bounds {
  readonly range?: LeafRange | undefined
  readonly sinceNs?: bigint | undefined
  readonly untilNs?: bigint | undefined
}

function readBounds({ range, since, until }: Asked): Bounds {
  return {
    range: range === undefined ? undefined : leafRange(range),
    sinceNs: since === undefined ? undefined : nanoseconds(since, '--since'),
    // All of its second.
    untilNs: until === undefined ? undefined : nanoseconds(until, '--until') + NS_PER_SECOND - 1n,
  }
}

function chooserOf(
  kind: Scope['kind'],
  bounds: Bounds,
  { asked, io }: { asked: Asked; io: Io },
): ChooseScope {
  const { since, until, session = '', person = '', complete = false } = asked
  switch (kind) {
    case 'record':
      return chosenRecords(COMMAND, asked.record ?? [], io)
    case 'session':
      if (!isId(session))
        throw usageError(COMMAND, `could not read --session: '${session}' is no id of a session`)
      return async (_log, evidence) => {
        const { isOpen, ...range } = await findSession(evidence, session)
        return { kind, session, range, isOpen }
      }
    case 'person':
      if (!PSEUDONYM.test(person))
        throw usageError(
          COMMAND,
          'could not read --person: it is no pseudonym',
          "a pseudonym is the 'actor' of 'countersign show'; names are not in the log",
        )
      return async (_log, evidence) => {
        const within = await rangeOf(bounds, evidence)
        return { kind, pseudonym: person, within, complete }
      }
    case 'range':
      return async (_log, evidence) => ({
        kind,
        range: await rangeOf(bounds, evidence),
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
      })
    default:
      return kind satisfies never
  }
}

async function rangeOf({ range, ...times }: Bounds, evidence: EvidenceLog): Promise<LeafRange> {
  const { size } = evidence.head
  if (size === 0)
    throw new CommandError('CANNOT_RUN', 'could not export: the log has no record yet')
  if (range === undefined) return await findByTime(evidence, times)
  if (range.to < size) return range
  throw new CommandError(
    'CANNOT_RUN',
    `could not find record ${range.to}: the log has ${size}, counted from 0`,
  )
}

function leafRange(text: string): LeafRange {
  const [, from, to] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? []
  if (from === undefined || Number(from) > Number(to))
    throw usageError(COMMAND, `could not read --range: '${text}' is not FIRST-LAST`)
  return { from: Number(from), to: Number(to) }
}

const NS_PER_SECOND = 1_000_000_000n

function nanoseconds(time: string, name: string): bigint {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(time) ? Date.parse(time) : Number.NaN
  if (Number.isNaN(ms))
    throw usageError(
      COMMAND,
      `could not read ${name}: '${time}' is no time in UTC`,
      'write it like 2026-11-25T08:00:00Z',
    )
  return BigInt(ms) * 1_000_000n
}
