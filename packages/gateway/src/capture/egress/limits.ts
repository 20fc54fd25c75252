/** Every limit of the egress listener, with its unit. The first group comes from `limits` in countersign.yaml. */
export interface EgressLimits {
  readonly headerBytesMax: number
  /** Milliseconds; so are all the time-outs below. */
  readonly headerTimeout: number
  readonly bodyBytesMax: number
  /** A body that moves in neither direction for so long is broken off. */
  readonly bodyIdleTimeout: number
  /** How long a server may take to begin its answer. */
  readonly upstreamTimeout: number
  readonly connectTimeout: number
  readonly tunnelIdleTimeout: number
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
  /** Connections per pool: one service, one name, one port, one pinned address. */
  readonly upstreamConnectionsMax: number
  readonly bodyRecordBytesMax: number
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
  upstreamIdleTimeout: 15_000,
  payloadJsonBytesMax: 64 * 1024,
}

/** Limits with nothing left out. */
export type FullEgressLimits = Required<EgressLimits>

/** Fills in what the configuration has no key for. */
export function fullLimits(limits: EgressLimits): FullEgressLimits {
  return { ...defaults, ...limits }
}
