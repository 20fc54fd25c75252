import type { Socket } from 'node:net'
import type { Leaf } from '@countersign/record/leaf'
import type { Decision } from '@countersign/record/vocabulary'
import type { Clock } from '../../platform.ts'
import type { Resolve } from '../resolve.ts'
import type { FullEgressLimits } from './limits.ts'
import type { Pools } from './pools.ts'

/** What a destination resolved to; classifying it is policy's. */
export interface AddressTarget {
  readonly host: string
  readonly port: number
  readonly addresses: readonly string[]
  readonly service: string
}

/** The second stage of a decision: every answer judged, one of them pinned unless refused. */
export type DecideAddresses = (
  decision: Decision,
  target: AddressTarget,
) => { readonly decision: Decision; readonly pinned?: string; readonly mixed: boolean }

/**
 * How a tunnel's first bytes relate to the host it was opened to, as far as anyone outside can see.
 * `not_tls` also covers silence and servers that speak first; `sni_missing` and `sni_mismatch` are only said of names.
 */
export type TunnelFinding = 'not_tls' | 'sni_missing' | 'sni_mismatch'

/** What a tunnel showed before a byte of it went upstream. */
export interface TunnelSight {
  /** The CONNECT host, canonical. */
  readonly host: string
  readonly port: number
  /** False when the first bytes were no ClientHello. */
  readonly tls: boolean
  readonly sni?: string
  readonly alpn: readonly string[]
  /** Offered, highest first. */
  readonly versions: readonly string[]
  /** True when an Encrypted ClientHello may name another server than `sni`. */
  readonly ech: boolean
  /** Absent when there is nothing to object to. */
  readonly finding?: TunnelFinding
}

/** The third stage of a tunnel's decision. Returns the decision it was given when nothing changes. */
export type DecideTunnel = (decision: Decision, sight: TunnelSight) => Decision

/** What the exchanges of one egress listener share. */
export interface EgressRoom {
  readonly clock: Clock
  readonly gatewayName: string
  readonly limits: () => FullEgressLimits
  readonly resolve: Resolve
  readonly decideAddresses: DecideAddresses
  readonly decideTunnel: DecideTunnel
  readonly pools: Pools
  /** Aborted when the listener stops waiting for its exchanges. */
  readonly stopping: AbortSignal
  readonly tunnels: { open: number }
  /** Whether a client's connection was found to break its framing. */
  readonly isBroken: (socket: Socket) => boolean
}

export type EgressFacts = NonNullable<Leaf['egress']>
