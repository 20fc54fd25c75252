/**
 * How fast a record becomes durable and signed, through the real processes and sockets: this process is the client, ledger
 * and signer are processes of their own. Usage:
 * `node -C @countersign/source bench/ledger.ts [--json] [--seconds N] [--batch-age-ms N] [--peer tessera] [--entries N]`
 * With `--peer tessera` it is held against Tessera's POSIX log on the same disk. With `--entries` it only grows a log of so many
 * records and tells how much memory ledger and verifier take (2 GB of disk for each million).
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Draft } from '../packages/record/src/leaf.ts'
import { connectLedger } from '../packages/gateway/src/ledger.ts'
import type { Ledger } from '../packages/gateway/src/ledger.ts'
import { measureWitnessed } from '../packages/gateway/src/ledger/testing/measure-witnessed.ts'
import { flow, pour } from '../packages/gateway/src/ledger/testing/pour.ts'
import type { Flow } from '../packages/gateway/src/ledger/testing/pour.ts'
import { makeDraft, makeLog, startProcess } from '../packages/gateway/src/ledger/testing/setup.ts'
import type { TestLog, TestProcess } from '../packages/gateway/src/ledger/testing/setup.ts'
import { ed25519Verify, sha256 } from '../packages/gateway/src/cryptography.ts'
import { systemClock } from '../packages/gateway/src/platform.ts'
import { openSealing, readTenantKey } from '../packages/gateway/src/seal.ts'
import { parseVkey } from '../packages/tlog/src/key.ts'
import { verifyReceipt } from '../packages/tlog/src/receipt.ts'
import { leafIndex } from '../packages/tlog/src/size.ts'
import { percentile, queuedMs, rounded, threadsCpuMs } from './measure.ts'
import { measureMemory } from './memory.ts'
import { measureTessera } from './peer.ts'
import type { Peer } from './peer.ts'

/** What a leaf of `makeDraft` takes without its filler, in bytes. */
const LEAF_BYTES = 232
/** People whose keys seal the records that reveal something. */
const SUBJECTS = 1_000
/** What `pour` sends in a second of the bench: as much as the goal asks for. */
const POUR_PER_SECOND = 150_000

interface Options {
  readonly seconds: number
  readonly batchAgeMs: number
  readonly peer: string | undefined
}

type Result = Record<string, number>

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '4' },
    'batch-age-ms': { type: 'string', default: '0' },
    peer: { type: 'string' },
    entries: { type: 'string' },
  },
})
const options: Options = {
  seconds: Number(values.seconds),
  batchAgeMs: Number(values['batch-age-ms']),
  peer: values.peer,
}
if (options.peer !== undefined && options.peer !== 'tessera')
  throw new Error(`could not run: the peer is tessera, not ${options.peer}`)
const result =
  values.entries === undefined
    ? await inProcesses(async (running) => measure(running, options))
    : await inProcesses(async (running) => measureMemory(running, Number(values.entries)))
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
else print(result)

/** A new log with its ledger and signer. */
interface Running {
  readonly log: TestLog
  readonly ledger: TestProcess
  readonly signer: TestProcess
  readonly socketPath: string
}

async function inProcesses(work: (running: Running) => Promise<Result>): Promise<Result> {
  await using log = await makeLog({
    segmentBytes: 64 * 1024 ** 2,
    batchBytesMax: 4 * 1024 ** 2,
    draftBytesMax: 16 * 1024 ** 2,
  })
  const signer = await startProcess('signer', log.signer)
  const ledger = await startProcess('ledger', log.ledger)
  try {
    const measured = await work({
      log,
      ledger,
      signer,
      socketPath: join(log.dataDir, 'run', 'ledger.sock'),
    })
    await stop(ledger)
    await stop(signer)
    return measured
  } finally {
    await ledger.kill()
    await signer.kill()
  }
}

