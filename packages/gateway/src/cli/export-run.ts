/** One export from beginning to end. The order is the guarantee: choose, put on record, write, check, hand out. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { formatLeafList } from '@countersign/record/leaf-list'
import { formatVkey } from '@countersign/tlog/key'
import { recordedPurpose } from '@countersign/verifier/bundle/export-record'
import type { Manifest } from '@countersign/verifier/bundle/manifest'
import { openProgress } from '@countersign/verifier/summary'
import { refuseExisting, selectEvidence, writeBundle } from '../evidence.ts'
import type {
  BundleRequest,
  EvidenceLog,
  Opening,
  Scope,
  Selection,
  WrittenBundle,
} from '../evidence.ts'
import { systemClock } from '../platform.ts'
import { CommandError, messageOf } from './errors.ts'
import { evidenceAddenda, evidenceLog } from './evidence-log.ts'
import { openRecorder, recordExport } from './export-record.ts'
import { findFolders, locateLog, unsealingAt } from './log-place.ts'
import type { LocatedLog, LogQuestion } from './log-place.ts'
import { policyIn, readWitnessedHead } from './witness-policy.ts'
import { counted, DONE, escapeText, print, printJson, say } from './terminal.ts'
import type { Io } from './terminal.ts'

export interface ExportWanted extends LogQuestion {
  readonly target: string
  readonly by: string
  readonly purpose: string
  readonly matter?: string | undefined
  readonly opening: Opening
  /** A tlog-policy of whose signatures the bundle asks; the log's own alone when absent. */
  readonly policy?: string | undefined
  readonly fromCheckpoint?: string | undefined
  /** Whether it may go unrecorded although this is the machine of the log. */
  readonly unrecorded: boolean
  readonly json: boolean
}

/** Finds what is meant, in the log as it is now. */
export type ChooseScope = (log: LocatedLog, evidence: EvidenceLog) => Promise<Scope>

/** @throws {EvidenceError}, {FollowError}, {LedgerError}, {CommandError} */
export async function runExport(
  wanted: ExportWanted,
  choose: ChooseScope,
  io: Io,
): Promise<number> {
  const folders = await findFolders(wanted)
  const log = await locateLog(wanted)
  const { dataDir } = log
  const unsealing =
    dataDir === undefined
      ? undefined
      : await unsealingAt({ dataDir, configFile: folders.configFile })
  const progress = openProgress(progressIo(io))
  try {
    // All that can be wrong with what was asked is found before it goes on record.
    await refuseExisting(wanted.target)
    const given = await readGiven(wanted, log)
    const addenda = evidenceAddenda(dataDir, unsealing)
    const policy = policyIn(given.policy)
    const before = evidenceLog(log, await readWitnessedHead(log, policy))
    const selection = await selectEvidence(await choose(log, before), wanted.opening, {
      log: before,
      addenda,
      onProgress: progress.show,
    })
    const recorded = await putOnRecord(wanted, dataDir, selection)
    // Read again: what was just recorded is in it.
    const after =
      recorded.length === 0 ? before : evidenceLog(log, await readWitnessedHead(log, policy))
    const written = await writeBundle({
      ...given,
      target: wanted.target,
      log: after,
      addenda,
      selection,
      asked: askedOf(wanted),
      recorded: formatLeafList(recorded),
      onProgress: (_phase, done, total) => progress.show(done, total),
    })
    progress.end()
    tell(wanted, { written, recorded, origin: after.head.origin }, io)
    return DONE
  } finally {
    progress.end()
    unsealing?.close()
    log.addenda.close()
    log.source.close()
  }
}

async function putOnRecord(
  wanted: ExportWanted,
  dataDir: string | undefined,
  { scope, records, addenda }: Selection,
): Promise<number[]> {
  // A published log elsewhere is anyone's to read: its ledger is not ours to write to.
  if (dataDir === undefined || wanted.unrecorded) return []
  const ledger = await openRecorder(dataDir)
  if (ledger === undefined)
    throw new CommandError(
      'CANNOT_RUN',
      'could not export: the ledger that would record it does not run',
      {
        hint: "start it with 'countersign up', or say --unrecorded: the bundle then says so too",
      },
    )
  try {
    return await recordExport(ledger, {
      kind: 'export',
      scope: scope.kind,
      by: wanted.by,
      purpose: recordedPurpose(askedOf(wanted)),
      ...(scope.subject === undefined ? {} : { subject: scope.subject }),
      leaves: records,
      opened: addenda.length,
    })
  } finally {
    await ledger.close()
  }
}

async function readGiven(
  wanted: ExportWanted,
  log: LocatedLog,
): Promise<Pick<BundleRequest, 'policy' | 'earlier' | 'page'>> {
  const { fromCheckpoint } = wanted
  const page = fileURLToPath(import.meta.resolve('@countersign/verifier/verify.html'))
  return {
    policy: await policyOf(wanted, log),
    earlier: fromCheckpoint === undefined ? undefined : await readInput(fromCheckpoint),
    page: await readInput(page),
  }
}

function askedOf({ by, purpose, matter }: ExportWanted): Manifest['asked'] {
  const at = new Date(Number(systemClock.nowNs() / 1_000_000n)).toISOString()
  return { by, purpose, ...(matter === undefined ? {} : { matter }), at: `${at.slice(0, 19)}Z` }
}

/**
 * The policy that was given, else the one by which this machine's log is witnessed, else none but the log's own signature. Such a file
 * may leave the log out: then it is the one whose keys are trusted here.
 */
async function policyOf(wanted: ExportWanted, { keys, policyFile }: LocatedLog): Promise<string> {
  const policy = wanted.policy ?? policyFile
  const logs = keys.map((key) => `log ${formatVkey(key)}\n`).join('')
  if (policy === undefined) return `${logs}quorum none\n`
  const text = Buffer.from(await readInput(policy)).toString('utf8')
  return /^[ \t]*log[ \t]/m.test(text) ? text : logs + text
}

async function readInput(file: string): Promise<Uint8Array> {
  return await readFile(file).catch((cause: unknown) => {
    throw new CommandError('CANNOT_RUN', `could not read ${file}: ${messageOf(cause)}`, { cause })
  })
}

function tell(
  { target, json }: ExportWanted,
  {
    written,
    recorded,
    origin,
  }: {
    written: WrittenBundle
    recorded: readonly number[]
    origin: string
  },
  io: Io,
): void {
  if (json) {
    printJson(io, { bundle: target, origin, recorded, ...written })
    return
  }
  print(io, target)
  const { records, opened, complete, says, digest, pageDigest } = written
  say(
    io,
    `countersign: exported ${counted(records, 'record')} of ${escapeText(origin)}, ${opened} of their addenda opened`,
  )
  for (const sentence of complete ? says.slice(0, 1) : says)
    say(io, `countersign: ${lower(sentence)}`)
  say(
    io,
    recorded.length === 0
      ? 'countersign: the log has no record of this export, and the bundle says so'
      : `countersign: it is record ${recorded.join(', ')} of the log`,
  )
  say(io, `  sha256 ${digest}  ${target}`)
  say(io, `  sha256 ${pageDigest}  verify.html, in it: the page that checks it`)
}

/** The voice of the command line: no capital, no full stop. */
function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '')
}

function progressIo({ stdout, stderr }: Io): Parameters<typeof openProgress>[0] {
  return {
    stdout: (text) => stdout.write(text),
    stderr: (text) => stderr.write(text),
    isTerminal: stderr.isTTY === true,
  }
}
