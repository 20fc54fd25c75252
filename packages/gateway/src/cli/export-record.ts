/** Puts an export on record before anything leaves: a session of its own, and only when that is published may the bundle be written. */
import { openIds } from '@countersign/record/id'
import type { Lifecycle } from '@countersign/record/leaf'
import { connectLedger, layoutOf, LedgerError } from '../ledger.ts'
import type { Ledger } from '../ledger.ts'
import { systemClock } from '../platform.ts'

export type ExportFact = Extract<Lifecycle, { readonly kind: 'export' }>

/** Runs of leaf indexes in one record: so many fit, with room for who asked and why. */
const RUNS_MAX = 1_000

/** The ledger of a data folder; nothing when it does not run. @throws {LedgerError} */
export async function openRecorder(dataDir: string): Promise<Ledger | undefined> {
  try {
    return await connectLedger({ socketPath: layoutOf(dataDir).socket, clock: systemClock })
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'LEDGER_UNAVAILABLE') return undefined
    throw error
  }
}

/**
 * Appends the records of one export, and waits until they are published. A long list of leaves takes several; the first counts the
 * addenda that are opened. A crash after this leaves a record of an export that nobody got: too much is said, never too little.
 * @returns their leaf indexes. @throws {LedgerError}
 */
export async function recordExport(ledger: Ledger, fact: ExportFact): Promise<number[]> {
  const nowMs = (): number => Number(systemClock.nowNs() / 1_000_000n)
  const newId = openIds({ nowMs })
  const indexes: number[] = []
  for (const [at, leaves] of pieces(fact.leaves).entries()) {
    const { leafIndex } = await ledger.append({
      leaf: {
        v: 1,
        id: newId(),
        class: 'lifecycle',
        action: 'lifecycle.export',
        phase: 'single',
        outcome: 'success',
        time: { occurred: String(systemClock.nowNs()) },
        lifecycle: { ...fact, leaves, opened: at === 0 ? fact.opened : 0 },
      },
      addenda: [],
    })
    indexes.push(leafIndex)
  }
  await ledger.publish()
  return indexes
}

function pieces(leaves: string): string[] {
  const runs = leaves.split(',')
  return Array.from({ length: Math.ceil(runs.length / RUNS_MAX) }, (_, at) =>
    runs.slice(at * RUNS_MAX, (at + 1) * RUNS_MAX).join(','),
  )
}