async function measure(running: Running, { seconds, batchAgeMs, peer }: Options): Promise<Result> {
  const { log, ledger, socketPath } = running
  const fdatasyncP50Ms = measureDisk(log.folder)
  const records = Math.ceil(seconds * POUR_PER_SECOND)
  const client = await connectLedger({ socketPath, clock: systemClock, batchAgeMs })
  const start = performance.now()
  const cpuBefore = cpuMsOf(ledger)
  const small = await pour({ socketPath, entryBytes: 512, records })
  const pourMs = performance.now()
  await client.publish()
  // Encoding is not timed, so the time to publish what is left is added to that of the sending alone.
  const published = (records * 1000) / ((records * 1000) / small + performance.now() - pourMs)
  const cpuUs = ((cpuMsOf(ledger) - cpuBefore) * 1000) / records
  const bytesPerRecord = diskBytes(log) / (await client.status()).published
  const tessera =
    peer === undefined ? undefined : await measureTessera(log.folder, { seconds, entryBytes: 512 })
  const large = await pour({ socketPath, entryBytes: 2048, records: Math.ceil(records / 4) })
  await client.publish()
  const sealed = await measureSealed(running, Math.ceil(records / 2))
  await client.publish()
  const one = await closedLoop(client, seconds)
  await client.publish()
  const flows = await measureFlows(running, client, seconds)
  const verified = await verifySome(client, log)
  await client.close()
  const witnessed = await measureWitnesses(seconds)
  return {
    entriesPerSec512: Math.round(small),
    publishedPerSec512: Math.round(published),
    entriesPerSec2k: Math.round(large),
    ...sealed,
    entriesPerSecOneClient: Math.round(one),
    ...(tessera === undefined ? {} : ratios(tessera, { small, published, cpuUs })),
    ...flows,
    ...witnessed,
    cpuUsPerRecord: round(cpuUs),
    bytesPerRecord: Math.round(bytesPerRecord),
    fdatasyncP50Ms: round(fdatasyncP50Ms),
    ...verified,
    seconds: Math.round((performance.now() - start) / 1000),
  }
}

/** The ledger's side of records that reveal something, and what sealing costs whoever sends them (CPU; see bench:seal). */
async function measureSealed({ log, socketPath }: Running, records: number): Promise<Result> {
  const keyFile = join(log.folder, 'tenant.key')
  writeFileSync(keyFile, randomBytes(32).toString('hex'))
  const stateDir = join(log.folder, 'seal-state')
  const sealing = await openSealing({ stateDir, tenantKey: await readTenantKey(keyFile) })
  const subjects = Array.from({ length: SUBJECTS }, () => randomBytes(16).toString('hex'))
  let nth = 0
  let sealMs = 0
  const seal = (draft: Draft): Draft => {
    const start = performance.now()
    nth += 1
    const done = sealing.seal({ ...draft, subject: subjects[nth % SUBJECTS] ?? '' })
    sealMs += performance.now() - start
    return done
  }
  const perSecond = await pour({ socketPath, entryBytes: 512, records, seal })
  sealing.close()
  return { sealedPerSec512: Math.round(perSecond), sealUsPerRecord: round((sealMs * 1000) / nth) }
}

/** Append to D2 on demand: one record after the other, and thirty-two at once; all of the witnesses must cosign. */
async function measureWitnesses(seconds: number): Promise<Result> {
  const figures: Result = {}
  for (const witnesses of [1, 2, 3]) {
    for (const waiting of [1, 32]) {
      const appends = Math.ceil(seconds * 50 * Math.sqrt(waiting))
      const { p50Ms, p99Ms, perSecond } = await measureWitnessed({ witnesses, appends, waiting })
      const name = `${witnesses}w${waiting === 1 ? '' : `x${waiting}`}`
      figures[`d2P50Ms${name}`] = round(p50Ms)
      figures[`d2P99Ms${name}`] = round(p99Ms)
      figures[`d2PerSec${name}`] = Math.round(perSecond)
    }
  }
  return figures
}

/** The peer's entries are durable and integrated when it says so: ours are durable in the first, and published in the second. */
function ratios(
  { best, byDefault }: Peer,
  ours: { small: number; published: number; cpuUs: number },
): Result {
  return {
    tesseraPerSec512: Math.round(best.perSecond),
    tesseraDefaultPerSec512: Math.round(byDefault.perSecond),
    tesseraCpuUsPerRecord: round(best.cpuUs),
    durableRatio: round(ours.small / best.perSecond),
    durableRatioToDefault: round(ours.small / byDefault.perSecond),
    publishedRatio: round(ours.published / best.perSecond),
    cpuRatio: round(best.cpuUs / ours.cpuUs),
  }
}

