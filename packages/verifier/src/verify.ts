/**
 * Verifies a whole log: every byte of it is read, hashed and compared, up to the root that the checkpoint signs. Nothing here does
 * input or output of its own. Trust: only the given keys; every file of the log is attacker-controlled.
 */
import { encodeHex } from '@countersign/tlog/base64'
import type { Checkpoint } from '@countersign/tlog/checkpoint'
import { equalBytes, HASH_BYTES } from '@countersign/tlog/hash'
import type { VerifierKey } from '@countersign/tlog/key'
import { toTreeSize } from '@countersign/tlog/size'
import { TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'

import { judge } from './completeness.ts'
import type { Completeness, EntryRange } from './completeness.ts'
import { VerifierError } from './errors.ts'
import { verifyAddenda } from './addenda.ts'
import type { AddendaReport, AddendaSource } from './addenda.ts'
import { verifyFiles } from './files.ts'
import { Findings } from './finding.ts'
import type { Finding } from './finding.ts'
import { readHead, verifyGrowth } from './head.ts'
import type { Head } from './head.ts'
import type { TimeWindow } from './history.ts'
import { blame, verifyLevels } from './levels.ts'
import type { Leaves } from './levels.ts'
import { verifyRange } from './range.ts'
import type { BundleRange, RangeResult } from './range.ts'
import { verifyRotation } from './rotation.ts'
import type { Continued } from './rotation.ts'
import { joinSessions } from './sessions.ts'
import type { Crypto, LogSource } from './source.ts'
import type { Cosigner, Quorum } from './witnesses.ts'

export interface VerifyOptions {
  readonly source: LogSource
  readonly crypto: Crypto
  /** Keys to believe: the log's own, named as its origin, and any witnesses'. Empty: signatures are not checked at all. */
  readonly keys: readonly VerifierKey[]
  /** Who must have cosigned; its keys are believed like the given ones. */
  readonly policy?: WitnessPolicy | undefined
  /** An earlier checkpoint, as a signed note: the log must have grown from it. */
  readonly from?: Uint8Array | undefined
  /** The old log, when this one is said to continue another: it must still be what its last checkpoint signed. */
  readonly continues?: LogSource | undefined
  /** Told, often, of how many entries of how many have been checked. */
  readonly onProgress?: ((done: number, size: number) => void) | undefined
  /** Checks a range somewhere else, such as on another thread; when absent all is done here, in one go. */
  readonly ranges?:
    | ((work: {
        readonly size: number
        readonly history: TimeWindow | undefined
        readonly onEntries: (entries: number) => void
      }) => Promise<readonly RangeResult[]>)
    | undefined
  /** Judge whether these entries, or those of a window of time, have no hole; of all of the log when neither is given. */
  readonly complete?: { readonly entries?: EntryRange; readonly window?: TimeWindow } | undefined
  /** Where the addenda are, when they are to be checked too. */
  readonly addenda?: AddendaSource | undefined
  /** More to check once the log itself has been read: its findings count like ours. */
  readonly extra?:
    | ((log: { readonly size: number; readonly source: LogSource }) => AsyncIterable<Finding>)
    | undefined
}

/** What was verified, and everything that is wrong. */
export interface Report {
  readonly verified: boolean
  /** False when no key was given: then the report says only that the files agree with each other. */
  readonly signatureChecked: boolean
  /** Names of the log's keys whose signatures verified: its origin, once. */
  readonly signedBy: readonly string[]
  /** Who cosigned, of the keys that were given. */
  readonly witnessedBy: readonly Cosigner[]
  /** What the given policy asks for; absent without one. */
  readonly quorum?: Quorum | undefined
  readonly origin: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  readonly entryBytes: number
  readonly sessions: number
  /** Intents without an outcome: requests in flight, or a crash that no boot has written up yet. */
  readonly openIntents: number
  readonly files: number
  /** Files newer than the checkpoint: no signature covers them yet. */
  readonly ahead: number
  /** Size of the earlier checkpoint that this log was found to have grown from. */
  readonly grownFrom?: number | undefined
  /** The log that this one continues, by its entry 0. */
  readonly continues?: Continued | undefined
  /** When it was asked for and the log is what was signed. */
  readonly completeness?: Completeness | undefined
  /** Absent when addenda were not looked at. */
  readonly addenda?: AddendaReport | undefined
  readonly findings: readonly Finding[]
  readonly findingsTotal: number
}

/**
 * Verifies everything, and reports all it finds rather than the first.
 * @throws whatever `source.read` throws: trouble to read is no judgement about the log.
 */
export async function verifyLog(options: VerifyOptions): Promise<Report> {
  const findings = new Findings()
  const head = await readHead(options, { path: 'checkpoint', findings })
  // Without a believable head there is nothing to hold the files against.
  if (head === undefined) return summarise({ findings })

  const size = toTreeSize(head.checkpoint.size)
  checkAsked(size, options)
  const ranges = await verifyRanges(size, options)
  for (const range of ranges) findings.merge(range.findings)

  const tools = { source: options.source, crypto: options.crypto, findings }
  const leaves = joinLeaves(ranges)
  const levels = await verifyLevels(size, leaves, tools)
  const isRootRight = equalBytes(levels.root, head.checkpoint.root)
  const blamed = blame(
    [...ranges.flatMap(({ mismatches }) => mismatches), ...levels.mismatches],
    isRootRight,
  )
  findings.add(...blamed)
  // A wrong tile at the edge explains a wrong root; without one, it is the checkpoint that fits no file.
  if (!isRootRight && findings.total === 0) findings.add(rootMismatch(head.checkpoint, levels.root))

  const { files, ahead } = await verifyFiles(size, tools)
  const { breaks, sessions, open } = joinSessions(ranges.map((range) => range.sessions))
  // An entry that is not the one written breaks its session too; that would only be noise.
  if (findings.total === 0)
    findings.add(
      ...breaks.map((finding) => ({ ...finding, path: bundlePath(size, finding.entry ?? 0) })),
    )
  // Bytes that nobody signed prove nothing; a record left out where the tree is whole is the very question.
  const isJudged = findings.kept.every(({ code }) => code === 'SESSION_BROKEN')
  const completeness = isJudged ? completenessOf(options, { size, ranges, open }) : undefined
  const grownFrom = await verifyGrowth(head.checkpoint, options, findings)
  const continues = await verifyRotation(size, options, findings)
  // Says nothing about the files, so it comes after all that asks whether they are sound.
  if (head.quorum?.met === false) findings.add(unwitnessed(head))
  const addenda = await addendaOf(size, options, findings)
  if (options.extra !== undefined)
    for await (const finding of options.extra({ size, source: options.source }))
      findings.add(finding)
  const entryBytes = ranges.reduce((sum, range) => sum + range.entryBytes, 0)
  return summarise({
    head,
    findings,
    entryBytes,
    sessions,
    openIntents: open.size,
    files,
    ahead,
    grownFrom,
    continues,
    completeness,
    addenda,
  })
}

function checkAsked(size: number, { complete }: VerifyOptions): void {
  const last = complete?.entries?.last ?? -1
  if (last >= size)
    throw new VerifierError(
      'USAGE',
      `could not look at entry ${last}: the log has ${size}, counted from 0`,
    )
}

function completenessOf(
  { complete }: VerifyOptions,
  {
    size,
    ranges,
    open,
  }: { size: number; ranges: readonly RangeResult[]; open: ReadonlyMap<string, number> },
): Completeness | undefined {
  if (complete === undefined) return undefined
  const histories = ranges.flatMap(({ history }) => (history === undefined ? [] : [history]))
  const { entries, window } = complete
  return judge({ size, histories, open, entries, isWindow: window !== undefined })
}

async function addendaOf(
  size: number,
  { addenda, source, crypto, onProgress }: VerifyOptions,
  findings: Findings,
): Promise<AddendaReport | undefined> {
  if (addenda === undefined) return undefined
  return verifyAddenda(size, { source, addenda, sha256: crypto.sha256, findings, onProgress })
}

/** The log may be sound, and nobody of those who were asked vouches that others see the same. */
function unwitnessed({ quorum, witnessedBy }: Head): Finding {
  const names = witnessedBy.map(({ name }) => name).join(', ')
  return {
    code: 'QUORUM_UNMET',
    path: 'checkpoint',
    message: `the policy asks for ${quorum?.asked ?? ''}; it is cosigned by ${names === '' ? 'none of them' : names}`,
  }
}

async function verifyRanges(size: number, options: VerifyOptions): Promise<readonly RangeResult[]> {
  let done = 0
  const onEntries = (entries: number): void => {
    done += entries
    options.onProgress?.(done, size)
  }
  const history = options.complete === undefined ? undefined : (options.complete.window ?? {})
  if (options.ranges !== undefined) return options.ranges({ size, history, onEntries })
  const all: BundleRange = { size, start: 0, end: Math.ceil(size / TILE_WIDTH), history }
  return [
    await verifyRange(all, {
      source: options.source,
      sha256Into: options.crypto.sha256Into,
      onEntries,
    }),
  ]
}

function bundlePath(size: number, entry: number): string {
  const index = Math.floor(entry / TILE_WIDTH)
  return tilePath({ level: 'entries', index, width: tileWidth(size, 'entries', index) })
}

function joinLeaves(ranges: readonly RangeResult[]): Leaves {
  const roots = new Uint8Array(ranges.reduce((sum, range) => sum + range.roots.length, 0))
  let at = 0
  for (const range of ranges) {
    roots.set(range.roots, at)
    at += range.roots.length
  }
  return { roots, partial: ranges.at(-1)?.partial ?? new Uint8Array(0) }
}

function rootMismatch({ root }: Checkpoint, computed: Uint8Array): Finding {
  return {
    code: 'ROOT_MISMATCH',
    path: 'checkpoint',
    message: `it signs the root ${encodeHex(root)}, and the tiles lead to ${encodeHex(computed)}`,
  }
}

type Counted = Partial<
  Pick<
    Report,
    | 'entryBytes'
    | 'sessions'
    | 'openIntents'
    | 'files'
    | 'ahead'
    | 'grownFrom'
    | 'continues'
    | 'completeness'
    | 'addenda'
  >
>

function summarise({
  head,
  findings,
  ...counted
}: Counted & { head?: Head; findings: Findings }): Report {
  return {
    verified: findings.total === 0,
    signatureChecked: (head?.signedBy.length ?? 0) > 0,
    signedBy: head?.signedBy ?? [],
    witnessedBy: head?.witnessedBy ?? [],
    quorum: head?.quorum,
    origin: head?.checkpoint.origin ?? '',
    size: Number(head?.checkpoint.size ?? 0n),
    root: encodeHex(head?.checkpoint.root ?? new Uint8Array(HASH_BYTES)),
    entryBytes: counted.entryBytes ?? 0,
    sessions: counted.sessions ?? 0,
    openIntents: counted.openIntents ?? 0,
    files: counted.files ?? 0,
    ahead: counted.ahead ?? 0,
    grownFrom: counted.grownFrom,
    continues: counted.continues,
    completeness: counted.completeness,
    ...(counted.addenda === undefined ? {} : { addenda: counted.addenda }),
    findings: findings.kept,
    findingsTotal: findings.total,
  }
}
