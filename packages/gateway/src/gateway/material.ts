/** Reads what the listeners need from disk: certificates, keys, authorities. Paths come from the configuration. */
import { readFile } from 'node:fs/promises'
import type { LoadedConfig } from '../config.ts'
import type { ListenerConfig } from '../config/schema.ts'

/** An upstream as capture dials it. */
export interface Upstream {
  readonly upstream: URL
  /** PEM of the authorities for https; the system's when absent. */
  readonly ca?: Buffer
}

/** A listener with its PEM material read. */
export interface ListenerMaterial {
  /** `address:port`. */
  readonly address: string
  readonly tls?: {
    readonly certificate: Buffer
    readonly key: Buffer
    readonly clientCa?: Buffer
    readonly requireClientCertificate: boolean
  }
}

export async function readUpstreams(loaded: LoadedConfig): Promise<ReadonlyMap<string, Upstream>> {
  const upstreams = new Map<string, Upstream>()
  for (const [name, service] of Object.entries(loaded.config.services)) {
    if (service.upstream === undefined) continue
    const upstream = new URL(service.upstream)
    const { upstreamCa } = service
    upstreams.set(
      name,
      upstreamCa === undefined
        ? { upstream }
        : { upstream, ca: await readFile(loaded.resolve(upstreamCa)) },
    )
  }
  return upstreams
}

export async function readListener(
  listener: ListenerConfig,
  loaded: LoadedConfig,
): Promise<ListenerMaterial> {
  if (!('tls' in listener) || listener.tls === undefined) return { address: listener.address }
  const { tls } = listener
  const [certificate, key, clientCa] = await Promise.all([
    readFile(loaded.resolve(tls.certificate)),
    readFile(loaded.resolve(tls.key)),
    tls.clientCa === undefined ? undefined : readFile(loaded.resolve(tls.clientCa)),
  ])
  return {
    address: listener.address,
    tls: {
      certificate,
      key,
      ...(clientCa === undefined ? {} : { clientCa }),
      requireClientCertificate: tls.requireClientCertificate,
    },
  }
}
