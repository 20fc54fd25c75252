/** The index on a server or a cluster: who is let in, where tables lie, and that one reader writes. */
import type { Clock } from '../platform.ts'
import { clusterPlacement, serverPlacement } from './cluster-placement.ts'
import type { Engine } from './engine.ts'
import { takeLease } from './lease.ts'
import type { Lease, LeaseTimes } from './lease.ts'
import { OPEN, PROGRESS, TRANSACTIONS, VERSIONS } from './schema.ts'
import type { Placement } from './schema.ts'
import { openServerEngine } from './server-engine.ts'
import type { ServerOptions } from './server-engine.ts'

export interface IndexServerOptions extends ServerOptions {
  readonly clock: Clock
  /** Removes all that is in the index: it is made anew. */
  readonly isEmptied?: boolean
  readonly leaseTimes?: Partial<LeaseTimes>
}

/**
 * Opens what `openIndex` needs for an index that lies elsewhere. Closing the engine lets the next reader have it.
 * @throws {SearchError} `SEARCH_IN_USE` when another reader writes it; and as `openServerEngine` does
 */
export async function openIndexServer(
  options: IndexServerOptions,
): Promise<{ readonly engine: Engine; readonly placement: Placement }> {
  const { cluster, database, clock, leaseTimes = {} } = options
  const placement =
    cluster === undefined ? serverPlacement : clusterPlacement({ cluster, database })
  // A connection of its own: what is under way for minutes must not keep it from saying that it is there.
  const leasing = await openServerEngine(options)
  let writing: Engine | undefined
  let lease: Lease | undefined
  try {
    lease = await takeLease({ engine: leasing, placement, clock, times: leaseTimes })
    writing = await openServerEngine(options)
    if (options.isEmptied === true)
      for (const sql of emptying(placement)) await writing.command(sql)
    return { engine: leased(writing, { lease, leasing }), placement }
  } catch (error) {
    await lease?.release().catch(() => undefined)
    await leasing.close()
    await writing?.close()
    throw error
  }
}

function emptying({ local, onCluster }: Placement): readonly string[] {
  return [TRANSACTIONS, OPEN, PROGRESS, VERSIONS].flatMap((table) =>
    [...new Set([table, local(table)])].map(
      (name) => `DROP TABLE IF EXISTS ${name}${onCluster} SYNC`,
    ),
  )
}

/** Nothing is written without the lease; anybody may be answered. */
function leased(
  engine: Engine,
  { lease, leasing }: { readonly lease: Lease; readonly leasing: Engine },
): Engine {
  return {
    kind: engine.kind,
    get generation() {
      return lease.generation
    },
    async command(sql, statement) {
      await lease.assure()
      await engine.command(sql, statement)
    },
    rows: (sql, statement) => engine.rows(sql, statement),
    async insert(block, token) {
      await lease.assure()
      await engine.insert(block, token)
    },
    async close() {
      // Where it cannot be said, it lapses.
      await lease.release().catch(() => undefined)
      await leasing.close()
      await engine.close()
    },
  }
}
