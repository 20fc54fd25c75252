/**
 * Keep-alive connections to the services behind the gateway: one pool for each service, host, port and TLS
 * identity, so that no service's connection ever carries another's request. Lost with the process; nothing depends on them.
 */
import { createHash } from 'node:crypto'
import { Pool } from 'undici'
import type { Config } from '../config/schema.ts'
import { CaptureError } from './errors.ts'

/** Where a service's requests go. `ca` is the PEM of the authorities that may vouch for it; the system's when absent. */
export interface ServiceTarget {
  readonly upstream: URL
  readonly ca?: Buffer
}

/** Targets by service name. */
export type ServiceTargets =
  | Readonly<Record<string, ServiceTarget>>
  | ReadonlyMap<string, ServiceTarget>

/** The pools in force. */
export interface Upstreams {
  get(service: string): Pool | undefined
  /** Takes over new targets (or keeps them) and limits; a pool whose key did not change keeps its connections, the others end after their last answer. */
  update(services: ServiceTargets | undefined, limits: Config['limits']): void
  close(): Promise<void>
}

type Pools = Map<string, { readonly key: string; readonly pool: Pool }>

// One header section of an answer at most; node:http's own default is 16 KiB.
const responseHeaderBytesMax = 64 * 1024

/** Opens the pools; connections are made when they are first needed. @throws {CaptureError} `UPSTREAM_INVALID` */
export function openUpstreams(services: ServiceTargets, limits: Config['limits']): Upstreams {
  let pools: Pools = new Map()
  let targets: (readonly [service: string, target: ServiceTarget])[] = []
  const update = (next: ServiceTargets | undefined, nextLimits: Config['limits']): void => {
    if (next !== undefined) {
      const entries = isMap(next) ? [...next] : Object.entries(next)
      for (const [service, target] of entries) checkTarget(service, target)
      targets = entries
    }
    const planned: Pools = new Map()
    for (const [service, target] of targets) {
      const key = poolKey(target, nextLimits)
      const old = pools.get(service)
      planned.set(service, old?.key === key ? old : { key, pool: openPool(target, nextLimits) })
    }
    for (const [service, old] of pools) if (planned.get(service) !== old) void old.pool.close()
    pools = planned
  }
  update(services, limits)
  return {
    get: (service) => pools.get(service)?.pool,
    update,
    close: async () => {
      await Promise.all([...pools.values()].map(({ pool }) => pool.destroy()))
    },
  }
}

function isMap(services: ServiceTargets): services is ReadonlyMap<string, ServiceTarget> {
  return services instanceof Map
}

function openPool({ upstream, ca }: ServiceTarget, limits: Config['limits']): Pool {
  return new Pool(upstream.origin, {
    connections: limits.upstreamConnectionsMax,
    pipelining: 1,
    allowH2: false,
    headersTimeout: limits.upstreamTimeout,
    bodyTimeout: limits.bodyIdleTimeout,
    maxHeaderSize: responseHeaderBytesMax,
    strictContentLength: true,
    connect: { timeout: limits.connectTimeout, ...(ca === undefined ? {} : { ca }) },
  })
}

function poolKey({ upstream, ca }: ServiceTarget, limits: Config['limits']): string {
  const identity = ca === undefined ? '' : createHash('sha256').update(ca).digest('hex')
  const { upstreamConnectionsMax, upstreamTimeout, bodyIdleTimeout, connectTimeout } = limits
  return [
    upstream.origin,
    identity,
    upstreamConnectionsMax,
    upstreamTimeout,
    bodyIdleTimeout,
    connectTimeout,
  ].join(' ')
}

function checkTarget(service: string, { upstream }: ServiceTarget): void {
  if (upstream.protocol !== 'http:' && upstream.protocol !== 'https:') {
    throw new CaptureError(
      'UPSTREAM_INVALID',
      `could not use the upstream of ${service}: its scheme is neither http nor https`,
    )
  }
  // The path that is forwarded is the path that is on record; a prefix would be on neither side of that sentence.
  if (upstream.pathname !== '/' || upstream.search !== '' || upstream.username !== '') {
    throw new CaptureError(
      'UPSTREAM_INVALID',
      `could not use the upstream of ${service}: write scheme, host and port only`,
    )
  }
}
