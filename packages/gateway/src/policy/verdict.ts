/** Pieces that the inbound and the egress walk share: how a verdict becomes a `Decision`, and how it is explained. */
import type { Decision } from '@countersign/record/vocabulary'

/** One thing policy looked at on its way to a decision. */
export interface Step {
  /** Where in the configuration, for example `services.orders.routes[0]`. */
  readonly at: string
  readonly looked: string
  readonly outcome: string
}

/** Collects steps for `countersign policy explain`; absent on the hot path. */
export type Recorder = Step[] | undefined

/** What the walk found out; the rest of a `Decision` says where it was standing. */
export type Verdict = Pick<Decision, 'allowed' | 'reason' | 'rule' | 'explanation'> & {
  readonly wouldDeny?: boolean
}

/** Everything in a `Decision` that does not depend on the verdict. */
export type Standing = Omit<Decision, 'allowed' | 'reason' | 'rule' | 'explanation' | 'wouldDeny'>

export function decisionOf(standing: Standing, verdict: Verdict): Decision {
  const { service, route } = standing
  const decision = {
    allowed: verdict.allowed,
    rule: verdict.rule,
    reason: verdict.reason,
    explanation: verdict.explanation,
    wouldDeny: verdict.wouldDeny ?? false,
    policyHash: standing.policyHash,
    mode: standing.mode,
    acknowledge: standing.acknowledge,
    depth: standing.depth,
    labels: standing.labels,
    roles: standing.roles,
    action: standing.action,
    routeMatch: standing.routeMatch,
  }
  // Optional members are absent, never undefined; spelled out because this is the hot path.
  if (route === undefined) return service === undefined ? decision : { ...decision, service }
  return service === undefined ? { ...decision, route } : { ...decision, service, route }
}

/** A host as policy compares it: one final dot is spelling, not meaning. */
export function comparableHost(host: string): string {
  return host.endsWith('.') ? host.slice(0, -1) : host
}
