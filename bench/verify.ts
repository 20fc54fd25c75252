/**
 * Whole-log verification: entries per second over a synthetic log of real records, beside the bare cost of the SHA-256 calls that no
 * verifier of this log can avoid (one for each entry, one for each node), made with crypto.hash on as many threads.
 * Usage: node -C @countersign/source bench/verify.ts [--json] [--entries N]
 */
import { hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import { openIds } from '@countersign/record/id'
import { decodeBundle } from '@countersign/tlog/bundle'
import { formatCheckpoint } from '@countersign/tlog/checkpoint'
import { CompactRange } from '@countersign/tlog/compact-range'
import { parseVkey } from '@countersign/tlog/key'
import { formatNote } from '@countersign/tlog/note'
import { TILE_HEIGHT, TILE_WIDTH, tilePath, tilesForSize, tileWidth } from '@countersign/tlog/tile'
import { directorySource, nodeCrypto } from '@countersign/verifier/node-io'
import { onThreads } from '@countersign/verifier/pool'
import { logKey, openEntries, toDirectory } from '@countersign/verifier/sample-log.testing'
import { hashEntries } from '@countersign/verifier/hashes'
import { verifyLog } from '@countersign/verifier/verify'

import { rounded } from './measure.ts'

const { sha256 } = nodeCrypto
const BARE_SIZE_MAX = 800 * TILE_WIDTH

interface Figures {
  readonly entriesPerSec: number
  readonly bytesPerSec: number
  readonly workers: number
  /** The same with nothing but SHA-256. */
  readonly bareEntriesPerSec: number
  /** Above 1: verification is faster than the bare hashing through crypto.hash. */
  readonly ratio: number
  /** CPU time of all threads, which says more than the above where others use the machine as well. */
  readonly cpuUsPerEntry: number
  readonly bareCpuUsPerEntry: number
  readonly entries: number
  readonly bytesPerEntry: number
}

if (isMainThread) await main()
else parentPort?.postMessage(hashBundles(workerData))

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, entries: { type: 'string', default: '2000000' } },
  })
  const size = Number(values.entries)
  if (!(size >= TILE_WIDTH))
    throw new RangeError(`could not run: --entries must be at least ${TILE_WIDTH}`)
  const workers = Math.min(2, availableParallelism())
  const directory = mkdtempSync(join(tmpdir(), 'countersign-bench-verify-'))
  try {
    await buildLog(directory, size)
    const figures = await measure(directory, size, workers)
    process.stdout.write(values.json === true ? `${JSON.stringify(figures)}\n` : table(figures))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function measure(directory: string, size: number, workers: number): Promise<Figures> {
  const source = directorySource(directory)
  const startMs = performance.now()
  const before = process.cpuUsage()
  const report = await verifyLog({
    source,
    crypto: nodeCrypto,
    keys: [parseVkey(logKey.vkey, sha256)],
    ranges: async (work) => onThreads(directory, workers, { ...work, source }),
  })
  const seconds = (performance.now() - startMs) / 1000
  const used = process.cpuUsage(before)
  if (!report.verified)
    throw new Error(
      `the log that the bench built does not verify: ${JSON.stringify(report.findings[0])}`,
    )
  // Full bundles only: the log has no partial one of another size.
  const bareSize = Math.min(Math.floor(size / TILE_WIDTH) * TILE_WIDTH, BARE_SIZE_MAX)
  const bare = await bareCost(directory, bareSize, workers)
  const bareEntriesPerSec = bareSize / bare.seconds
  const entriesPerSec = size / seconds
  return {
    entriesPerSec: Math.round(entriesPerSec),
    bytesPerSec: Math.round(report.entryBytes / seconds),
    workers,
    bareEntriesPerSec: Math.round(bareEntriesPerSec),
    ratio: rounded(entriesPerSec / bareEntriesPerSec, 2),
    cpuUsPerEntry: rounded((used.user + used.system) / size, 2),
    bareCpuUsPerEntry: rounded(bare.cpuUs / bareSize, 2),
    entries: size,
    bytesPerEntry: Math.round(report.entryBytes / size),
  }
}

/** A log in a directory: records of one session, written without going through the encoder for each. */
async function buildLog(directory: string, size: number): Promise<void> {
  const write = toDirectory(directory)
  const nextEntry = openPatchedEntries()
  // Hashes of each level, as one run of bytes; level 0 holds the leaves.
  const levels: Uint8Array[][] = []
  const range = new CompactRange(sha256)
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = tileWidth(size, 'entries', index)
    const entries = Array.from({ length: width }, nextEntry)
    const bundle = Buffer.concat(
      entries.flatMap((entry) => [Buffer.of(entry.length >>> 8, entry.length & 0xff), entry]),
    )
    write(tilePath({ level: 'entries', index, width }), bundle)
    const hashes = hashEntries(entries, width, nodeCrypto.sha256Into)
    for (let at = 0; at < width; at++) {
      range.append(hashes.subarray(at * 32, at * 32 + 32), (level, _at, hashed) => {
        if (level % TILE_HEIGHT === 0) (levels[level / TILE_HEIGHT] ??= []).push(hashed)
      })
    }
  }
  for (const tile of tilesForSize(size)) {
    if (tile.level === 'entries') continue
    write(
      tilePath(tile),
      Buffer.concat(
        levels[tile.level]?.slice(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width) ??
          [],
      ),
    )
  }
  const text = formatCheckpoint({
    origin: 'log.example.com/test',
    size: BigInt(size),
    root: range.root(),
  })
  write('checkpoint', Buffer.from(formatNote(text, [await logKey.signText(text)])))
}

