/** How far the reader is behind a log that grows: a writer here, and the reader's own loop in a process of its own, on one core where that can be had. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { logKey, SampleLog } from '@countersign/verifier/sample-log.testing'
import { percentile, rounded, threadsCpuMs } from '../measure.ts'

export interface Lag {
  readonly perSecond: number
  /** From the moment a checkpoint is there to the moment all it covers can be found. */
  readonly p50Ms: number
  readonly p95Ms: number
  readonly maxMs: number
  /** Of one core. */
  readonly cpuPercent: number
  readonly records: number
}

/** How often a checkpoint is published, as the ledger does by default. */
const PUBLISH_MS = 1000

/** What the reader's process says: all before `written` can be found since `atMs` (of the epoch). */
export interface Written {
  readonly written: number
  readonly atMs: number
}

export async function measureLag(
  folder: string,
  rates: readonly { readonly perSecond: number; readonly seconds: number }[],
  say: (line: string) => void,
): Promise<Lag[]> {
  const lags: Lag[] = []
  for (const { perSecond, seconds } of rates) {
    say(`reading a log that grows by ${perSecond.toLocaleString('en-US')} records/s`)
    lags.push(await measureOne(join(folder, `lag-${perSecond}`), perSecond, seconds))
  }
  return lags
}

async function measureOne(folder: string, perSecond: number, seconds: number): Promise<Lag> {
  const logFolder = join(folder, 'log')
  const log = new SampleLog((path, bytes) => {
    const file = join(logFolder, path)
    mkdirSync(dirname(file), { recursive: true })
    // As the ledger does: nobody reads half of it.
    writeFileSync(`${file}.new`, bytes)
    renameSync(`${file}.new`, file)
  })
  log.append(1)
  await log.publish()
  const published: { size: number; atMs: number }[] = []
  const reader = startReader(logFolder, join(folder, 'index'))
  const seen: Written[] = []
  reader.on('message', (said: Written) => seen.push(said))
  await until(reader, seen, 1)
  const cpuBefore = threadsCpuMs(reader.pid ?? 0)
  const startMs = Date.now()
  let size = 1
  for (let tick = 1; tick <= (seconds * 1000) / PUBLISH_MS; tick++) {
    const count = Math.round((perSecond * PUBLISH_MS) / 1000)
    log.append(count)
    size += count
    await pause(Math.max(0, startMs + tick * PUBLISH_MS - Date.now()))
    await log.publish()
    published.push({ size, atMs: Date.now() })
  }
  await until(reader, seen, size)
  const cpuMs = threadsCpuMs(reader.pid ?? 0) - cpuBefore
  const elapsedMs = Date.now() - startMs
  reader.kill('SIGKILL')
  await once(reader, 'exit')
  const lags = published
    .map((one) => (seen.find(({ written }) => written >= one.size)?.atMs ?? Number.NaN) - one.atMs)
    .toSorted((a, b) => a - b)
  return {
    perSecond,
    p50Ms: rounded(percentile(lags, 0.5), 0),
    p95Ms: rounded(percentile(lags, 0.95), 0),
    maxMs: rounded(lags.at(-1) ?? Number.NaN, 0),
    cpuPercent: rounded((100 * cpuMs) / elapsedMs, 0),
    records: size,
  }
}

function startReader(logFolder: string, indexFolder: string): ChildProcess {
  const reader = fork(
    join(import.meta.dirname, 'lag-reader.ts'),
    [logFolder, indexFolder, logKey.vkey],
    {
      execArgv: ['-C', '@countersign/source'],
    },
  )
  try {
    execFileSync('taskset', ['-a', '-p', '-c', '1', String(reader.pid)], { stdio: 'ignore' })
  } catch {
    // Without taskset, or with one core only, it takes what there is: the CPU column says how much that was.
  }
  return reader
}

async function until(reader: ChildProcess, seen: readonly Written[], size: number): Promise<void> {
  while ((seen.at(-1)?.written ?? 0) < size) await once(reader, 'message')
}
