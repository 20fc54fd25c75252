/** `countersign mirror`: keeps a verified copy of a log, serves it, and cosigns what it holds. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { formatAddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { formatVkey, parseVkey } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'
import { FollowError, isUrl, mirrorLog, openLogSource } from '../../follow.ts'
import type { Cosign, MirroredRound, PublishedLog } from '../../follow.ts'
import { serveLog } from '../../ledger.ts'
import { sha256, sha256Hex } from '../../cryptography.ts'
import { systemClock } from '../../platform.ts'
import { runWitness } from '../../witness.ts'
import type { RunningWitness } from '../../witness.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError, messageOf } from '../errors.ts'
import { readText, readVkeyText } from '../log-place.ts'
import { openCopyProgress } from '../progress.ts'
import { onStopSignal } from '../signals.ts'
import { counted, DONE, escapeText, printJson, say, sayError } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const COMMAND = 'mirror'

/** Refusals after which there is no more to follow, and all the more to keep. */
const TWO_LOGS: ReadonlySet<string> = new Set(['FOLLOW_FORKED', 'FOLLOW_SHRANK'])

interface Wanted {
  readonly place: string
  readonly folder: string
  readonly listen: string | undefined
  readonly once: boolean
  readonly addenda: boolean
  readonly json: boolean
  readonly witness:
    | { readonly key: string; readonly state: string; readonly create: boolean }
    | undefined
  readonly vkey: string | undefined
  readonly policy: string | undefined
}

export const mirror: Command = async (args, io) => {
  const wanted = readWanted(args)
  const log = await openLog(wanted)
  const cosigner = await openCosigner(wanted, log)
  const stop = new AbortController()
  const forget = onStopSignal(() => stop.abort())
  const server = wanted.listen === undefined ? undefined : await serve(wanted, log)
  try {
    if (server !== undefined)
      announce(`http://${hostOf(server.listening)}`, { io, json: wanted.json })
    await copy(wanted, { log, cosigner, io, signal: stop.signal })
    return DONE
  } catch (error) {
    const code = sayError(io, error)
    if (wanted.json) printJson(io, { kind: 'refused', message: messageOf(error) })
    // A log that forked is when its copy is needed: what was copied before is served on.
    const isTwo = error instanceof FollowError && TWO_LOGS.has(error.code)
    if (isTwo && server !== undefined && !wanted.once) await untilStopped(io, stop.signal)
    return code
  } finally {
    forget()
    await server?.close()
    await cosigner?.close()
    log.source.close()
  }
}

function readWanted(args: readonly string[]): Wanted {
  const { values, positionals } = readArguments(args, {
    command: COMMAND,
    options: {
      to: { type: 'string' },
      vkey: { type: 'string' },
      policy: { type: 'string' },
      'witness-key': { type: 'string' },
      'witness-state': { type: 'string' },
      'witness-create': { type: 'boolean' },
      listen: { type: 'string' },
      addenda: { type: 'boolean' },
      once: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    positionalsMin: 1,
    expects: 'the folder or URL of a log',
  })
  const [place = ''] = positionals
  const { to, vkey, policy, listen, addenda = false, once = false, json = false } = values
  const { 'witness-key': key, 'witness-state': state, 'witness-create': create = false } = values
  if (to === undefined) throw usageError(COMMAND, 'could not run: a mirror needs --to DIR')
  if (vkey === undefined && policy === undefined)
    throw usageError(
      COMMAND,
      'could not run: the key of the log is not known',
      'give --vkey, which whoever runs the log publishes, or --policy',
    )
  if ((key === undefined) !== (state === undefined))
    throw usageError(COMMAND, 'could not run: --witness-key and --witness-state go together')
  if (listen !== undefined && !/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/.test(listen))
    throw usageError(COMMAND, `could not listen on '${listen}': it is ADDRESS:PORT`)
  const witness = key === undefined || state === undefined ? undefined : { key, state, create }
  return { place, folder: to, vkey, policy, listen, addenda, once, json, witness }
}

async function openLog({ place, vkey, policy }: Wanted): Promise<PublishedLog> {
  const given = policy === undefined ? undefined : await readPolicy(policy)
  const keys = vkey === undefined ? (given?.logs ?? []).map(({ key }) => key) : await readKeys(vkey)
  const names = new Set(keys.map(({ name }) => name))
  if (names.size !== 1)
    throw usageError(COMMAND, 'could not run: a mirror is of one log', 'give its --vkey')
  const source = await openLogSource(await logPlace(place))
  if (given === undefined) return { source, keys }
  return { source, keys, policy: { ...given, logs: keys.map((key) => ({ key })) } }
}

/** A data folder holds its log in `log/`. */
async function logPlace(place: string): Promise<string> {
  if (isUrl(place)) return place
  const inside = join(place, 'log')
  return (await stat(inside).catch(() => undefined))?.isDirectory() === true ? inside : place
}

async function readPolicy(file: string): Promise<WitnessPolicy> {
  const text = await readText(file)
  try {
    return parsePolicy(text, sha256)
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not use ${file}: ${messageOf(cause)}`, { cause })
  }
}

async function readKeys(given: string): Promise<VerifierKey[]> {
  const lines = (await readVkeyText(given)).split('\n').map((line) => line.trim())
  try {
    return lines.filter((line) => line !== '').map((line) => parseVkey(line, sha256))
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not use the vkey: ${messageOf(cause)}`, {
      hint: 'a vkey is one line: <name>+<8 hex digits>+<base64>',
      cause,
    })
  }
}

