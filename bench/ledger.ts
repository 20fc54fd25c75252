/**
 * How fast a record becomes durable and signed, through the real processes and sockets: this process is the client, ledger
 * and signer are processes of their own. `node -C @countersign/source bench/ledger.ts [--json] [--seconds N] [--batch-age-ms N]`
 */
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { AcknowledgementLevel } from '../packages/record/src/vocabulary.ts'
import { connectLedger } from '../packages/gateway/src/ledger.ts'
import type { Ledger } from '../packages/gateway/src/ledger.ts'
import { pour } from '../packages/gateway/src/ledger/testing/pour.ts'
import { makeDraft, makeLog, startProcess } from '../packages/gateway/src/ledger/testing/setup.ts'
import type { TestLog, TestProcess } from '../packages/gateway/src/ledger/testing/setup.ts'
import { ed25519Verify, sha256, systemClock } from '../packages/gateway/src/platform.ts'
import { parseVkey } from '../packages/tlog/src/key.ts'
import { verifyReceipt } from '../packages/tlog/src/receipt.ts'
import { leafIndex } from '../packages/tlog/src/size.ts'

/** What a leaf of `makeDraft` takes without its filler, in bytes. */
const LEAF_BYTES = 232

interface Options {
  readonly seconds: number
  readonly batchAgeMs: number
}

interface Open {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
  readonly cpuUs: number
}

type Result = Record<string, number>

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '4' },
    'batch-age-ms': { type: 'string', default: '0' },
  },
})
const options: Options = {
  seconds: Number(values.seconds),
  batchAgeMs: Number(values['batch-age-ms']),
}
const result = await measure(options)
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
else print(result)

async function measure({ seconds, batchAgeMs }: Options): Promise<Result> {
  await using log = await makeLog({
    segmentBytes: 64 * 1024 ** 2,
    batchBytesMax: 4 * 1024 ** 2,
    draftBytesMax: 16 * 1024 ** 2,
  })
  const fdatasyncP50Ms = measureDisk(log.folder)
  const signer = await startProcess('signer', log.signer)
  const ledger = await startProcess('ledger', log.ledger)
  const socketPath = join(log.dataDir, 'run', 'ledger.sock')
  try {
    const small = await pour({ socketPath, entryBytes: 512, seconds })
    const client = await connectLedger({ socketPath, clock: systemClock, batchAgeMs })
    await client.publish()
    const bytesPerRecord = diskBytes(log) / (await client.status()).published
    const large = await pour({ socketPath, entryBytes: 2048, seconds })
    await client.publish()
    const one = await closedLoop(client, seconds)
    await client.publish()
    const steady: [string, Open][] = []
    for (const [rate, level] of [
      [10_000, 'D0'],
      [10_000, 'D1'],
      [50_000, 'D0'],
      [50_000, 'D1'],
    ] as const) {
      steady.push([
        `${level.toLowerCase()}${rate / 1000}k`,
        await openLoop({ client, ledger, rate, level, seconds }),
      ])
      await client.publish()
    }
    const { published, durable } = await client.status()
    const recordsVerified = await verifySome(client, log, published)
    if (published !== durable) throw new Error(`${durable - published} records are not published`)
    await client.close()
    await stop(ledger)
    await stop(signer)
    const figures = Object.fromEntries(steady)
    return {
      entriesPerSec512: Math.round(small),
      entriesPerSec2k: Math.round(large),
      entriesPerSecOneClient: Math.round(one),
      ...figuresOf('d0', '10k', figures['d010k']),
      ...figuresOf('d1', '10k', figures['d110k']),
      ...figuresOf('d0', '50k', figures['d050k']),
      ...figuresOf('d1', '50k', figures['d150k']),
      cpuUsPerRecord10k: round(figures['d010k']?.cpuUs ?? Number.NaN),
      cpuUsPerRecord50k: round(figures['d050k']?.cpuUs ?? Number.NaN),
      bytesPerRecord: Math.round(bytesPerRecord),
      fdatasyncP50Ms: round(fdatasyncP50Ms),
      recordsPublished: published,
      recordsVerified,
    }
  } finally {
    await ledger.kill()
    await signer.kill()
  }
}