/** Append to D0 and to D1, at two rates. */
async function measureFlows(
  { ledger, signer, socketPath }: Running,
  client: Ledger,
  seconds: number,
): Promise<Result> {
  const figures: Result = {}
  for (const rate of [10_000, 50_000]) {
    for (const level of ['D0', 'D1'] as const) {
      const name = `${rate / 1000}k`
      const [ledgerMs, signerMs] = [cpuMsOf(ledger), cpuMsOf(signer)]
      const queued = queuedMs(ledger.child.pid ?? 0)
      const { tookMs, perSecond } = await flow({
        socketPath,
        entryBytes: 512,
        rate,
        level,
        seconds,
      })
      Object.assign(figures, figuresOf(level.toLowerCase(), name, { tookMs, perSecond }))
      figures[`cpuUsPerRecord${level}${name}`] = round(
        ((cpuMsOf(ledger) - ledgerMs) * 1000) / tookMs.length,
      )
      figures[`signerCpuUsPerRecord${level}${name}`] = round(
        ((cpuMsOf(signer) - signerMs) * 1000) / tookMs.length,
      )
      // Above a few hundredths, others had the processor, and the percentiles are theirs.
      figures[`queuedShare${level}${name}`] = round(
        ((queuedMs(ledger.child.pid ?? 0) - queued) * perSecond) / (tookMs.length * 1000),
      )
      await client.publish()
    }
  }
  return figures
}

/** The disk alone: 8 KiB over preallocated bytes, then fdatasync. */
function measureDisk(folder: string): number {
  const file = openSync(join(folder, 'disk-probe'), 'w')
  const [count, bytes] = [400, 8192]
  for (let n = 0; n < count; n++) writeSync(file, Buffer.alloc(bytes), 0, bytes, n * bytes)
  fdatasyncSync(file)
  const block = Buffer.alloc(bytes, 1)
  const took = Float64Array.from({ length: count }, (_, n) => {
    const start = performance.now()
    writeSync(file, block, 0, bytes, n * bytes)
    fdatasyncSync(file)
    return performance.now() - start
  })
  closeSync(file)
  return percentile(took.toSorted(), 0.5)
}

/** As many records as one client with 2,000 requests under way gets durable, encoding included. */
async function closedLoop(client: Ledger, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000
  let done = 0
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      await client.append(makeDraft({ bytes: 512 - LEAF_BYTES }))
      done += 1
    }
  }
  await Promise.all(Array.from({ length: 2000 }, worker))
  return done / seconds
}

/** Receipts of records all over the log, as an auditor would check them. */
async function verifySome(client: Ledger, log: TestLog): Promise<Result> {
  const { published, durable } = await client.status()
  if (published !== durable) throw new Error(`${durable - published} records are not published`)
  const keys = [parseVkey(log.vkey, sha256)]
  const count = 50
  for (let n = 0; n < count; n++) {
    const index = leafIndex(Math.floor((published * n) / count))
    const [entry] = await client.entries(index, 1)
    if (entry === undefined) throw new Error(`record ${index} is missing`)
    const receipt = await client.prove(index)
    await verifyReceipt({ receipt, entry, keys, sha256, verify: ed25519Verify })
  }
  return { recordsPublished: published, recordsVerified: count }
}

/** CPU time of a process of ours so far. */
function cpuMsOf({ child }: TestProcess): number {
  return threadsCpuMs(child.pid ?? 0)
}

function diskBytes({ dataDir }: TestLog): number {
  let bytes = 0
  for (const part of ['log', 'addenda']) {
    for (const file of readdirSync(join(dataDir, part), { recursive: true, withFileTypes: true })) {
      if (file.isFile()) bytes += statSync(join(file.parentPath, file.name)).size
    }
  }
  return bytes
}

async function stop({ child, exited }: TestProcess): Promise<void> {
  child.kill('SIGTERM')
  await exited
}

function figuresOf(level: string, rate: string, { tookMs, perSecond }: Flow): Result {
  const sorted = tookMs.toSorted()
  return {
    [`${level}P50Ms${rate}`]: round(percentile(sorted, 0.5)),
    [`${level}P99Ms${rate}`]: round(percentile(sorted, 0.99)),
    [`${level}PerSec${rate}`]: Math.round(perSecond),
  }
}

function round(value: number): number {
  return rounded(value, 3)
}

function print(figures: Result): void {
  for (const [name, value] of Object.entries(figures)) {
    process.stdout.write(`${name.padEnd(28)} ${value.toLocaleString('en')}\n`)
  }
}
