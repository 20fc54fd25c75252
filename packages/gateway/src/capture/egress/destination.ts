/** From a name that policy let pass to the one address that may be dialled. */
import type { CanonicalRequest, Decision } from '@countersign/record/vocabulary'
import type { ResolutionFailure } from '../resolve.ts'
import type { EgressFacts, EgressRoom } from './room.ts'

/** Where a request may go, or why it may not. `facts` are for the record either way. */
export type Destination =
  | { readonly pinned: string; readonly decision: Decision; readonly facts: EgressFacts }
  | { readonly refused: Decision; readonly facts: EgressFacts }
  | { readonly failure: ResolutionFailure; readonly status: number; readonly facts: EgressFacts }

const statusOf: Readonly<Record<ResolutionFailure, number>> = {
  name_not_resolved: 502,
  too_many_addresses: 502,
  resolve_timeout: 504,
  resolver_busy: 503,
}

/** Resolves once, has every answer judged, and pins one. Dials nothing. */
export async function reach(
  decision: Decision,
  request: CanonicalRequest,
  room: EgressRoom,
): Promise<Destination> {
  const { host, port } = request
  const resolution = await room.resolve(host)
  if ('failure' in resolution) {
    return { failure: resolution.failure, status: statusOf[resolution.failure], facts: {} }
  }
  const { addresses } = resolution
  const judged = room.decideAddresses(decision, {
    host,
    port,
    addresses,
    service: decision.service ?? '',
  })
  const facts: EgressFacts = {
    resolved: addresses,
    ...(judged.pinned === undefined ? {} : { pinned: judged.pinned }),
    ...(judged.mixed ? { mixed: true } : {}),
  }
  if (!judged.decision.allowed || judged.pinned === undefined)
    return { refused: judged.decision, facts }
  return { pinned: judged.pinned, decision: judged.decision, facts }
}

/** The later decision when it says anything else than the one that was forwarded on. */
export function overruling(before: Decision, after: Decision): { overruled: Decision } | undefined {
  const same =
    before.allowed === after.allowed &&
    before.wouldDeny === after.wouldDeny &&
    before.reason === after.reason &&
    before.rule === after.rule
  return same ? undefined : { overruled: after }
}
