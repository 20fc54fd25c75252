/** `countersign witness`: runs a witness, makes its keys, and prints what it has kept. */
import { open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SignatureType } from '@countersign/tlog/key'
import { syncDirectory, systemClock } from '../../platform.ts'
import { evidenceFolder, makeKey, readEvidence, runWitness } from '../../witness.ts'
import type { Evidence, WitnessEvent } from '../../witness.ts'
import { readArguments, usageError } from '../arguments.ts'
import { codeOf, CommandError, messageOf } from '../errors.ts'
import { readVkeyText } from '../log-place.ts'
import { onStopSignal } from '../signals.ts'
import { DONE, escapeText, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const COMMAND = 'witness'
const DEFAULT_LISTEN = '127.0.0.1:8090'
const SECRET_FILE_MODE = 0o600

/** `countersign witness [keygen | evidence]`. */
export const witness: Command = async ([what, ...args], io) => {
  if (what === 'keygen') return await keygen(args, io)
  if (what === 'evidence') return await evidence(args, io)
  return await run(what === undefined ? [] : [what, ...args], io)
}

async function run(args: readonly string[], io: Io): Promise<number> {
  const { values } = readArguments(args, {
    command: COMMAND,
    options: {
      key: { type: 'string' },
      state: { type: 'string' },
      log: { type: 'string', multiple: true },
      listen: { type: 'string', default: DEFAULT_LISTEN },
      create: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const { key, state, log: logs = [], listen, create = false, json = false } = values
  if (key === undefined || state === undefined || logs.length === 0) {
    throw usageError(
      COMMAND,
      'could not run: a witness needs --key, --state and at least one --log',
    )
  }
  if (!/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/.test(listen))
    throw usageError(COMMAND, `could not listen on '${listen}': it is ADDRESS:PORT`)
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  const forget = onStopSignal(stop)
  try {
    const running = await runWitness({
      keys: await readSecret(key),
      statePath: state,
      create,
      logs: await Promise.all(logs.map(readVkeyText)),
      listening: { address: listen },
      clock: systemClock,
      onEvent: (event) => tell(event, { io, json }),
    })
    const { name, vkeys, url } = running
    if (json) printJson(io, { kind: 'ready', name, url, vkeys })
    else {
      say(io, `countersign: witness ${name} is ready: ${url}`)
      for (const vkey of vkeys) say(io, `  ${vkey.length > 200 ? `${vkey.slice(0, 60)}…` : vkey}`)
    }
    await stopped
    await running.close()
    return DONE
  } finally {
    forget()
  }
}

function tell(event: WitnessEvent, { io, json }: { io: Io; json: boolean }): void {
  if (event.kind === 'cosigned') {
    if (json) printJson(io, { ...event, size: String(event.size) })
    return
  }
  const { fork, kept } = event
  const { kind, origin, heldSize, seenSize, held = null, seen } = fork
  if (json) {
    printJson(io, {
      kind: 'fork',
      evidence: kind,
      origin,
      heldSize: String(heldSize),
      seenSize: String(seenSize),
      kept,
      held,
      seen,
    })
  }
  const what =
    kind === 'split'
      ? `FORK: ${origin} signed two roots for size ${seenSize}`
      : `possible fork: ${origin} signed size ${seenSize}, and the proof given does not lead there from size ${heldSize}`
  say(io, `countersign: warning: ${escapeText(what)}; ${where(kept)}`)
}

function where(kept: Extract<WitnessEvent, { kind: 'fork' }>['kept']): string {
  if (kept === 'known') return 'it is kept already'
  if (kept === 'full')
    return 'it is NOT kept: there is as much evidence against this log as is kept'
  if (typeof kept === 'number') return `kept as evidence ${kept}`
  return `it is NOT kept: ${kept.failed}`
}

async function keygen(args: readonly string[], io: Io): Promise<number> {
  const { values } = readArguments(args, {
    command: COMMAND,
    options: { name: { type: 'string' }, key: { type: 'string' }, json: { type: 'boolean' } },
  })
  const { name, key } = values
  if (name === undefined || key === undefined)
    throw usageError(COMMAND, 'could not make a key: it needs --name and --key')
  if (!/^[^\s+]{1,255}$/.test(name)) {
    throw usageError(
      COMMAND,
      `could not use '${name}' as a name: no spaces, no '+', at most 255 characters`,
    )
  }
  const pairs = [SignatureType.cosignatureV1, SignatureType.mlDsa44].map((type) =>
    makeKey(name, type),
  )
  await writeNewSecret(key, pairs.map(({ skey }) => `${skey}\n`).join(''))
  const vkeys = pairs.map(({ vkey }) => vkey)
  if (values.json === true) printJson(io, { name, key, vkeys })
  else {
    for (const vkey of vkeys) print(io, vkey)
    say(io, `countersign: the private keys are in ${key}; give the lines above to whoever asks`)
    say(io, 'countersign: for cosignatures: the first is Ed25519, the second ML-DSA-44')
  }
  return DONE
}

async function evidence(args: readonly string[], io: Io): Promise<number> {
  const { values } = readArguments(args, {
    command: COMMAND,
    options: { state: { type: 'string' }, json: { type: 'boolean' } },
  })
  const { state } = values
  if (state === undefined) throw usageError(COMMAND, 'could not print evidence: it needs --state')
  let count = 0
  for await (const piece of readEvidence(evidenceFolder(state))) {
    count += 1
    if (values.json === true) printJson(io, { ...piece, held: piece.held ?? null })
    else printPiece(piece, io)
  }
  if (values.json !== true)
    say(io, count === 0 ? 'countersign: no evidence was kept' : `countersign: ${count} kept`)
  return DONE
}

/** Two signed notes as they are, so that they can be cut out and checked. */
function printPiece({ number, kind, origin, seenAt, held, seen }: Evidence, io: Io): void {
  print(io, `# evidence ${number}: ${kind}, ${escapeText(origin)}, seen ${seenAt}`)
  if (held !== undefined) print(io, `# cosigned before:\n${noteText(held)}`)
  print(io, `# and signed by the log all the same:\n${noteText(seen)}`)
}

/** A note without what a terminal would act on; its newlines stay. */
function noteText(note: string): string {
  return note.split('\n').map(escapeText).join('\n')
}

async function readSecret(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const missing = codeOf(cause) === 'ENOENT'
    throw new CommandError('CANNOT_RUN', `could not read the key ${path}: ${messageOf(cause)}`, {
      cause,
      hint: missing
        ? "make one with 'countersign witness keygen'"
        : 'this user must be able to read it',
    })
  }
}

/** Never over a key that is there. */
async function writeNewSecret(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', SECRET_FILE_MODE)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await syncDirectory(dirname(path))
  } catch (cause) {
    const exists = codeOf(cause) === 'EEXIST'
    throw new CommandError(
      'CANNOT_RUN',
      exists
        ? `could not make a key: ${path} is there already`
        : `could not write the key ${path}: ${messageOf(cause)}`,
      { cause, ...(exists ? { hint: 'choose another file: keys are never overwritten' } : {}) },
    )
  }
}
