import type { Config } from '../../config/schema.ts'

/** Every limit of the egress listener: those of countersign.yaml, and those it has no key for. Time-outs are milliseconds. */
export interface EgressLimits extends Readonly<Config['limits']> {
  /** Tunnels open at once, those that are still dialling included. */
  readonly tunnelsMax?: number
  readonly clientHelloBytesMax?: number
  /** How long a client may take to say which server it wants, counted from the 200. */
  readonly clientHelloTimeout?: number
  readonly resolveTimeout?: number
  readonly lookupsMax?: number
  readonly addressesMax?: number
  /** Pools kept; the one unused for longest goes first. */
  readonly poolsMax?: number
  /** How long an unused connection to a server is kept. */
  readonly upstreamIdleTimeout?: number
  /** JSON bodies up to this size have their top-level keys summarised. */
  readonly payloadJsonBytesMax?: number
}

const defaults = {
  tunnelsMax: 4096,
  // Post-quantum key shares make real ones about 2 KiB.
  clientHelloBytesMax: 16 * 1024,
  clientHelloTimeout: 10_000,
  resolveTimeout: 5_000,
  lookupsMax: 256,
  addressesMax: 64,
  poolsMax: 512,
  // Many servers close theirs after 5 s: a request sent just then would be lost.
  upstreamIdleTimeout: 4_000,
  payloadJsonBytesMax: 64 * 1024,
}

/** Limits with nothing left out. */
export type FullEgressLimits = Required<EgressLimits>

/** Fills in what the configuration has no key for. */
export function fullLimits(limits: EgressLimits): FullEgressLimits {
  return { ...defaults, ...limits }
}