/** The disk alone: 8 KiB over preallocated bytes, then fdatasync. */
function measureDisk(folder: string): number {
  const file = openSync(join(folder, 'disk-probe'), 'w')
  const [count, bytes] = [400, 8192]
  for (let n = 0; n < count; n++) writeSync(file, Buffer.alloc(bytes), 0, bytes, n * bytes)
  fdatasyncSync(file)
  const block = Buffer.alloc(bytes, 1)
  const took = Array.from({ length: count }, (_, n) => {
    const start = performance.now()
    writeSync(file, block, 0, bytes, n * bytes)
    fdatasyncSync(file)
    return performance.now() - start
  })
  closeSync(file)
  return percentile(took, 0.5)
}

/** As many records as one client with 2,000 requests under way gets durable. */
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

interface Load {
  readonly client: Ledger
  readonly ledger: TestProcess
  readonly rate: number
  readonly level: AcknowledgementLevel
  readonly seconds: number
}

/** Records arrive at a rate, whether or not earlier ones are done. */
async function openLoop({ client, ledger, rate, level, seconds }: Load): Promise<Open> {
  const took: number[] = []
  const under: Promise<void>[] = []
  const cpuBefore = cpuMs(ledger)
  const start = performance.now()
  let issued = 0
  let failed = 0
  const one = async (due: number): Promise<void> => {
    // Counted from when it was due once the loop is late by more than its tick: no coordinated omission.
    const now = performance.now()
    const from = now - due > 2 ? due : now
    try {
      await client.append(makeDraft({ bytes: 512 - LEAF_BYTES }), { level })
      took.push(performance.now() - from)
    } catch {
      failed += 1
    }
  }
  while (issued < rate * seconds) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - start) * rate) / 1000))
    for (; issued < due; issued++) under.push(one(start + (issued * 1000) / rate))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(under)
  const elapsed = performance.now() - start
  if (failed > 0)
    process.stderr.write(`${failed} of ${issued} records at ${rate}/s ${level} failed\n`)
  return {
    p50Ms: percentile(took, 0.5),
    p99Ms: percentile(took, 0.99),
    perSecond: (took.length * 1000) / elapsed,
    cpuUs: ((cpuMs(ledger) - cpuBefore) * 1000) / issued,
  }
}

/** Receipts of records all over the log, as an auditor would check them. */
async function verifySome(client: Ledger, log: TestLog, size: number): Promise<number> {
  const keys = [parseVkey(log.vkey, sha256)]
  const count = 50
  for (let n = 0; n < count; n++) {
    const index = leafIndex(Math.floor((size * n) / count))
    const [entry] = await client.entries(index, 1)
    if (entry === undefined) throw new Error(`record ${index} is missing`)
    const receipt = await client.prove(index)
    await verifyReceipt({ receipt, entry, keys, sha256, verify: ed25519Verify })
  }
  return count
}

/** CPU of all threads of a process so far, by the scheduler's own count. */
function cpuMs({ child }: TestProcess): number {
  const tasks = `/proc/${child.pid}/task`
  let ns = 0
  for (const task of readdirSync(tasks))
    ns += Number(readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')[0])
  return ns / 1e6
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

function figuresOf(level: string, rate: string, open: Open | undefined): Result {
  return {
    [`${level}P50Ms${rate}`]: round(open?.p50Ms ?? Number.NaN),
    [`${level}P99Ms${rate}`]: round(open?.p99Ms ?? Number.NaN),
    [`${level}PerSec${rate}`]: Math.round(open?.perSecond ?? Number.NaN),
  }
}

function percentile(took: readonly number[], share: number): number {
  const sorted = took.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}

function print(figures: Result): void {
  for (const [name, value] of Object.entries(figures)) {
    process.stdout.write(`${name.padEnd(24)} ${value.toLocaleString('en')}\n`)
  }
}
