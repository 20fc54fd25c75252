/**
 * Checks a bundle: everything in it, from the signed checkpoint down, and reports all that is wrong rather than the first. Pure but for
 * the bytes it is given. Trust: the reader's own keys, else those that came along, and then the report says so.
 */
import { encodeHex } from '@countersign/tlog/base64'
import { TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'

import { Findings, FINDINGS_MAX } from '../finding.ts'
import { checkAddenda, readKeys } from './addenda.ts'
import type { AddendumKey } from './addenda-keys.ts'
import { CLAIMS, claimProblem, judgeClaim } from './claims.ts'
import { checkRecorded } from './export-record.ts'
import { BundleFiles, zipFinding } from './files.ts'
import { CHECKPOINT, CONSISTENCY, EARLIER, KEYS, MANIFEST, PLAIN_FILES, POLICY } from './layout.ts'
import { decodeManifest, ManifestError, runsOf } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { readReceipted } from './receipts.ts'
import { LISTED_MAX, RecordFacts } from './record-facts.ts'
import type { PersonSought } from './record-facts.ts'
import type { BundleReport } from './report.ts'
import { BundleRows } from './rows.ts'
import type { ProvenEntry } from './rows.ts'
import { BundleTree } from './tree.ts'
import { openEarlier, openHead } from './trust.ts'
import type { BelievedHead, BundleCrypto, ReaderTrust } from './trust.ts'
import { ZipReader } from './zip-reader.ts'
import type { RandomAccess } from './zip-reader.ts'

export interface BundleOptions extends ReaderTrust {
  readonly access: RandomAccess
  readonly crypto: BundleCrypto
  /** Told, often, of how many records of how many have been checked; the check goes on when its promise resolves. */
  readonly onProgress?: ((done: number, total: number) => void | Promise<void>) | undefined
}

interface Work {
  readonly options: BundleOptions
  readonly files: BundleFiles
  readonly findings: Findings
}

interface Checked {
  readonly manifest?: Manifest | undefined
  readonly head?: BelievedHead | undefined
  readonly grownFrom?: number | undefined
  readonly facts?: RecordFacts | undefined
  readonly addenda?: BundleReport['addenda'] | undefined
  readonly recorded?: readonly number[] | undefined
}

/** What was found, and the records, to be looked at page by page. */
export interface CheckedBundle {
  readonly report: BundleReport
  /** Absent when there is no checkpoint to believe. */
  readonly rows?: BundleRows
}

/** @throws whatever reading the bytes throws: that is no judgement about the bundle */
export async function checkBundle(options: BundleOptions): Promise<CheckedBundle> {
  const findings = new Findings()
  const files = await openFiles(options, findings)
  if (files === undefined) return { report: summarise(options, findings, {}) }
  const work: Work = { options, files, findings }

  const manifest = await readManifest(work)
  const head = await openHead(
    { policy: await files.read(POLICY), checkpoint: await files.read(CHECKPOINT) },
    options,
    (finding) => findings.add(finding),
  )
  await checkPlainFiles(manifest, work)
  // Without a believable head there is nothing to hold the rest against.
  if (manifest === undefined || head === undefined)
    return { report: summarise(options, findings, { manifest, head, files }) }

  checkNames(manifest, head, findings)
  const grownFrom = await checkGrowth(head, work)
  const keys = await readKeys(work)
  const facts = openFacts(manifest, keys, work)
  const proven = await (manifest.carried === 'receipts'
    ? readReceipts({ manifest, head, facts }, work)
    : readBundles({ carried: manifest.carried, head, facts }, work))
  const addenda = await checkAddenda(facts, keys, { files, crypto: options.crypto, findings })
  const recorded = await checkRecorded(manifest, { head, work })
  checkClaim(manifest, facts, { addenda, findings })
  checkNothingElse(work)
  // An entry that is not the one written breaks its session too; that would only be noise.
  if (findings.total === 0) findings.add(...facts.breaks)
  const report = summarise(options, findings, {
    manifest,
    head,
    grownFrom,
    facts,
    addenda,
    recorded,
    files,
  })
  // Whoever looks at a record later has the findings already.
  const quiet = { files, crypto: options.crypto, findings: new Findings() }
  return { report, rows: new BundleRows(manifest.records, { ...quiet, facts, keys, proven }) }
}

async function openFiles(
  { access }: BundleOptions,
  findings: Findings,
): Promise<BundleFiles | undefined> {
  try {
    return new BundleFiles(await ZipReader.open(access), (finding) => findings.add(finding))
  } catch (error) {
    findings.add(zipFinding(error))
    return undefined
  }
}

async function readManifest({ files, findings }: Work): Promise<Manifest | undefined> {
  const bytes = await files.read(MANIFEST)
  if (bytes === undefined) return undefined
  try {
    return decodeManifest(bytes)
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error
    findings.add({ code: 'MANIFEST_MALFORMED', path: MANIFEST, message: error.message })
    return undefined
  }
}

/** Guide, policy and page are nothing that a log signs: the manifest at least ties them to itself. */
async function checkPlainFiles(
  manifest: Manifest | undefined,
  { files, findings, options }: Work,
): Promise<void> {
  for (const path of PLAIN_FILES) {
    const bytes = await files.read(path)
    if (bytes === undefined || manifest === undefined) continue
    if (encodeHex(options.crypto.sha256(bytes)) !== manifest.files[path])
      findings.add({
        code: 'MANIFEST_MISMATCH',
        path,
        message: 'it is not the file that the manifest names by its SHA-256',
      })
  }
}

function checkNames(
  manifest: Manifest,
  { checkpoint, size }: BelievedHead,
  findings: Findings,
): void {
  const { origin, root } = checkpoint
  const isSame =
    manifest.log.origin === origin &&
    manifest.log.size === size &&
    manifest.log.root === encodeHex(root)
  if (!isSame)
    findings.add({
      code: 'MANIFEST_MISMATCH',
      path: MANIFEST,
      message: 'it is about another log, or another state of it, than the checkpoint',
    })
}

async function checkGrowth(head: BelievedHead, work: Work): Promise<number | undefined> {
  const { files, findings, options } = work
  if (!files.has(EARLIER) && !files.has(CONSISTENCY)) return undefined
  const earlier = await files.read(EARLIER)
  const consistency = await files.read(CONSISTENCY)
  const grown = await openEarlier(
    { earlier, consistency },
    { head, crypto: options.crypto },
    (finding) => findings.add(finding),
  )
  return grown?.size
}

function openFacts(
  manifest: Manifest,
  keys: ReadonlyMap<string, AddendumKey>,
  { files, findings }: Work,
): RecordFacts {
  // One that has a key and is not here is missing; one without either just did not come along.
  const inBundle = new Set(keys.keys())
  for (const path of files.below('addenda/')) inBundle.add(path.slice(-64))
  return new RecordFacts({
    isContiguous: manifest.carried !== 'receipts',
    person: personOf(manifest),
    addenda: inBundle,
    onFinding: (finding) => findings.add(finding),
  })
}

function personOf({ scope, records }: Manifest): PersonSought | undefined {
  const { kind, subject, from, to } = scope
  const isSought = kind === 'person' && subject !== undefined && records !== ''
  return isSought && from !== undefined && to !== undefined
    ? { pseudonym: subject, from, to }
    : undefined
}

async function readBundles(
  {
    carried,
    head,
    facts,
  }: { carried: { from: number; to: number }; head: BelievedHead; facts: RecordFacts },
  { files, findings, options }: Work,
): Promise<ProvenEntry> {
  const { from, to } = carried
  const isWhole =
    from <= to &&
    from % TILE_WIDTH === 0 &&
    to < head.size &&
    (to === head.size - 1 || (to + 1) % TILE_WIDTH === 0)
  if (!isWhole) {
    findings.add({
      code: 'MANIFEST_MISMATCH',
      path: MANIFEST,
      message: `it says that the records ${from} to ${to} came along, which are no whole bundles of a log of ${head.size}`,
    })
    return nothingProven
  }
  const tree = await BundleTree.open(head.checkpoint, head.size, {
    crypto: options.crypto,
    read: async (path) => files.read(path),
    has: (path) => files.has(path),
    onFinding: (finding) => findings.add(finding),
  })
  if (tree === undefined) return nothingProven
  for (let index = from / TILE_WIDTH; index * TILE_WIDTH <= to; index++) {
    // Attacker-controlled: a range may be said to be endless. Past so many findings more of them help nobody.
    if (findings.total > FINDINGS_MAX) break
    const path = tilePath({
      level: 'entries',
      index,
      width: tileWidth(head.size, 'entries', index),
    })
    const entries = (await tree.entries(index)) ?? []
    for (const [slot, entry] of entries.entries())
      if (entry !== undefined) facts.add(index * TILE_WIDTH + slot, entry, path)
    await options.onProgress?.(Math.min(to + 1, (index + 1) * TILE_WIDTH) - from, to + 1 - from)
  }
  return fromTree(tree)
}

const nothingProven: ProvenEntry = async () => undefined

/** Neighbours are asked for one after the other: the bundle of the last one is kept. */
function fromTree(tree: BundleTree): ProvenEntry {
  let kept: { bundle: number; entries: readonly (Uint8Array | undefined)[] } | undefined
  return async (index) => {
    const bundle = Math.floor(index / TILE_WIDTH)
    if (kept?.bundle !== bundle) kept = { bundle, entries: (await tree.entries(bundle)) ?? [] }
    return kept.entries[index % TILE_WIDTH]
  }
}

async function readReceipts(
  { manifest, head, facts }: { manifest: Manifest; head: BelievedHead; facts: RecordFacts },
  { files, findings, options }: Work,
): Promise<ProvenEntry> {
  const { crypto } = options
  const tools = { head, crypto, read: async (path: string) => files.read(path) }
  const runs = runsOf(manifest.records)
  const total = runs.reduce((sum, run) => sum + run.to - run.from + 1, 0)
  let done = 0
  for (const run of runs)
    for (let index = run.from; index <= run.to; index++) {
      // Attacker-controlled, as above.
      if (findings.total > FINDINGS_MAX) return nothingProven
      const entry = await readReceipted(
        { folder: 'records', index },
        { ...tools, onFinding: (finding) => findings.add(finding) },
      )
      if (entry !== undefined) facts.add(index, entry, `records/${index}.entry`)
      done += 1
      await options.onProgress?.(done, total)
    }
  return async (index) =>
    readReceipted({ folder: 'records', index }, { ...tools, onFinding: () => undefined })
}

function checkClaim(
  manifest: Manifest,
  facts: RecordFacts,
  { addenda, findings }: { addenda: BundleReport['addenda']; findings: Findings },
): void {
  const isClaimOfScope =
    manifest.claim === 'none' ||
    (manifest.carried !== 'receipts' &&
      (manifest.claim === 'filtered'
        ? facts.sought !== undefined && isWithin(facts.sought, manifest.carried)
        : manifest.scope.kind === manifest.claim))
  const problem =
    (isClaimOfScope ? undefined : `it claims '${manifest.claim}', which this bundle cannot show`) ??
    (addenda.opened === manifest.opened
      ? undefined
      : `it says that ${manifest.opened} addenda can be read, and by ${KEYS} ${addenda.opened} can`) ??
    (findings.total > 0 ? undefined : claimProblem(manifest, facts))
  if (problem !== undefined)
    findings.add({ code: 'MANIFEST_MISMATCH', path: MANIFEST, message: problem })
}

function isWithin(
  inner: { readonly from: number; readonly to: number },
  outer: { readonly from: number; readonly to: number },
): boolean {
  return outer.from <= inner.from && inner.from <= inner.to && inner.to <= outer.to
}

function checkNothingElse({ files, findings }: Work): void {
  // What came after trouble was not looked at: that is not the file's fault.
  if (findings.total > 0) return
  for (const path of files.unasked())
    findings.add({
      code: 'FILE_UNEXPECTED',
      path,
      message: 'nothing in the bundle names it, and nothing vouches for it',
    })
}

function summarise(
  options: BundleOptions,
  findings: Findings,
  checked: Checked & { readonly files?: BundleFiles },
): BundleReport {
  const { manifest, head, facts } = checked
  const sessions = [...(facts?.sessions.values() ?? [])]
  const size = head?.size ?? 0
  return {
    verified: findings.total === 0,
    trust: options.keys.length > 0 || options.policy !== undefined ? 'given' : 'carried',
    origin: head?.checkpoint.origin ?? '',
    size,
    root: encodeHex(head?.checkpoint.root ?? new Uint8Array(0)),
    signers: head?.signers ?? [],
    witnesses: head?.witnesses ?? [],
    quorum: head?.quorum ?? '',
    grownFrom: checked.grownFrom,
    manifest,
    records: facts?.records ?? 0,
    firstOccurred: facts?.firstOccurred,
    lastOccurred: facts?.lastOccurred,
    sessions: sessions.slice(0, LISTED_MAX),
    sessionsTotal: sessions.length,
    gaps: facts?.gaps ?? [],
    gapsTotal: facts?.gapsTotal ?? 0,
    gapRecordsTotal: facts?.gapRecordsTotal ?? 0,
    erasures: facts?.erasures ?? [],
    erasuresTotal: facts?.erasuresTotal ?? 0,
    retentions: facts?.retentions ?? [],
    retentionsTotal: facts?.retentionsTotal ?? 0,
    addenda: checked.addenda ?? { opened: 0, sealed: 0 },
    completeness:
      manifest === undefined || facts === undefined
        ? { proven: false, says: [CLAIMS.none] }
        : judgeClaim(manifest, facts, { size, isSound: findings.total === 0 }),
    recorded: checked.recorded ?? [],
    files: checked.files === undefined ? 0 : [...checked.files.below('')].length,
    bytes: checked.files?.bytes ?? 0,
    findings: findings.kept,
    findingsTotal: findings.total,
  }
}
