/**
 * Connections to servers, kept for the next request of the same service to the same name at the same address.
 * It guarantees that a socket dialled for one (service, name, port, address) never carries another's request.
 */
import { Pool, buildConnector } from 'undici'
import { formatAuthority } from '../authority.ts'

/** What one pool is for. */
export interface PoolKey {
  readonly service: string
  readonly host: string
  readonly port: number
  /** The literal address that was classified; nothing else is ever dialled. */
  readonly pinned: string
}

export interface PoolLimits {
  readonly poolsMax: number
  readonly upstreamConnectionsMax: number
  readonly upstreamIdleTimeout: number
  readonly connectTimeout: number
  readonly headerBytesMax: number
}

export interface Pools {
  poolFor(key: PoolKey): Pool
  /** Pools that are kept. */
  readonly count: number
  /** Breaks every connection. */
  destroy(): Promise<void>
}

export function openPools(limits: () => PoolLimits): Pools {
  // Insertion order is age: a pool that is used moves to the end.
  const pools = new Map<string, Pool>()
  return {
    poolFor(key) {
      const name = [key.service, key.host, key.port, key.pinned].join(' ')
      const pool = pools.get(name) ?? openPool(key, limits())
      pools.delete(name)
      pools.set(name, pool)
      for (const [oldest, unused] of pools) {
        if (pools.size <= limits().poolsMax) break
        pools.delete(oldest)
        // Its requests end in peace, then its connections close. `destroy` may have been faster.
        unused.close().catch(() => {})
      }
      return pool
    },
    get count() {
      return pools.size
    },
    async destroy() {
      const all = [...pools.values()]
      pools.clear()
      await Promise.all(all.map((pool) => pool.destroy()))
    },
  }
}

function openPool({ host, port, pinned }: PoolKey, limits: PoolLimits): Pool {
  const connect = buildConnector({ timeout: limits.connectTimeout, allowH2: false })
  return new Pool(`http://${formatAuthority('http', host, port)}`, {
    connections: limits.upstreamConnectionsMax,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: limits.upstreamIdleTimeout,
    keepAliveMaxTimeout: limits.upstreamIdleTimeout,
    maxHeaderSize: limits.headerBytesMax,
    // The name never reaches a resolver again: what was classified is what is dialled.
    connect: (options, callback) =>
      connect(
        { protocol: 'http:', hostname: pinned, host: pinned, port: options.port || '80' },
        callback,
      ),
  })
}
