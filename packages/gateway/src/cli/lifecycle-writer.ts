/** Writes the records of erasures, holds and releases through the running ledger, as a session of its own, one command at a time. */
import { join } from 'node:path'
import { openIds } from '@countersign/record/id'
import type { Draft, Lifecycle } from '@countersign/record/leaf'
import type { LoadedConfig } from '../config.ts'
import { connectLedger, layoutOf } from '../ledger.ts'
import type { Ledger } from '../ledger.ts'
import type { Clock } from '../platform.ts'
import { lockErasures } from '../seal.ts'

export interface LifecycleWriter {
  readonly ledger: Ledger
  readonly stateDir: string
  /** Resolves once the record is durable, with its index. @throws {LedgerError} */
  readonly append: (fact: Lifecycle) => Promise<number>
  close(): Promise<void>
}

/**
 * Locks out other erasures, holds and releases until it is closed: what one of them read from the log stays true for it.
 * @throws {SealError} `SEAL_IN_USE`; {LedgerError} `LEDGER_UNAVAILABLE` when the ledger does not run
 */
export async function openLifecycleWriter(
  loaded: LoadedConfig,
  clock: Clock,
): Promise<LifecycleWriter> {
  const { config } = loaded
  const dataDir = loaded.resolve(config.data)
  const stateDir = join(dataDir, 'state')
  const lock = lockErasures(stateDir)
  try {
    const ledger = await connectLedger({ socketPath: layoutOf(dataDir).socket, clock })
    const newId = openIds({ nowMs: () => Number(clock.nowNs() / 1_000_000n) })
    return {
      ledger,
      stateDir,
      async append(fact) {
        const draft = lifecycleDraft(fact, { id: newId(), clock, environment: config.environment })
        return (await ledger.append(draft)).leafIndex
      },
      close: () => ledger.close().finally(() => lock.release()),
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function lifecycleDraft(
  fact: Lifecycle,
  { id, clock, environment }: { id: string; clock: Clock; environment: string | undefined },
): Draft {
  return {
    leaf: {
      v: 1,
      id,
      class: 'lifecycle',
      action: `lifecycle.${fact.kind}`,
      phase: 'single',
      outcome: 'success',
      ...(environment === undefined ? {} : { env: environment }),
      time: { occurred: String(clock.nowNs()) },
      lifecycle: fact,
    },
    addenda: [],
  }
}
