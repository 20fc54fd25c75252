/**
 * What sealing adds to a record: one addendum of each size, for a thousand subjects, in this process alone. CPU time, so that a busy
 * machine does not show. `node -C @countersign/source bench/seal.ts [--json] [--records N] [--period 2027-01-31]`: with a
 * period, all is under its key as well.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sealedBytes } from '@countersign/tlog/chunked-encryption'
import { makeDraft } from '../packages/gateway/src/ledger/testing/setup.ts'
import { openSealing, readTenantKey } from '../packages/gateway/src/seal.ts'
import type { Sealing } from '../packages/gateway/src/seal.ts'
import { median, rounded } from './measure.ts'

const SUBJECTS = 1_000
const ROUNDS = 7
const SIZES = [300, 4 * 1024, 64 * 1024]

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    records: { type: 'string', default: '5000' },
    period: { type: 'string' },
  },
})

interface Sealed {
  readonly bytes: number
  readonly sealedBytes: number
  /** The median of the rounds, and the best of them: the second says more on a machine that others use as well. */
  readonly usPerRecord: number
  readonly usBest: number
}

const results = await measure(Number(values.records))
if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`)
else {
  process.stdout.write('addendum     sealed       us a record  best\n')
  for (const { bytes, sealedBytes: sealed, usPerRecord, usBest } of results)
    process.stdout.write(
      `${bytes} B`.padEnd(13) +
        `${sealed} B`.padEnd(13) +
        `${usPerRecord}`.padEnd(13) +
        `${usBest}\n`,
    )
}

async function measure(records: number): Promise<Sealed[]> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-seal-bench-'))
  try {
    const keyFile = join(folder, 'tenant.key')
    writeFileSync(keyFile, randomBytes(32).toString('hex'))
    const tenantKey = await readTenantKey(keyFile)
    const sealing = await openSealing({ stateDir: join(folder, 'state'), tenantKey })
    const subjects = Array.from({ length: SUBJECTS }, () => randomBytes(16).toString('hex'))
    // Keys are made once for each subject; that is not what a record costs.
    await seal(sealing, { subjects, bytes: 1, records: SUBJECTS })
    const sealed: Sealed[] = []
    for (const bytes of SIZES) {
      const rounds: number[] = []
      for (let round = 0; round < ROUNDS; round++)
        rounds.push(await seal(sealing, { subjects, bytes, records }))
      const usPerRecord = rounded(median(rounds), 1)
      const usBest = rounded(Math.min(...rounds), 1)
      sealed.push({ bytes, sealedBytes: sealedBytes(bytes), usPerRecord, usBest })
    }
    sealing.close()
    return sealed
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Work {
  readonly subjects: readonly string[]
  readonly bytes: number
  readonly records: number
}

/** @returns microseconds of CPU time a record, garbage collection included. */
async function seal(sealing: Sealing, { subjects, bytes, records }: Work): Promise<number> {
  const draft = makeDraft({ content: randomBytes(bytes) })
  const { period } = values
  const start = process.cpuUsage()
  for (let at = 0; at < records; at++) {
    const subject = subjects[at % subjects.length] ?? ''
    sealing.seal({ ...draft, subject, ...(period === undefined ? {} : { dropAfter: period }) })
    // As in a gateway: a few records share a turn of the event loop.
    if (at % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) / records
}
