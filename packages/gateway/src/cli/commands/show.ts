import type { Leaf } from '@countersign/record/leaf'
import { readArguments } from '../arguments.ts'
import { choosePlaces } from '../choose.ts'
import { locateLog } from '../log-place.ts'
import { readHead, readProven } from '../../follow.ts'
import type { Head } from '../../follow.ts'
import { isoTime, whoOf } from '../record-line.ts'
import { actorName, addendumJson, openRecord } from '../../contents.ts'
import type { OpenedAddendum, OpenedRecord } from '../../contents.ts'
import { recordJson } from './tail.ts'
import {
  ANSWER_IS_NO,
  DONE,
  duration,
  escapeText,
  paintFor,
  print,
  printJson,
} from '../terminal.ts'
import type { Command, Io, Paint } from '../terminal.ts'
import { readPolicy, witnessedBy } from '../witness-policy.ts'
import type { Witnessed } from '../witness-policy.ts'

/** `countersign show`. */
export const show: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'show',
    options: {
      config: { type: 'string', short: 'c' },
      vkey: { type: 'string' },
      policy: { type: 'string' },
      json: { type: 'boolean' },
    },
    positionalsMin: 1,
    positionalsMax: 2,
    expects: 'the id of a transaction or the index of a record',
  })
  const [wanted = '', place] = positionals
  const log = await locateLog({ place, config: values.config, vkey: values.vkey })
  const head = await readHead(log)
  const policyFile = values.policy ?? log.policyFile
  const policy = policyFile === undefined ? undefined : await readPolicy(policyFile)
  const witnessed = await witnessedBy(head.note, { keys: log.keys, policy })
  const places = await choosePlaces(log, head, { command: 'show', wanted, io })
  const records: OpenedRecord[] = []
  for (const index of places) {
    // Proven before it is opened: nothing is shown that was not signed.
    const { entry } = await readProven(log, head, index)
    records.push(await openRecord(entry, { index, store: log.addenda }))
  }
  log.source.close()
  log.addenda.close()
  if (values.json === true) {
    const proof = {
      origin: head.origin,
      size: head.size,
      root: Buffer.from(head.root).toString('base64'),
      ...witnessed,
    }
    printJson(io, { records: records.map(recordJson), proven: proof })
  } else tell(records, { head, witnessed }, io)
  const altered = records.some(({ addenda }) => addenda.some(({ state }) => state === 'altered'))
  return altered ? ANSWER_IS_NO : DONE
}

interface Proven {
  readonly head: Head
  readonly witnessed: Witnessed
}

function tell(records: readonly OpenedRecord[], { head, witnessed }: Proven, io: Io): void {
  const paint = paintFor(io.stdout)
  const name = records.map(actorName).find((one) => one !== undefined)
  const [first] = records
  if (first === undefined) return
  print(io, paint.bold(`transaction ${first.leaf.id}`))
  for (const record of records) tellRecord(record, name, { io, paint })
  print(io, '')
  const indexes = records.map(({ index }) => index).join(' and ')
  const verb = records.length === 1 ? 'is' : 'are'
  print(
    io,
    `${paint.green('proven')}: ${records.length === 1 ? 'record' : 'records'} ${indexes} ${verb} in the tree of ${head.size} records`,
  )
  print(io, `  root    ${Buffer.from(head.root).toString('base64')}`)
  print(io, `  signed  by ${escapeText(head.origin)}`)
  tellWitnessed(witnessed, io)
  if (first.leaf.phase === 'intent' && records.length === 1) {
    print(
      io,
      `${paint.yellow('no outcome yet')}: the request is under way, or its outcome is in a later checkpoint`,
    )
  }
}

/** How far it has come, and who says so besides the log itself. */
function tellWitnessed({ level, quorum, witnesses, strangers }: Witnessed, io: Io): void {
  for (const { name, time } of witnesses) print(io, `  witness ${escapeText(name)} at ${time}`)
  const asked = escapeText(quorum?.asked ?? '')
  if (level === 'D2') print(io, `  level   D2, witnessed: by ${asked}`)
  else
    print(
      io,
      `  level   D1, signed${quorum === undefined ? '' : `; not yet witnessed by ${asked}`}`,
    )
  if (strangers > 0)
    print(io, `  others  ${strangers} more signed it, whose keys are not known here (--policy)`)
}

