/** What ledger and verifier hold in memory while a log grows: 512 byte records, poured in and published all along. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { connectLedger } from '../packages/gateway/src/ledger.ts'
import { pour } from '../packages/gateway/src/ledger/testing/pour.ts'
import type { TestLog, TestProcess } from '../packages/gateway/src/ledger/testing/setup.ts'
import { systemClock } from '../packages/gateway/src/platform.ts'
import { residentBytes } from './measure.ts'

const VERIFIER = join(import.meta.dirname, '../packages/verifier/src/main.ts')
/** Where the growing log is looked at. */
const SHARES = [0.1, 0.5, 1]
/** What may wait for publication: the hashes of more would be counted as the ledger's. */
const UNPUBLISHED = 200_000
const POLL_MS = 20

interface Growing {
  readonly log: TestLog
  readonly ledger: TestProcess
  readonly socketPath: string
}

/** @returns megabytes of resident memory of the ledger at each share, its peak on the way there, and the peak of a verifier then. */
export async function measureMemory(
  { log, ledger, socketPath }: Growing,
  entries: number,
): Promise<Record<string, number>> {
  const client = await connectLedger({ socketPath, clock: systemClock })
  const figures: Record<string, number> = {}
  let durable = 0
  for (const share of SHARES) {
    const until = Math.round(entries * share)
    let peak = 0
    const startMs = performance.now()
    const before = durable
    while (durable < until) {
      const records = Math.min(UNPUBLISHED, until - durable)
      await pour({ socketPath, entryBytes: 512, records }, async () => {
        peak = Math.max(peak, megabytesOf(ledger.child.pid))
      })
      durable += records
      await client.publish()
    }
    const perSecond = ((durable - before) * 1000) / (performance.now() - startMs)
    const verifier = await verify(log)
    Object.assign(figures, {
      [`ledgerMb${until}`]: megabytesOf(ledger.child.pid),
      [`ledgerPeakMb${until}`]: peak,
      [`verifierPeakMb${until}`]: verifier.peakMb,
      [`verifiedPerSec${until}`]: Math.round(verifier.perSecond),
    })
    process.stderr.write(
      `${until} records, ${Math.round(perSecond)}/s with encoding and publication: ledger ${peak} MB at most\n`,
    )
  }
  await client.close()
  return figures
}

/** Verifies the whole log in a process of its own, as an auditor would. */
async function verify({ dataDir, vkey }: TestLog): Promise<{ peakMb: number; perSecond: number }> {
  const child = spawn(
    process.execPath,
    ['-C', '@countersign/source', VERIFIER, join(dataDir, 'log'), '--vkey', vkey, '--json'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let peakMb = 0
  const poll = setInterval(() => {
    peakMb = Math.max(peakMb, megabytesOf(child.pid))
  }, POLL_MS)
  let report = ''
  child.stdout.on('data', (chunk: Buffer) => (report += chunk.toString()))
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearInterval(poll)
  if (code !== 0) throw new Error(`the log does not verify: ${report}`)
  const { size, elapsedMs } = JSON.parse(report)
  return { peakMb, perSecond: (size * 1000) / elapsedMs }
}

function megabytesOf(pid: number | undefined): number {
  return Math.round((residentBytes(pid ?? 0) ?? 0) / 1e6)
}
