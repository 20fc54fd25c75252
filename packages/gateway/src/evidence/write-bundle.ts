/**
 * Writes a bundle. The order is the guarantee: everything goes into a file beside the target, that file is checked as an auditor will
 * check it, and only then it gets its name. A crash leaves a `.part` file and no bundle.
 */
import { open, rename, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatAddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { parseNote } from '@countersign/tlog/note'
import { consistencyProofAsync } from '@countersign/tlog/proof'
import { formatReceipt } from '@countersign/tlog/receipt'
import { toTreeSize } from '@countersign/tlog/size'
import { nodeFromTile, placeOfNode, TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { formatKeys } from '@countersign/verifier/bundle/addenda-keys'
import type { AddendumKey } from '@countersign/verifier/bundle/addenda-keys'
import {
  CHECKPOINT,
  CONSISTENCY,
  EARLIER,
  GUIDE,
  KEYS,
  MANIFEST,
  PAGE,
  POLICY,
  receiptFiles,
} from '@countersign/verifier/bundle/layout'
import type { ReceiptFolder } from '@countersign/verifier/bundle/layout'
import { encodeManifest, runsOf } from '@countersign/verifier/bundle/manifest'
import type { Manifest } from '@countersign/verifier/bundle/manifest'
import { tilesAbove } from '@countersign/verifier/bundle/tree'
import { sha256, sha256Hex } from '../cryptography.ts'
import { syncDirectory } from '../platform.ts'
import { EvidenceError } from './errors.ts'
import { guideText } from './guide.ts'
import type { EvidenceAddenda, EvidenceLog } from './log.ts'
import { selfCheck } from './self-check.ts'
import type { Selection } from './selection.ts'
import { ZipWriter } from './zip-writer.ts'

export interface BundleRequest {
  readonly target: string
  readonly log: EvidenceLog
  readonly addenda: EvidenceAddenda
  readonly selection: Selection
  /** The text of a C2SP tlog-policy that the checkpoint satisfies. */
  readonly policy: string
  /** An earlier checkpoint of the log, a signed note. */
  readonly earlier?: Uint8Array | undefined
  readonly asked: Manifest['asked']
  /** Leaf indexes of the log's records of this export, as a record spells them; empty when it has none. */
  readonly recorded: string
  /** The page that checks bundles. */
  readonly page: Uint8Array
  readonly onProgress?:
    | ((phase: 'writing' | 'checking', done: number, total: number) => void)
    | undefined
}

export interface WrittenBundle {
  readonly bytes: number
  readonly files: number
  /** SHA-256, hexadecimal, of the bundle and of the page in it. */
  readonly digest: string
  readonly pageDigest: string
  /** Whether the bundle proves itself complete in what was asked for, and in which words. */
  readonly complete: boolean
  readonly says: readonly string[]
  readonly records: number
  readonly opened: number
}

const PRIVATE_FILE_MODE = 0o600

/**
 * Writes a bundle to a file that is not there yet.
 * @throws {EvidenceError} `EVIDENCE_IO`, `EVIDENCE_LIMIT`; `EVIDENCE_BROKEN` when it does not verify, which is then no fault of its own
 */
export async function writeBundle(request: BundleRequest): Promise<WrittenBundle> {
  const { target } = request
  const part = `${target}.part`
  await refuseExisting(target)
  try {
    const written = await writePart(part, request)
    const checked = await selfCheck(part, request)
    // Again: checking may take long. Not by a hard link, which would settle it: a memory stick may know none.
    await refuseExisting(target)
    await rename(part, target)
    await syncDirectory(dirname(target))
    return { ...written, ...checked }
  } catch (error) {
    await unlink(part).catch(() => undefined)
    throw error
  }
}

/**
 * A bundle that was handed over is not overwritten by another of the same name.
 * @throws {EvidenceError} `EVIDENCE_IO` when there is a file of this name
 */
export async function refuseExisting(target: string): Promise<void> {
  if ((await stat(target).catch(() => undefined)) === undefined) return
  throw new EvidenceError('EVIDENCE_IO', `could not write ${target}: it is there already`, {
    hint: 'give another name with -o',
  })
}

async function writePart(
  part: string,
  request: BundleRequest,
): Promise<Pick<WrittenBundle, 'files' | 'pageDigest'>> {
  const file = await create(part)
  try {
    const zip = new ZipWriter((bytes) => writeAll(file, bytes))
    const written = await writeFiles(zip, request)
    await zip.finish()
    await file.sync()
    return { ...written, files: zip.files }
  } finally {
    await file.close()
  }
}

/** What tells how to check comes first, what is checked after it, and last the manifest, which needs all the others. */
async function writeFiles(zip: ZipWriter, request: BundleRequest): Promise<{ pageDigest: string }> {
  const { log, selection, policy, page, recorded } = request
  const pageDigest = sha256Hex(page)
  const facts = manifestFacts(request)
  const guide = guideText({ ...facts, pageDigest, hasEarlier: request.earlier !== undefined })
  await zip.add(GUIDE, Buffer.from(guide))
  await zip.add(PAGE, page)
  await zip.add(POLICY, Buffer.from(policy))
  await zip.add(CHECKPOINT, Buffer.from(log.head.note))
  if (request.earlier !== undefined) await writeConsistency(zip, log, request.earlier)
  if (facts.carried === 'receipts')
    await writeReceipts(zip, 'records', { ...request, list: selection.records })
  else await writeTiles(zip, facts.carried, request)
  await writeAddenda(zip, request)
  await writeReceipts(zip, 'export', { ...request, list: recorded })
  const files = { [GUIDE]: sha256Hex(guide), [POLICY]: sha256Hex(policy), [PAGE]: pageDigest }
  await zip.add(MANIFEST, encodeManifest({ ...facts, files }))
  return { pageDigest }
}

function manifestFacts({
  log,
  selection,
  asked,
  recorded,
}: BundleRequest): Omit<Manifest, 'files'> {
  const { origin, size, root } = log.head
  return {
    format: 'countersign-bundle',
    v: 1,
    log: { origin, size, root: encodeHex(root) },
    asked,
    recorded,
    scope: selection.scope,
    records: selection.records,
    carried: selection.carried === 'receipts' ? 'receipts' : wholeBundles(selection.carried, size),
    opened: selection.addenda.length,
    claim: selection.claim,
  }
}

/** Bundles travel whole: their hashes are over all of their records. */
function wholeBundles(
  { from, to, toEnd }: { from: number; to: number; toEnd: boolean },
  size: number,
): { from: number; to: number } {
  const last = toEnd ? size - 1 : to
  return {
    from: from - (from % TILE_WIDTH),
    to: Math.min(size - 1, last - (last % TILE_WIDTH) + TILE_WIDTH - 1),
  }
}

async function writeTiles(
  zip: ZipWriter,
  carried: { from: number; to: number },
  { log, onProgress }: BundleRequest,
): Promise<void> {
  const bundles = {
    from: Math.floor(carried.from / TILE_WIDTH),
    to: Math.floor(carried.to / TILE_WIDTH),
  }
  for (const tile of tilesAbove(log.head.size, bundles)) await copyTile(zip, log, tile)
  for (let index = bundles.from; index <= bundles.to; index++) {
    const width = tileWidth(log.head.size, 'entries', index)
    await copyTile(zip, log, { level: 'entries', index, width })
    onProgress?.('writing', index - bundles.from + 1, bundles.to - bundles.from + 1)
  }
}

async function copyTile(zip: ZipWriter, log: EvidenceLog, tile: Tile): Promise<void> {
  await zip.add(tilePath(tile), await tileOf(log, tile))
}

async function tileOf(log: EvidenceLog, tile: Tile): Promise<Uint8Array> {
  const bytes = await log.tile(tile)
  if (bytes !== undefined) return bytes
  throw new EvidenceError(
    'EVIDENCE_BROKEN',
    `could not export: ${tilePath(tile)} is missing from the log`,
  )
}

async function writeReceipts(
  zip: ZipWriter,
  folder: ReceiptFolder,
  { log, list, onProgress }: BundleRequest & { readonly list: string },
): Promise<void> {
  const runs = runsOf(list)
  const total = runs.reduce((sum, { from, to }) => sum + to - from + 1, 0)
  let done = 0
  for (const { from, to } of runs)
    for (let index = from; index <= to; index++) {
      const { entry, proof } = await log.proven(index)
      const paths = receiptFiles(folder, index)
      await zip.add(paths.entry, entry)
      const receipt = formatReceipt({ index: BigInt(index), proof, checkpoint: log.head.note })
      await zip.add(paths.receipt, Buffer.from(receipt))
      onProgress?.('writing', ++done, total)
    }
}

async function writeAddenda(zip: ZipWriter, { selection, addenda }: BundleRequest): Promise<void> {
  const keys = new Map<string, AddendumKey>()
  for (const chosen of selection.addenda) {
    const stored = await addenda(chosen)
    const digest = encodeHex(chosen.digest)
    if (stored === undefined || keys.has(digest))
      throw new EvidenceError(
        'EVIDENCE_BROKEN',
        `could not export: an addendum of record ${chosen.index} is gone since it was chosen`,
        { hint: 'was its subject erased meanwhile? then export again' },
      )
    await zip.add(addendumPath(digest), stored.content)
    keys.set(digest, stored.key)
  }
  if (keys.size > 0) await zip.add(KEYS, Buffer.from(formatKeys(keys)))
}

async function writeConsistency(
  zip: ZipWriter,
  log: EvidenceLog,
  earlier: Uint8Array,
): Promise<void> {
  const before = parseCheckpoint(parseNote(earlier).text)
  const { size, note } = log.head
  const readNode = async (level: number, index: number): Promise<Uint8Array> => {
    const place = placeOfNode(level, index)
    const width = tileWidth(size, place.level, place.index)
    return nodeFromTile(sha256, await tileOf(log, { ...place, width }), place)
  }
  const hasProof = before.size > 0n && before.size <= BigInt(size)
  const proof = hasProof
    ? await consistencyProofAsync(toTreeSize(before.size), size, { sha256, readNode })
    : []
  await zip.add(EARLIER, earlier)
  await zip.add(
    CONSISTENCY,
    Buffer.from(formatAddCheckpoint({ oldSize: before.size, proof, checkpoint: note })),
  )
}

async function create(path: string): Promise<FileHandle> {
  // What an export that was killed left behind is nobody's: it is written over.
  return await open(path, 'w', PRIVATE_FILE_MODE).catch((cause: unknown) => notWritten(path, cause))
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  await file.writeFile(bytes).catch((cause: unknown) => notWritten('the bundle', cause))
}

function notWritten(what: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause)
  throw new EvidenceError('EVIDENCE_IO', `could not write ${what}: ${why}`, { cause })
}