/** Entries as `openEntries` makes them, patched from two of them: the encoder would take longer than what is measured. */
function openPatchedEntries(): () => Uint8Array {
  const next = openEntries()
  next()
  next()
  const templates = [templateOf(next()), templateOf(next())]
  const ids = openIds({ nowMs: () => 1_753_871_234_567 })
  const session = ids()
  let seq = 0
  let prev = ''
  let id = ''
  return () => {
    const template = templates[seq % 2]
    if (template === undefined) throw new Error('there is no template')
    if (seq % 2 === 0) id = ids()
    const before = seq === 0 ? '' : `,"prev":"${prev}"`
    const json = template.json
      .replaceAll('<id>', id)
      .replace('<session>', session)
      .replace('<seq>', String(seq))
      .replace('<prev>', before)
    prev = id
    seq += 1
    const entry = Buffer.concat([Buffer.from(json, 'latin1'), template.tail])
    // The digest stands directly after the newline, wherever that is now.
    if (template.tail.length > 2) entry.writeUInt32BE(json.length + 1, entry.length - 5)
    return entry
  }
}

function templateOf(entry: Uint8Array): { json: string; tail: Uint8Array } {
  const end = entry.indexOf(0x0a)
  const json = Buffer.from(entry.subarray(0, end)).toString('latin1')
  const id = /"id":"([^"]*)"/.exec(json)?.[1] ?? ''
  const patched = json
    .replace(/,"prev":"[^"]*"/, '<prev>')
    .replace(/"session":"[^"]*"/, '"session":"<session>"')
    .replace(/"seq":\d+/, '"seq":<seq>')
    .replaceAll(id, '<id>')
  return { json: patched, tail: entry.subarray(end) }
}

interface BareWork {
  readonly directory: string
  readonly size: number
  readonly first: number
  readonly step: number
}

interface BareCost {
  readonly seconds: number
  readonly cpuUs: number
}

/** What `workers` threads need for the SHA-256 calls alone: the slowest thread's seconds, and CPU of all; files are read and split before. */
async function bareCost(directory: string, size: number, workers: number): Promise<BareCost> {
  const costs = await Promise.all(
    Array.from({ length: workers }, async (_, first) => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { directory, size, first, step: workers } satisfies BareWork,
      })
      return new Promise<BareCost>((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
    }),
  )
  return {
    seconds: Math.max(...costs.map(({ seconds }) => seconds)),
    cpuUs: costs.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
  }
}

function hashBundles({ directory, size, first, step }: BareWork): BareCost {
  const node = new Uint8Array(65)
  const bundles: Uint8Array[][] = []
  for (let index = first; index * TILE_WIDTH < size; index += step) {
    const width = tileWidth(size, 'entries', index)
    bundles.push(
      decodeBundle(
        readFileSync(join(directory, tilePath({ level: 'entries', index, width }))),
        width,
      ),
    )
  }
  const startMs = performance.now()
  const before = process.threadCpuUsage()
  for (const entries of bundles) {
    for (const entry of entries) {
      hash('sha256', entry, 'binary')
      // A tree has one node fewer than leaves.
      hash('sha256', node, 'binary')
    }
  }
  const { user, system } = process.threadCpuUsage(before)
  return { seconds: (performance.now() - startMs) / 1000, cpuUs: user + system }
}

function table(figures: Figures): string {
  const n = (value: number): string => value.toLocaleString('en').padStart(14)
  return [
    `entries           ${n(figures.entries)}  of ${figures.bytesPerEntry} bytes, ${figures.workers} threads`,
    `verified          ${n(figures.entriesPerSec)}  entries/s`,
    `                  ${n(figures.bytesPerSec)}  bytes/s of entries`,
    `bare crypto.hash  ${n(figures.bareEntriesPerSec)}  entries/s, one for the entry and one for a node`,
    `ratio             ${n(figures.ratio)}  goal: 1,000,000 entries/s on two cores`,
    `CPU of an entry   ${n(figures.cpuUsPerEntry)}  us, of which bare crypto.hash ${figures.bareCpuUsPerEntry}`,
    '',
  ].join('\n')
}