function tellRecord(
  record: OpenedRecord,
  name: string | undefined,
  { io, paint }: { io: Io; paint: Paint },
): void {
  const { index, leaf } = record
  print(io, '')
  print(io, paint.bold(`${leaf.phase === 'single' ? 'record' : leaf.phase} ${index}`))
  for (const [label, text] of factsOf(record, name))
    print(io, `  ${label.padEnd(9)} ${escapeText(text)}`)
  for (const addendum of record.addenda) tellAddendum(addendum, { io, paint })
}

/** The facts people ask for first; `--json` has all of them. */
function factsOf(
  { leaf }: OpenedRecord,
  name: string | undefined,
): [label: string, text: string][] {
  const { actor, decision, destination, http, egress, outcome, lifecycle } = leaf
  const facts: [string, string | undefined][] = [
    ['time', isoTime(leaf.time.observed ?? leaf.time.occurred)],
    ['class', `${leaf.class}, ${leaf.action}`],
    ['who', actor === undefined ? undefined : whoOf(leaf, name)],
    ['by', actor?.credential === undefined ? undefined : credentialText(actor.credential)],
    ['roles', actor?.roles?.join(', ')],
    ['service', leaf.service?.name],
    [
      'to',
      destination?.host === undefined ? undefined : `${destination.host}:${destination.port ?? ''}`,
    ],
    ['route', http?.route === undefined ? undefined : `${http.method ?? ''} ${http.route}`],
    [
      'decision',
      decision === undefined
        ? undefined
        : `${decision.allowed ? 'allowed' : 'denied'} (${decision.reason}, ${decision.mode})`,
    ],
    ['rule', decision?.rule],
    [
      'outcome',
      outcome === undefined ? undefined : [outcome, leaf.reason].filter(Boolean).join(', '),
    ],
    ['status', http?.status?.toString()],
    ['took', http?.duration_ns === undefined ? undefined : duration(http.duration_ns)],
    [
      'bytes',
      http?.request_bytes === undefined
        ? undefined
        : `${http.request_bytes} in, ${http.response_bytes ?? 0} out`,
    ],
    ['pinned', egress?.pinned],
    ['sni', egress?.sni],
    ['trace', leaf.trace?.id],
    ...lifecycleFacts(lifecycle),
  ]
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== '')
}

/** Each fact of the gateway about itself is a line: `version`, `config`, `count`... */
function lifecycleFacts(lifecycle: Leaf['lifecycle']): [string, string][] {
  return Object.entries(lifecycle ?? {})
    .filter(([label]) => label !== 'kind')
    .map(([label, value]) => [label, typeof value === 'string' ? value : JSON.stringify(value)])
}

function credentialText({
  kind,
  issuer,
  defects,
}: {
  kind: string
  issuer?: string
  defects: readonly string[]
}): string {
  const from = issuer === undefined ? '' : ` of ${issuer}`
  return `${kind}${from}${defects.length === 0 ? '' : `: ${defects.join(', ')}`}`
}

function tellAddendum(addendum: OpenedAddendum, { io, paint }: { io: Io; paint: Paint }): void {
  const digest = `sha256 ${addendum.digest.slice(0, 16)}…`
  if (addendum.state === 'altered') {
    print(
      io,
      `  ${paint.red(`addendum '${addendum.name}' was altered`)}: it is not what the record names (${digest})`,
    )
    return
  }
  if (addendum.content === undefined) {
    const about = paint.dim(`(${addendum.bytes} bytes, ${digest})`)
    print(io, `  addendum '${escapeText(addendum.name)}' ${whyClosed(addendum)} ${about}`)
    return
  }
  print(
    io,
    `  addendum '${escapeText(addendum.name)}' ${paint.dim(`(${addendum.bytes} bytes, ${digest})`)}`,
  )
  const json = addendumJson(addendum)
  const text =
    json === undefined
      ? Buffer.from(addendum.content).toString('utf8')
      : JSON.stringify(withoutSalt(json), undefined, 2)
  for (const line of text.split('\n')) print(io, `    ${escapeText(line)}`)
}

function whyClosed({ state, erasure, retention }: OpenedAddendum): string {
  if (state === 'erased') return `[erased, record ${erasure ?? ''}]`
  if (state === 'expired') return `[gone by retention, record ${retention ?? ''}]`
  return state === 'sealed' ? 'is sealed, and its key is not at hand' : 'is not at hand'
}

/** The salt keeps an erased addendum from being guessed by its digest; it says nothing to a reader. */
function withoutSalt(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || !('salt' in json)) return json
  const { salt: _, ...rest } = json
  return rest
}
