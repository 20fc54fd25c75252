import { isId } from '@countersign/record/id'
import { findByTime, findSession } from '../evidence.ts'
import type { EvidenceLog, LeafRange, Scope } from '../evidence.ts'
import { readHead } from '../follow.ts'
import { readArguments, usageError } from './arguments.ts'
import { choosePlaces } from './choose.ts'
import { CommandError } from './errors.ts'
import { runExport } from './export-run.ts'
import type { ChooseScope } from './export-run.ts'
import { reasonGiven } from './reason.ts'
import type { Command, Io } from './terminal.ts'

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
  return await runExport(wanted, chooserOf(kind, values, io), io)
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

function chooserOf(kind: Scope['kind'], asked: Asked, io: Io): ChooseScope {
  switch (kind) {
    case 'record':
      return chosenRecords(COMMAND, asked.record ?? [], io)
    case 'session':
      return async (_log, evidence) => sessionScope(asked.session ?? '', evidence)
    case 'person':
      return async (_log, evidence) => personScope(asked, evidence)
    case 'range':
      return async (_log, evidence) => ({
        kind: 'range',
        range: await rangeOf(asked, evidence),
        ...(asked.since === undefined ? {} : { since: asked.since }),
        ...(asked.until === undefined ? {} : { until: asked.until }),
      })
    default:
      return kind satisfies never
  }
}

async function sessionScope(session: string, evidence: EvidenceLog): Promise<Scope> {
  if (!isId(session))
    throw usageError(COMMAND, `could not read --session: '${session}' is no id of a session`)
  const { isOpen, ...range } = await findSession(evidence, session)
  return { kind: 'session', session, range, isOpen }
}

async function personScope(asked: Asked, evidence: EvidenceLog): Promise<Scope> {
  const pseudonym = asked.person ?? ''
  if (!PSEUDONYM.test(pseudonym))
    throw usageError(
      COMMAND,
      'could not read --person: it is no pseudonym',
      "a pseudonym is the 'actor' of 'countersign show'; names are not in the log",
    )
  const within = await rangeOf(asked, evidence)
  return { kind: 'person', pseudonym, within, complete: asked.complete === true }
}

async function rangeOf(asked: Asked, evidence: EvidenceLog): Promise<LeafRange> {
  const { size } = evidence.head
  if (size === 0)
    throw new CommandError('CANNOT_RUN', 'could not export: the log has no record yet')
  if (asked.range === undefined)
    return findByTime(evidence, {
      sinceNs: asked.since === undefined ? undefined : nanoseconds(asked.since, '--since'),
      untilNs:
        asked.until === undefined
          ? undefined
          : nanoseconds(asked.until, '--until') + (NS_PER_SECOND - 1n),
    })
  const [, from, to] = /^(\d{1,15})-(\d{1,15})$/.exec(asked.range) ?? []
  const range = { from: Number(from), to: Number(to) }
  if (from === undefined || range.from > range.to)
    throw usageError(COMMAND, `could not read --range: '${asked.range}' is not FIRST-LAST`)
  if (range.to >= size)
    throw new CommandError(
      'CANNOT_RUN',
      `could not find record ${range.to}: the log has ${size}, counted from 0`,
    )
  return range
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
