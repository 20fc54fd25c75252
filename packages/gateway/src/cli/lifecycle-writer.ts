/** Writes records about the evidence itself through the running ledger, as a session of its own. */
import { openIds } from '@countersign/record/id'
import type { Lifecycle } from '@countersign/record/leaf'
import type { LoadedConfig } from '../config.ts'
import { connectLedger, layoutOf } from '../ledger.ts'
import type { Ledger } from '../ledger.ts'
import type { Clock } from '../platform.ts'

export interface LifecycleWriter {
  readonly ledger: Ledger
  /** Resolves once the record is durable, with its index. @throws {LedgerError} */
  append(fact: Lifecycle): Promise<number>
  close(): Promise<void>
}

/** @throws {LedgerError} `LEDGER_UNAVAILABLE` when the ledger does not run */
export async function openLifecycleWriter(
  { config, resolve }: LoadedConfig,
  clock: Clock,
): Promise<LifecycleWriter> {
  const socketPath = layoutOf(resolve(config.data)).socket
  const ledger = await connectLedger({ socketPath, clock })
  const newId = openIds({ nowMs: () => Number(clock.nowNs() / 1_000_000n) })
  return {
    ledger,
    async append(fact) {
      const receipt = await ledger.append({
        leaf: {
          v: 1,
          id: newId(),
          class: 'lifecycle',
          action: `lifecycle.${fact.kind}`,
          phase: 'single',
          outcome: 'success',
          ...(config.environment === undefined ? {} : { env: config.environment }),
          time: { occurred: String(clock.nowNs()) },
          lifecycle: fact,
        },
        addenda: [],
      })
      return receipt.leafIndex
    },
    close: () => ledger.close(),
  }
}
