/** What the leaf of a record says, as fields of a transaction. */
import type { Leaf } from '@countersign/record/leaf'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import { list, text } from './hostile.ts'

/** Some fields of a transaction, before it is known which record ends it. */
export type Fields = Partial<Omit<Transaction, 'origin' | 'index'>>

/** The same, before what is not there is left out. */
type Loose = { readonly [Name in FieldName]?: Transaction[Name] | undefined }

/** The largest time that the index can hold: the year 2262. */
export const TIME_NS_MAX: bigint = 2n ** 63n - 1n

/** All that one leaf says. The leaf was decoded, so its types are right; its texts are still a client's. */
export function factsOf(leaf: Leaf): Fields {
  return present({
    id: leaf.id,
    time: nanoseconds(leaf.time.occurred),
    ended: leaf.time.observed === undefined ? undefined : nanoseconds(leaf.time.observed),
    class: leaf.class,
    action: text(leaf.action),
    crud: leaf.crud,
    outcome: leaf.outcome,
    reason: text(leaf.reason),
    severity: leaf.severity,
    labels: list(leaf.labels),
    env: text(leaf.env),
    tenant: text(leaf.tenant),
    session: leaf.session,
    trace: leaf.trace?.id,
    span: leaf.trace?.span,
    parent: leaf.trace?.parent,
    // Attacker-controlled: chosen by the client.
    request: text(leaf.request?.id),
    cause: text(leaf.cause?.id),
    captured: leaf.captured,
    ...actorFacts(leaf),
    ...placeFacts(leaf),
    ...decisionFacts(leaf),
    ...exchangeFacts(leaf),
    ...lifecycleFacts(leaf),
    ...readFacts(leaf),
  })
}

function actorFacts({ actor }: Leaf): Loose {
  return {
    'actor.id': text(actor?.id),
    'actor.type': actor?.type,
    'actor.roles': list(actor?.roles),
    credential: actor?.credential?.kind,
    'credential.fingerprint': text(actor?.credential?.fingerprint),
    'credential.issuer': text(actor?.credential?.issuer),
    'credential.defects': list(actor?.credential?.defects),
  }
}

function placeFacts({ service, destination }: Leaf): Loose {
  return {
    service: text(service?.name ?? destination?.service),
    owner: text(service?.owner),
    instance: text(service?.instance),
    destination: text(destination?.host),
    port: destination?.port,
    registered: destination?.registered,
  }
}

function decisionFacts({ decision }: Leaf): Loose {
  return {
    allowed: decision?.allowed,
    rule: text(decision?.rule),
    decision: text(decision?.reason),
    policy: text(decision?.policy),
    would_deny: decision?.would_deny,
    mode: decision?.mode,
  }
}

function exchangeFacts({ http, egress }: Leaf): Loose {
  return {
    method: text(http?.method),
    route: text(http?.route),
    'route.match': http?.route_match,
    status: http?.status,
    'request.bytes': http?.request_bytes,
    'response.bytes': http?.response_bytes,
    duration: http?.duration_ns?.toString(),
    first_byte: http?.first_byte_ns?.toString(),
    pinned: text(egress?.pinned),
    resolved: list(egress?.resolved),
    sni: text(egress?.sni),
    tls: text(egress?.tls),
    'payload.type': text(egress?.payload?.content_type),
    'payload.bytes': egress?.payload?.bytes,
    'payload.keys': list(egress?.payload?.keys),
  }
}

function lifecycleFacts({ lifecycle }: Leaf): Loose {
  if (lifecycle === undefined) return {}
  return {
    lifecycle: lifecycle.kind,
    // At most as long as the leaf, and whole: a part of JSON is no JSON.
    facts: JSON.stringify(lifecycle),
    subject: 'subject' in lifecycle ? text(lifecycle.subject) : undefined,
  }
}

function readFacts({ read }: Leaf): Loose {
  return {
    'read.role': read?.role,
    'read.rows': read?.rows,
    'read.unmasked': read?.unmasked,
  }
}

/** A leaf may say more nanoseconds than the index can hold. */
function nanoseconds(decimal: string): string {
  return decimal.length < 19 || BigInt(decimal) <= TIME_NS_MAX ? decimal : TIME_NS_MAX.toString()
}

/** Without the members that are not there, and empty lists. */
export function present(fields: Loose): Fields {
  const there: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === '') continue
    if (Array.isArray(value) && value.length === 0) continue
    there[name] = value
  }
  return there
}
