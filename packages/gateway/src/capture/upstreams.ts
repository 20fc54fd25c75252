/**
 * Keep-alive connections to the services behind the gateway: one pool for each service, host, port and TLS
 * identity, so that no service's connection ever carries another's request. Lost with the process; nothing depends on them.
 */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import type { Config } from '../config/schema.ts'
import { defaultPort } from './authority.ts'
import { CaptureError } from './errors.ts'
import type { Deadlines } from './http1/deadlines.ts'
import { type Http1Pool, openHttp1Pool } from './http1/client.ts'

/** Where a service's requests go. `ca` is the PEM of the authorities that may vouch for it; the system's when absent. */
export interface ServiceTarget {
  readonly upstream: URL
  /** A Unix socket to dial, for a service of this very process; `upstream` is then only its name. */
  readonly socketPath?: string
  readonly ca?: Buffer
}

/** Targets by service name. */
export type ServiceTargets =
  | Readonly<Record<string, ServiceTarget>>
  | ReadonlyMap<string, ServiceTarget>

/** The pools in force. */
export interface Upstreams {
  get(service: string): Http1Pool | undefined
  /** Takes over new targets (or keeps them) and limits; a pool whose key did not change keeps its connections, the others end after their last answer. */
  update(services: ServiceTargets | undefined, limits: Config['limits']): void
  /** Breaks what is left. */
  close(): void
}

type Pools = Map<string, { readonly key: string; readonly pool: Http1Pool }>

// One header section of an answer at most.
const headBytesMax = 64 * 1024

/** Opens the pools; connections are made when they are first needed. @throws {CaptureError} `UPSTREAM_INVALID` */
export function openUpstreams(
  services: ServiceTargets,
  limits: Config['limits'],
  deadlines: Deadlines,
): Upstreams {
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
      const kept = old?.key === key ? old : undefined
      planned.set(service, kept ?? { key, pool: openPool(target, nextLimits, deadlines) })
    }
    for (const [service, old] of pools) if (planned.get(service) !== old) void old.pool.close()
    pools = planned
  }
  update(services, limits)
  return {
    get: (service) => pools.get(service)?.pool,
    update,
    close: () => {
      for (const { pool } of pools.values()) pool.destroy()
    },
  }
}

function isMap(services: ServiceTargets): services is ReadonlyMap<string, ServiceTarget> {
  return services instanceof Map
}

function openPool(
  { upstream, ca, socketPath }: ServiceTarget,
  limits: Config['limits'],
  deadlines: Deadlines,
): Http1Pool {
  const secure = upstream.protocol === 'https:'
  const host = upstream.hostname.replace(/^\[|\]$/g, '')
  const port = upstream.port === '' ? defaultPort(secure ? 'https' : 'http') : Number(upstream.port)
  // RFC 6066: an address is no server name. The certificate must hold it all the same.
  const servername = isIP(host) === 0 ? host : ''
  const tls = ca === undefined ? { servername } : { servername, ca }
  return openHttp1Pool({
    connect: {
      host,
      port,
      ...(secure ? { tls } : {}),
      ...(socketPath === undefined ? {} : { socketPath }),
    },
    deadlines,
    limits: {
      headBytesMax,
      connectionsMax: limits.upstreamConnectionsMax,
      // A client's connection waits with one request at most, and no longer than for a silent upstream.
      queueMax: limits.connectionsMax,
      queueTimeoutMs: limits.upstreamTimeout,
      connectTimeoutMs: limits.connectTimeout,
      headTimeoutMs: limits.upstreamTimeout,
      bodyIdleTimeoutMs: limits.bodyIdleTimeout,
    },
  })
}

function poolKey(
  { upstream, ca, socketPath = '' }: ServiceTarget,
  limits: Config['limits'],
): string {
  const identity = ca === undefined ? '' : createHash('sha256').update(ca).digest('hex')
  const { upstreamConnectionsMax, upstreamTimeout, bodyIdleTimeout, connectTimeout } = limits
  return [
    upstream.origin,
    socketPath,
    identity,
    upstreamConnectionsMax,
    upstreamTimeout,
    bodyIdleTimeout,
    connectTimeout,
    limits.connectionsMax,
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
