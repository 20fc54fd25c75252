/**
 * The third stage of a tunnel: what its first bytes showed. Nobody outside can see into a tunnel, but the name
 * in the ClientHello must be the one that was allowed, or the allowlist would be for show.
 */
import type { Decision } from '@countersign/record/vocabulary'
import type { Egress } from './egress.ts'
import type { Verdict } from './verdict.ts'

/** What capture saw of a tunnel before a byte of it went upstream. */
export interface TunnelSight {
  readonly host: string
  readonly port: number
  readonly sni?: string
  /** Absent when there is nothing to object to. */
  readonly finding?: 'not_tls' | 'sni_missing' | 'sni_mismatch'
}

const tlsPort = 443

/**
 * Mode enforce refuses every finding, the other modes note it. Bytes that are no TLS are an objection on the
 * TLS port only: another port is reached by a pattern that names it, and what is spoken there is known to its author.
 */
export function decideTunnel(egress: Egress, decision: Decision, sight: TunnelSight): Decision {
  const { finding } = sight
  if (finding === undefined || !decision.allowed) return decision
  if (finding === 'not_tls' && sight.port !== tlsPort) return decision
  const caller = egress.callers.get(decision.service ?? '')
  if (caller?.mode !== 'enforce' && caller !== undefined) return { ...decision, wouldDeny: true }
  const verdict: Verdict = {
    allowed: false,
    reason: finding,
    rule: `${caller?.at ?? 'services'}.mode: enforce`,
    explanation: explanations[finding],
  }
  return { ...decision, ...verdict, wouldDeny: false }
}

const explanations = {
  not_tls: 'the tunnel does not begin with a TLS ClientHello',
  sni_missing: 'the ClientHello names no server, so it cannot be compared with the host asked for',
  sni_mismatch: 'the ClientHello names another server than the host asked for',
}