/** A cosigner that nobody can ask but this process, so that it signs only what was copied. */
async function openCosigner(
  { witness }: Wanted,
  { keys }: PublishedLog,
): Promise<RunningWitness | undefined> {
  if (witness === undefined) return undefined
  return await runWitness({
    keys: await readText(witness.key),
    statePath: witness.state,
    create: witness.create,
    logs: keys.map(formatVkey),
    clock: systemClock,
  })
}

function cosignWith(cosigner: RunningWitness): Cosign {
  return async ({ head, prove }) => {
    const lastNote = cosigner.checkpoint(head.origin)
    const oldSize = lastNote === undefined ? 0n : BigInt(lastNote.split('\n')[1] ?? 0)
    const request = formatAddCheckpoint({
      oldSize,
      proof: oldSize > BigInt(head.size) ? [] : await prove(Number(oldSize)),
      checkpoint: head.note,
    })
    const { status, body } = await cosigner.addCheckpoint(Buffer.from(request))
    if (status === 200) return body.split('\n').filter((line) => line !== '')
    throw new CommandError(
      'CANNOT_RUN',
      `could not cosign size ${head.size}: the cosigner answered ${status}: ${body.trim()}`,
      { hint: `it cosigned size ${oldSize} before: is its state that of this copy?` },
    )
  }
}

async function copy(
  wanted: Wanted,
  {
    log,
    cosigner,
    io,
    signal,
  }: { log: PublishedLog; cosigner: RunningWitness | undefined; io: Io; signal: AbortSignal },
): Promise<void> {
  const progress = openCopyProgress(io)
  const report = { io, json: wanted.json }
  await mirrorLog({
    folder: wanted.folder,
    log,
    addenda: wanted.addenda,
    once: wanted.once,
    signal,
    cosign: cosigner === undefined ? undefined : cosignWith(cosigner),
    onProgress: (done, size) => progress.show(done, size),
    onRound: (round) => {
      progress.end()
      tell(round, report)
    },
    onTrouble: (error, againInMs) => {
      progress.end()
      tellTrouble(error, againInMs, report)
    },
  }).finally(() => progress.end())
}

interface Report {
  readonly io: Io
  readonly json: boolean
}

function tell({ head, before, files, bytes, addenda }: MirroredRound, { io, json }: Report): void {
  const { origin, size } = head
  const root = Buffer.from(head.root).toString('base64')
  if (json) {
    printJson(io, { kind: 'copied', origin, size, root, before, files, bytes, addenda })
    return
  }
  const what = size === before ? 'nothing new' : counted(size - before, 'new record')
  say(
    io,
    `countersign: copied ${escapeText(origin)}: ${counted(size, 'record')}, ${what}, verified`,
  )
  if (addenda === undefined) return
  if (addenda.altered > 0)
    say(
      io,
      `countersign: warning: ${addenda.altered} addenda are not what their records name: not copied`,
    )
  if (addenda.copied + addenda.absent > 0)
    say(io, `countersign: ${addenda.copied} addenda copied, ${addenda.absent} not served`)
}

function tellTrouble(error: FollowError, againInMs: number, { io, json }: Report): void {
  if (json) printJson(io, { kind: 'trouble', code: error.code, message: error.message, againInMs })
  say(
    io,
    `countersign: warning: ${escapeText(error.message)}; it is tried again in ${againInMs / 1000} s`,
  )
}

function announce(url: string, { io, json }: Report): void {
  if (json) printJson(io, { kind: 'listening', url })
  else say(io, `countersign: the copy is served on ${url}`)
}

async function serve(
  { folder, listen = '' }: Wanted,
  { keys }: PublishedLog,
): ReturnType<typeof serveLog> {
  // tlog-mirror: each log under the hash of its origin; alone, it is at the root as well.
  const prefix = `/${sha256Hex(keys[0]?.name ?? '')}`
  return await serveLog({ dataDir: folder, address: listen, prefix, addenda: 'files' })
}

async function untilStopped(io: Io, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  say(io, 'countersign: the copy is served on as it is, until this is stopped')
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function hostOf({ address, port }: { address: string; port: number }): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}
