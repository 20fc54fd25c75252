import { readFile, stat } from 'node:fs/promises'
import { RECEIPT_EXTENSION, verifyReceipt } from '@countersign/tlog/receipt'
import { TlogError } from '@countersign/tlog/errors'
import { formatVkey } from '@countersign/tlog/key'
import { describeQuorum } from '@countersign/tlog/witness-policy'
import { verifyCommand } from '@countersign/verifier/command'
import { cosignersOf } from '@countersign/verifier/witnesses'
import { isUrl } from '../../follow.ts'
import { ed25519Verify, mlDsa44, sha256 } from '../../cryptography.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError, messageOf } from '../errors.ts'
import { findFolders, readVkeys, unsealingAt, VKEY_FILE } from '../log-place.ts'
import { ANSWER_IS_NO, DONE, escapeText, paintFor, print, printJson } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'
import { readPolicy, withLogs } from '../witness-policy.ts'

const COMMAND = 'verify'

interface Wanted {
  readonly vkeys: readonly string[]
  readonly policy: string | undefined
  readonly fromCheckpoint: string | undefined
  /** The old log, which this one continues. */
  readonly continues: string | undefined
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
      policy: { type: 'string' },
      'from-checkpoint': { type: 'string' },
      continues: { type: 'string' },
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
  const { vkey: vkeys = [], policy, config, entry, addenda = false, json = false } = values
  if (place?.endsWith(RECEIPT_EXTENSION) === true || entry !== undefined) {
    if (place === undefined || entry === undefined) {
      throw usageError(
        COMMAND,
        'could not check the proof: it takes a .tlog-proof file and --entry with the record',
      )
    }
    return await verifyProof({ proof: place, entry, vkeys, policy, json }, io)
  }
  const completeness = completenessArguments(values)
  return await verifyLog(
    place,
    {
      vkeys,
      policy,
      config,
      addenda,
      json,
      fromCheckpoint: values['from-checkpoint'],
      continues: values.continues,
      completeness,
    },
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

/** The verifier's own command over the public log; in a data folder, over its addenda too. Or over a bundle. */
async function verifyLog(place: string | undefined, wanted: Wanted, io: Io): Promise<number> {
  const { dataDir, logPlace, vkeyFiles, configFile, policyFile } = await placesOf(place, wanted)
  const beside = wanted.vkeys.length === 0 ? await firstThere(vkeyFiles) : undefined
  const given = beside === undefined ? wanted.vkeys : [beside]
  // Without a key of the log nothing is checked, and that is said: witnesses alone must not hide it.
  const vkeys =
    given.length === 0 || wanted.policy !== undefined
      ? given
      : [...given, ...(await configuredWitnesses(policyFile))]
  const args = [dataDir ?? logPlace, ...vkeys.flatMap((vkey) => ['--vkey', vkey])]
  if (wanted.continues !== undefined) args.push(...(await oldLog(wanted.continues, wanted.vkeys)))
  if (wanted.policy !== undefined) args.push('--policy', wanted.policy)
  if (wanted.fromCheckpoint !== undefined) args.push('--from-checkpoint', wanted.fromCheckpoint)
  args.push(...wanted.completeness)
  if (wanted.addenda) args.push('--addenda')
  if (wanted.json) args.push('--json')
  const { checkWriteAhead, packedAddenda } = await import('../private-files.ts')
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

/** The old log and, unless keys were given, the one beside it. */
async function oldLog(place: string, vkeys: readonly string[]): Promise<string[]> {
  const { logPlace, vkeyFiles } = await findFolders({ place })
  // A URL has none beside it: what lies in the folder we are in is the key of the new log.
  const beside = vkeys.length > 0 || isUrl(place) ? undefined : await firstThere(vkeyFiles)
  return ['--continues', logPlace, ...(beside === undefined ? [] : ['--vkey', beside])]
}

/** A bundle is a file and needs no folder; a key that lies beside it came with it, so only the one here is believed. */
async function placesOf(
  place: string | undefined,
  { config }: Wanted,
): ReturnType<typeof findFolders> {
  const isFile =
    place !== undefined && (await stat(place).catch(() => undefined))?.isFile() === true
  return isFile
    ? { dataDir: undefined, logPlace: place, vkeyFiles: [VKEY_FILE] }
    : await findFolders({ place, config })
}

/** The witnesses of the configuration are shown; only `--policy` demands them. */
async function configuredWitnesses(policyFile: string | undefined): Promise<string[]> {
  if (policyFile === undefined) return []
  return (await readPolicy(policyFile)).witnesses.map(({ key }) => formatVkey(key))
}

interface Proof {
  readonly proof: string
  readonly entry: string
  readonly vkeys: readonly string[]
  readonly policy: string | undefined
  readonly json: boolean
}

async function verifyProof(
  { proof, entry, vkeys, policy: policyFile, json }: Proof,
  io: Io,
): Promise<number> {
  const policy = policyFile === undefined ? undefined : await readPolicy(policyFile)
  const beside = vkeys.length > 0 ? undefined : await firstThere([VKEY_FILE])
  const given = beside === undefined ? vkeys : [beside]
  if (given.length === 0 && (policy?.logs ?? []).length === 0) needsVkey()
  const keys = (await Promise.all(given.map(readVkeys))).flat()
  const [receipt, record] = [await readInput(proof), await readInput(entry)]
  const paint = paintFor(io.stdout)
  try {
    const { index, checkpoint, verified } = await verifyReceipt({
      receipt,
      entry: record,
      ...(policy === undefined ? { keys } : { policy: withLogs(policy, keys) }),
      sha256,
      verify: ed25519Verify,
      verifyMlDsa44: mlDsa44.verify,
    })
    const witnesses = cosignersOf(verified, checkpoint.origin)
    if (json)
      printJson(io, {
        verified: true,
        index: Number(index),
        size: Number(checkpoint.size),
        origin: checkpoint.origin,
        witnesses,
        ...(policy === undefined ? {} : { quorum: describeQuorum(policy) }),
      })
    else {
      print(
        io,
        `${paint.green('proof verified')}: ${entry} is record ${index} of ${checkpoint.origin}`,
      )
      print(io, `  in the tree of ${checkpoint.size} records that its key signed`)
      for (const { name, time } of witnesses)
        print(io, `  cosigned by ${escapeText(name)} at ${time}`)
      if (policy !== undefined)
        print(io, `  the quorum holds: ${escapeText(describeQuorum(policy))}`)
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
