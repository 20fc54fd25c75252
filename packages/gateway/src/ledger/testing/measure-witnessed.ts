/** How long a record takes to be witnessed on demand, with every process real: client here, ledger, signer and witnesses apart. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { SignatureType } from '@countersign/tlog/key'
import { systemClock } from '../../platform.ts'
import { makeKey } from '../../witness.ts'
import { checkLedger } from '../check-ledger.ts'
import { connectLedger } from '../client.ts'
import { layoutOf } from '../layout.ts'
import { makeDraft, makeLog, startProcess } from './setup.ts'
import type { TestLog } from './setup.ts'
import { policyOf } from './witnesses.ts'

/** Milliseconds from append to D2, and how many a second passed. */
export interface Witnessed {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
}

/**
 * Appends records that each demand D2, and checks the whole log afterwards.
 * @param asked.witnesses how many local witnesses there are; all of them must cosign.
 * @param asked.waiting how many records are on their way at once; who waits shares a round.
 */
export async function measureWitnessed({
  witnesses,
  appends = 500,
  waiting = 1,
}: {
  readonly witnesses: number
  readonly appends?: number
  readonly waiting?: number
}): Promise<Witnessed> {
  await using log = await makeLog()
  log.own(await startProcess('signer', log.signer))
  const asked = await Promise.all(
    Array.from({ length: witnesses }, async (_, at) => startWitnessProcess(log, `w${at + 1}`)),
  )
  const policy = policyOf(log, asked, 'all')
  const ledger = log.own(await startProcess('ledger', { ...log.ledger, witnesses: { policy } }))
  const socketPath = layoutOf(log.dataDir).socket
  const client = await connectLedger({ socketPath, clock: systemClock })
  // The first of all connects to everybody.
  await client.append(makeDraft(), { level: 'D2' })
  const tookMs: number[] = []
  let left = appends
  const appendAll = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const start = performance.now()
      await client.append(makeDraft({ bytes: 300 }), { level: 'D2' })
      tookMs.push(performance.now() - start)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: waiting }, appendAll))
  const elapsedMs = performance.now() - start
  await client.close()
  ledger.child.kill('SIGTERM')
  await ledger.exited
  await checkLedger(log.dataDir, { vkey: log.vkey })
  tookMs.sort((a, b) => a - b)
  const quantile = (share: number): number => tookMs[Math.floor(share * tookMs.length)] ?? NaN
  return {
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    perSecond: (appends * 1000) / elapsedMs,
  }
}

async function startWitnessProcess(
  log: TestLog,
  name: string,
): Promise<{ name: string; vkey: string; url: string }> {
  const { skey, vkey } = makeKey(`witness.example/${name}`, SignatureType.cosignatureV1)
  const address = `127.0.0.1:${await freePort()}`
  const options = {
    keys: skey,
    statePath: join(log.folder, `${name}.state`),
    create: true,
    logs: [log.vkey],
    listening: { address },
  }
  log.own(await startProcess('witness', options))
  return { name, vkey, url: `http://${address}` }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
