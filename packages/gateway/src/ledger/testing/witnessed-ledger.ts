/** A ledger with witnesses in a test: what it told, and how to wait for what it will. */
import { ok } from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeEntry } from '@countersign/record/decode'
import type { Leaf } from '@countersign/record/leaf'
import { verifyReceipt } from '@countersign/tlog/receipt'
import type { LeafIndex } from '@countersign/tlog/size'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { ed25519Verify, mlDsa44, sha256 } from '../../cryptography.ts'
import { systemClock } from '../../platform.ts'
import { checkLedger } from '../check-ledger.ts'
import { connectLedger } from '../client.ts'
import type { Ledger } from '../client.ts'
import { LedgerError } from '../errors.ts'
import { runLedger } from '../process.ts'
import type { LedgerOptions, RunningLedger } from '../process.ts'
import type { WitnessesStatus } from '../protocol.ts'
import type { Alarm } from '../quorum-alarm.ts'
import type { WitnessesOptions } from '../witnessing.ts'
import { makeDraft } from './setup.ts'
import type { TestLog } from './setup.ts'

export interface Running {
  readonly ledger: RunningLedger
  readonly client: Ledger
  /** Alarms so far, oldest first. */
  readonly alarms: readonly Alarm[]
}

/** Runs the ledger with these witnesses, and connects to it. */
export async function run(
  log: TestLog,
  witnesses: WitnessesOptions,
  options: Partial<LedgerOptions> = {},
): Promise<Running> {
  const alarms: Alarm[] = []
  const ledger = log.own(
    await runLedger({
      ...log.ledger,
      // What is not about time must not fail because the machine is busy.
      witnesses: { timeoutMs: 60_000, ...witnesses },
      onAlarm: (alarm) => alarms.push(alarm),
      ...options,
    }),
  )
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  return { ledger, client, alarms }
}

/** Closes both, checks all that was written, and returns it. */
export async function end(log: TestLog, { ledger, client }: Running): Promise<Leaf[]> {
  await client.close()
  await ledger.close()
  const { entries } = await checkLedger(log.dataDir, { vkey: log.vkey })
  return entries.map((entry) => decodeEntry(entry).leaf)
}

/** Looks until it holds; a test that waits in vain fails by its time-out. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await pause(5)
}

/** Looks at the status until the witnesses are as a test wants. */
export async function untilStatus(
  client: Ledger,
  holds: (witnesses: WitnessesStatus) => boolean,
): Promise<void> {
  await until(async () => {
    const { witnesses } = await client.status()
    return witnesses !== null && holds(witnesses)
  })
}

/** A receipt under a policy: who cosigned, by name. */
export async function cosigners(
  client: Ledger,
  policy: string,
  { index, receipt }: { index: LeafIndex; receipt: string },
): Promise<string[]> {
  const [entry] = await client.entries(index, 1)
  ok(entry)
  const { verified } = await verifyReceipt({
    receipt,
    entry,
    policy: parsePolicy(policy, sha256),
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44: mlDsa44.verify,
  })
  return verified.filter(({ timestamp }) => timestamp !== undefined).map(({ key }) => key.name)
}

/** A witness that has just come back is asked again after a pause: D2 fails fast until then. */
export async function untilD2(client: Ledger): Promise<void> {
  await until(async () =>
    client.append(makeDraft(), { level: 'D2' }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof LedgerError && error.code === 'WITNESS_QUORUM') return false
        throw error
      },
    ),
  )
}

/** Answers every request in one way. */
export function always(
  status: number,
  body: string,
  headers: Record<string, string> = {},
): RequestListener {
  return (request, response) => {
    request.resume().once('end', () => response.writeHead(status, headers).end(body))
  }
}
