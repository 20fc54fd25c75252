/** Puts the members of a leaf in the order of leaf.ts: that order is part of the bytes. Absent members stay absent. */
import type { Draft, Leaf, Lifecycle } from './leaf.ts'
import type { ReadFacts } from './reading.ts'
import type { Credential } from './vocabulary.ts'

/** What the writer's session adds to a draft. */
export interface Stamp {
  /** UUIDv7 of the writer's boot. */
  readonly session: string
  /** From 0. */
  readonly seq: number
  /** Id of the record before it in the session; absent for number 0. */
  readonly prev?: string | undefined
}

/** Members that are `undefined` are written by nobody: JSON.stringify leaves them out. */
type Ordered<T> = { readonly [K in keyof T]-?: unknown }

/** The leaf of a draft, stamped, ready for JSON.stringify. */
export function orderLeaf({ leaf, addenda }: Draft, { session, seq, prev }: Stamp): Ordered<Leaf> {
  return {
    v: leaf.v,
    id: leaf.id,
    class: leaf.class,
    action: leaf.action,
    crud: leaf.crud,
    phase: leaf.phase,
    outcome: leaf.outcome,
    reason: leaf.reason,
    severity: leaf.severity,
    captured: leaf.captured,
    labels: leaf.labels,
    env: leaf.env,
    tenant: leaf.tenant,
    session,
    seq,
    prev,
    time: { occurred: leaf.time.occurred, observed: leaf.time.observed },
    trace: leaf.trace && { id: leaf.trace.id, span: leaf.trace.span, parent: leaf.trace.parent },
    request: leaf.request && { id: leaf.request.id },
    cause: leaf.cause && { id: leaf.cause.id, basis: leaf.cause.basis },
    actor: leaf.actor && orderActor(leaf.actor),
    destination: leaf.destination && orderDestination(leaf.destination),
    decision: leaf.decision && orderDecision(leaf.decision),
    service: leaf.service && orderService(leaf.service),
    http: leaf.http && orderHttp(leaf.http),
    egress: leaf.egress && orderEgress(leaf.egress),
    read: leaf.read && orderRead(leaf.read),
    lifecycle: leaf.lifecycle && orderLifecycle(leaf.lifecycle),
    addenda:
      addenda.length === 0
        ? undefined
        : addenda.map(({ name, content }) => ({ name, bytes: content.length })),
  }
}

type Member<K extends keyof Leaf> = Exclude<Leaf[K], undefined>

/** The member `actor`, ordered. */
export function orderActor(actor: Member<'actor'>): Ordered<Member<'actor'>> {
  return {
    id: actor.id,
    type: actor.type,
    roles: actor.roles,
    credential: actor.credential && orderCredential(actor.credential),
  }
}

function orderCredential(credential: Credential): Ordered<Credential> {
  return {
    kind: credential.kind,
    fingerprint: credential.fingerprint,
    issuer: credential.issuer,
    audience: credential.audience,
    expires: credential.expires,
    mfa: credential.mfa,
    defects: credential.defects,
  }
}

/** The member `destination`, ordered. */
export function orderDestination(
  destination: Member<'destination'>,
): Ordered<Member<'destination'>> {
  return {
    service: destination.service,
    host: destination.host,
    port: destination.port,
    registered: destination.registered,
    allowed: destination.allowed,
  }
}

/** The member `decision`, ordered. */
export function orderDecision(decision: Member<'decision'>): Ordered<Member<'decision'>> {
  return {
    allowed: decision.allowed,
    rule: decision.rule,
    reason: decision.reason,
    policy: decision.policy,
    would_deny: decision.would_deny,
    mode: decision.mode,
  }
}

/** The member `service`, ordered. */
export function orderService(service: Member<'service'>): Ordered<Member<'service'>> {
  return { name: service.name, owner: service.owner, instance: service.instance }
}

function orderHttp(http: Member<'http'>): Ordered<Member<'http'>> {
  return {
    method: http.method,
    route: http.route,
    route_match: http.route_match,
    status: http.status,
    request_bytes: http.request_bytes,
    response_bytes: http.response_bytes,
    duration_ns: http.duration_ns,
    first_byte_ns: http.first_byte_ns,
  }
}

function orderEgress(egress: Member<'egress'>): Ordered<Member<'egress'>> {
  const { payload } = egress
  return {
    resolved: egress.resolved,
    pinned: egress.pinned,
    mixed: egress.mixed,
    sni: egress.sni,
    alpn: egress.alpn,
    tls: egress.tls,
    ech: egress.ech,
    payload: payload && {
      content_type: payload.content_type,
      bytes: payload.bytes,
      sha256: payload.sha256,
      keys: payload.keys,
    },
  }
}

function orderRead(read: ReadFacts): Ordered<ReadFacts> {
  return {
    role: read.role,
    scope: read.scope,
    unmasked: read.unmasked,
    rows: read.rows,
    records: read.records?.map(({ origin, leaves }) => ({ origin, leaves })),
    approval: read.approval,
  }
}

function orderLifecycle(of: Lifecycle): Ordered<Lifecycle> {
  if (of.kind === 'boot') {
    const { kind, component, version, binary, config, clock, recovered } = of
    const found = recovered && { size: recovered.size, torn_bytes: recovered.torn_bytes }
    return { kind, component, version, binary, config, clock: orderClock(clock), recovered: found }
  }
  if (of.kind === 'heartbeat') {
    const { kind, component, counters, clock, open_from, open } = of
    return { kind, component, counters, clock: orderClock(clock), open_from, open }
  }
  if (of.kind === 'gap')
    return { kind: of.kind, from: of.from, to: of.to, count: of.count, why: of.why }
  if (of.kind === 'config') {
    const { kind, config, policy, previous, accepted, error } = of
    return { kind, config, policy, previous, accepted, error }
  }
  if (of.kind === 'key') return { kind: of.kind, change: of.change, key: of.key }
  if (of.kind === 'shutdown') return { kind: of.kind, component: of.component }
  return orderEvidence(of)
}

/** Facts about the evidence itself: who watches it, what was forgotten, kept, continued or given away. */
function orderEvidence(
  of: Extract<
    Lifecycle,
    { kind: 'alarm' | 'erasure' | 'hold' | 'release' | 'rotation' | 'export' | 'retention' }
  >,
): Ordered<Lifecycle> {
  if (of.kind === 'alarm') {
    const { kind, what, raised, about, detail } = of
    return { kind, what, raised, about, detail }
  }
  if (of.kind === 'erasure') {
    const { kind, subject, basis, by, leaves, part, parts } = of
    return { kind, subject, basis, by, leaves, part, parts }
  }
  if (of.kind === 'rotation') {
    const { kind, origin, size, root, checkpoint } = of
    return { kind, origin, size, root, checkpoint }
  }
  if (of.kind === 'export') {
    const { kind, scope, by, purpose, subject, leaves, opened } = of
    return { kind, scope, by, purpose, subject, leaves, opened }
  }
  if (of.kind === 'retention') {
    const { kind, by, basis, today, periods, kept, addenda, rules } = of
    return { kind, by, basis, today, periods, kept, addenda, rules }
  }
  return { kind: of.kind, subject: of.subject, matter: of.matter, basis: of.basis, by: of.by }
}

function orderClock({ source, offset_ns }: { source: string; offset_ns: number }): unknown {
  return { source, offset_ns }
}
