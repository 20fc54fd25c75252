import { readFile, stat } from 'node:fs/promises'
import { RECEIPT_EXTENSION, verifyReceipt } from '@countersign/tlog/receipt'
import { TlogError } from '@countersign/tlog/errors'
import { verifyCommand } from '@countersign/verifier/command'
import { ed25519Verify, sha256 } from '../platform.ts'
import { readArguments, usageError } from './arguments.ts'
import { CommandError, messageOf } from './errors.ts'
import { findFolders, readVkey, unsealingAt, VKEY_FILE } from './log-place.ts'
import { ANSWER_IS_NO, DONE, paintFor, print, printJson } from './terminal.ts'
import type { Command, Io } from './terminal.ts'

const COMMAND = 'verify'

interface Wanted {
  readonly vkeys: readonly string[]
  readonly fromCheckpoint: string | undefined
  readonly config: string | undefined
  readonly addenda: boolean
  readonly json: boolean
  /** `--complete` and its companions, as the verifier's own command reads them. */
  readonly completeness: readonly string[]
}

/** `countersign verify`: a whole log, or one proof. */
export const verify: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: COMMAND,
    options: {
      vkey: { type: 'string', multiple: true },
      'from-checkpoint': { type: 'string' },
      complete: { type: 'boolean' },
      range: { type: 'string' },
      since: { type: 'string' },
      until: { type: 'string' },
      entry: { type: 'string' },
      config: { type: 'string', short: 'c' },
      addenda: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    positionalsMax: 1,
  })
  const [place] = positionals
  const { vkey: vkeys = [], config, entry, addenda = false, json = false } = values
  if (place?.endsWith(RECEIPT_EXTENSION) === true || entry !== undefined) {
    if (place === undefined || entry === undefined) {
      throw usageError(
        COMMAND,
        'could not check the proof: it takes a .tlog-proof file and --entry with the record',
      )
    }
    return await verifyProof({ proof: place, entry, vkeys, json }, io)
  }
  const completeness = completenessArguments(values)
  return await verifyLog(
    place,
    { vkeys, config, addenda, json, fromCheckpoint: values['from-checkpoint'], completeness },
    io,
  )
}

function completenessArguments(values: {
  complete?: boolean
  range?: string
  since?: string
  until?: string
}): string[] {
  const args = values.complete === true ? ['--complete'] : []
  for (const name of ['range', 'since', 'until'] as const) {
    const value = values[name]
    if (value !== undefined) args.push(`--${name}`, value)
  }
  return args
}

/** The verifier's own command over the public log; in a data folder, over its addenda too. */
async function verifyLog(place: string | undefined, wanted: Wanted, io: Io): Promise<number> {
  const { dataDir, logPlace, vkeyFiles, configFile } = await findFolders({
    place,
    config: wanted.config,
  })
  const beside = wanted.vkeys.length === 0 ? await firstThere(vkeyFiles) : undefined
  const vkeys = beside === undefined ? wanted.vkeys : [beside]
  const args = [dataDir ?? logPlace, ...vkeys.flatMap((vkey) => ['--vkey', vkey])]
  if (wanted.fromCheckpoint !== undefined) args.push('--from-checkpoint', wanted.fromCheckpoint)
  args.push(...wanted.completeness)
  if (wanted.addenda) args.push('--addenda')
  if (wanted.json) args.push('--json')
  const { checkWriteAhead, packedAddenda } = await import('./private-files.ts')
  const unsealing = dataDir === undefined ? undefined : await unsealingAt({ dataDir, configFile })
  try {
    return await verifyCommand(
      args,
      {
        stdout: (text) => io.stdout.write(text),
        stderr: (text) => io.stderr.write(text),
        isTerminal: io.stderr.isTTY === true,
      },
      {
        program: 'countersign',
        addenda: (folder) => packedAddenda(folder, unsealing),
        extra: checkWriteAhead,
      },
    )
  } finally {
    unsealing?.close()
  }
}

async function verifyProof(
  {
    proof,
    entry,
    vkeys,
    json,
  }: { proof: string; entry: string; vkeys: readonly string[]; json: boolean },
  io: Io,
): Promise<number> {
  const given = vkeys.length > 0 ? vkeys : [(await firstThere([VKEY_FILE])) ?? needsVkey()]
  const keys = await Promise.all(given.map(readVkey))
  const [receipt, record] = [await readInput(proof), await readInput(entry)]
  const paint = paintFor(io.stdout)
  try {
    const { index, checkpoint } = await verifyReceipt({
      receipt,
      entry: record,
      keys,
      sha256,
      verify: ed25519Verify,
    })
    if (json)
      printJson(io, {
        verified: true,
        index: Number(index),
        size: Number(checkpoint.size),
        origin: checkpoint.origin,
      })
    else {
      print(
        io,
        `${paint.green('proof verified')}: ${entry} is record ${index} of ${checkpoint.origin}`,
      )
      print(io, `  in the tree of ${checkpoint.size} records that its key signed`)
    }
    return DONE
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    if (json) printJson(io, { verified: false, code: cause.code, why: cause.message })
    else print(io, `${paint.red('proof NOT verified')}: ${cause.message}`)
    return ANSWER_IS_NO
  }
}

async function firstThere(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) if ((await stat(file).catch(() => undefined)) !== undefined) return file
  return undefined
}

async function readInput(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not read ${file}: ${messageOf(cause)}`, { cause })
  }
}

function needsVkey(): never {
  throw usageError(
    COMMAND,
    'could not check the proof: the key of the log is not known',
    'give --vkey',
  )
}
