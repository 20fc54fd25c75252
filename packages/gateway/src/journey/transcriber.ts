/**
 * Turns what the rooms found into drafts of records. The leaf gets facts without personal data; what identifies
 * or reveals goes to the `request` addendum.
 */
import type { Addendum, Draft, Leaf, Lifecycle, UnstampedLeaf } from '@countersign/record/leaf'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import { encodeAddendum } from '@countersign/record/encode'
import { subjectOf } from '@countersign/record/subject'
import type { Malformed, Observed } from '../capture.ts'
import { redactPath, redactQuery } from '../capture.ts'

/** Writes drafts; knows the environment and the declared owners, nothing else. */
export interface Transcriber {
  intent(captured: Captured, actor: Actor, decision: Decision): Draft
  outcome(whole: Whole): Draft
  /** Intent and outcome in one record. */
  single(whole: Whole): Draft
  malformed(malformed: Malformed): Draft
  lifecycle(fact: Lifecycle): Draft
  /** The outcome nobody saw: written by the boot after a crash for an intent it found alone. */
  unknown(intent: Leaf): Draft
}

/** A request from its beginning to its end. */
export interface Whole {
  readonly captured: Captured
  readonly actor: Actor
  readonly decision: Decision
  readonly observed: Observed
}

/** Where the transcriber takes what is not in a request from. */
export interface TranscriberOptions {
  readonly environment?: string
  readonly instance: string
  readonly ownerOf: (service: string) => string | undefined
  readonly nowNs: () => bigint
  readonly newId: () => string
  readonly salt: () => Uint8Array
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type Building = Mutable<UnstampedLeaf>

const crudOf: Readonly<Record<string, NonNullable<Leaf['crud']>>> = {
  GET: 'read',
  HEAD: 'read',
  OPTIONS: 'read',
  POST: 'create',
  PUT: 'update',
  PATCH: 'update',
  DELETE: 'delete',
  CONNECT: 'execute',
}

export function openTranscriber(options: TranscriberOptions): Transcriber {
  return {
    intent: (captured, actor, decision) => ({
      leaf: began({ captured, actor, decision, phase: 'intent' }, options),
      addenda: [requestAddendum(captured, actor, options.salt())],
      subject: subjectOf(actor.id, captured.occurredNs),
    }),
    outcome: ({ captured, actor, decision, observed }) => ({
      leaf: ended({ captured, decision, observed }, options),
      addenda: observed.addenda,
      subject: subjectOf(actor.id, captured.occurredNs),
    }),
    single: ({ captured, actor, decision, observed }) => ({
      leaf: began(
        { captured, actor, decision: observed.overruled ?? decision, phase: 'single', observed },
        options,
      ),
      addenda: [requestAddendum(captured, actor, options.salt()), ...observed.addenda],
      subject: subjectOf(actor.id, captured.occurredNs),
    }),
    malformed: (malformed) => malformedDraft(malformed, options),
    lifecycle: (fact) => lifecycleDraft(fact, options),
    unknown: (intent) => unknownDraft(intent, options),
  }
}

interface Beginning {
  readonly captured: Captured
  readonly actor: Actor
  readonly decision: Decision
  readonly phase: 'intent' | 'single'
  /** With phase single: the outcome is part of the same record. */
  readonly observed?: Observed
}

function began(beginning: Beginning, options: TranscriberOptions): UnstampedLeaf {
  const { captured, actor, decision, phase, observed } = beginning
  const leaf = envelope(captured, decision, phase)
  if (observed !== undefined) setOutcome(leaf, observed, decision)
  leaf.captured = decision.depth
  if (decision.labels.length > 0) leaf.labels = decision.labels
  if (options.environment !== undefined) leaf.env = options.environment
  if (observed !== undefined) leaf.time = times(captured, options)
  const { id, span, parent } = captured.trace
  leaf.trace = parent === undefined ? { id, span } : { id, span, parent }
  leaf.request = { id: captured.requestId }
  leaf.actor = {
    id: actor.id,
    type: actor.type,
    roles: decision.roles,
    credential: actor.credential,
  }
  leaf.destination = destination(captured, decision)
  leaf.decision = decided(decision)
  const service = serviceOf(decision, options)
  if (service !== undefined) leaf.service = service
  leaf.http = http(captured, decision, observed)
  if (observed?.egress !== undefined) leaf.egress = observed.egress
  return leaf
}

interface Ending {
  readonly captured: Captured
  readonly decision: Decision
  readonly observed: Observed
}

function ended(
  { captured, decision, observed }: Ending,
  options: TranscriberOptions,
): UnstampedLeaf {
  const leaf = envelope(captured, decision, 'outcome')
  setOutcome(leaf, observed, observed.overruled ?? decision)
  leaf.time = times(captured, options)
  leaf.trace = { id: captured.trace.id, span: captured.trace.span }
  // The decision stands in the intent; it is repeated only where a later stage overruled it.
  if (observed.overruled !== undefined) leaf.decision = decided(observed.overruled)
  if (decision.service !== undefined) leaf.service = { name: decision.service }
  leaf.http = measured(observed)
  if (observed.egress !== undefined) leaf.egress = observed.egress
  return leaf
}

/** The members every record of a request has. */
function envelope(captured: Captured, decision: Decision, phase: Leaf['phase']): Building {
  const leaf: Building = {
    v: 1,
    id: captured.id,
    class: captured.direction === 'inbound' ? 'http.server' : 'http.client',
    action: decision.action,
    phase,
    time: { occurred: captured.occurredNs.toString() },
  }
  const crud = crudOf[captured.request.method]
  if (crud !== undefined) leaf.crud = crud
  return leaf
}

function setOutcome(leaf: Building, observed: Observed, decision: Decision): void {
  leaf.outcome = observed.outcome
  const reason = observed.reason ?? (decision.allowed ? undefined : decision.reason)
  if (reason !== undefined) leaf.reason = reason
}

function times(captured: Captured, options: TranscriberOptions): Leaf['time'] {
  return { occurred: captured.occurredNs.toString(), observed: options.nowNs().toString() }
}

function destination(captured: Captured, decision: Decision): NonNullable<Leaf['destination']> {
  const registered =
    captured.direction === 'inbound'
      ? decision.service !== undefined
      : decision.reason === 'egress_allowed'
  if (captured.direction === 'egress') {
    const { host, port } = captured.request
    return { host, port, registered, allowed: decision.allowed }
  }
  return {
    ...(decision.service === undefined ? {} : { service: decision.service }),
    registered,
    allowed: decision.allowed,
  }
}

function decided(decision: Decision): NonNullable<Leaf['decision']> {
  return {
    allowed: decision.allowed,
    rule: decision.rule,
    reason: decision.reason,
    policy: decision.policyHash,
    would_deny: decision.wouldDeny,
    mode: decision.mode,
  }
}

function serviceOf(decision: Decision, options: TranscriberOptions): Leaf['service'] | undefined {
  if (decision.service === undefined) return undefined
  const owner = options.ownerOf(decision.service)
  return {
    name: decision.service,
    ...(owner === undefined ? {} : { owner }),
    instance: options.instance,
  }
}

function http(
  captured: Captured,
  decision: Decision,
  observed: Observed | undefined,
): NonNullable<Leaf['http']> {
  return {
    method: captured.request.method,
    ...(decision.route === undefined ? {} : { route: decision.route }),
    ...(captured.direction === 'inbound' ? { route_match: decision.routeMatch } : {}),
    ...(observed === undefined ? {} : measured(observed)),
  }
}

function measured(observed: Observed): NonNullable<Leaf['http']> {
  return {
    ...(observed.status === undefined ? {} : { status: observed.status }),
    request_bytes: observed.requestBytes,
    response_bytes: observed.responseBytes,
    duration_ns: observed.durationNs,
    ...(observed.firstByteNs === undefined ? {} : { first_byte_ns: observed.firstByteNs }),
  }
}

/** What identifies or reveals, in clear until it is sealed; salted, so that its digest cannot be guessed after erasure. */
function requestAddendum(captured: Captured, actor: Actor, salt: Uint8Array): Addendum {
  const { request, client, peer } = captured
  const content: Record<string, unknown> = {}
  if (actor.name !== '') content['actor'] = described(actor)
  content['client'] = {
    address: client.address,
    ...(client.chain.length === 0 ? {} : { chain: client.chain }),
    peer: `${peer.address}:${peer.port}`,
  }
  content['host'] = request.host
  content['port'] = request.port
  if (captured.kind === 'http') content['path'] = redactPath(request.path)
  if (request.query !== undefined) content['query'] = redactQuery(request.query)
  const agent = request.headers.find(([name]) => name === 'user-agent')
  if (agent !== undefined) content['user_agent'] = agent[1]
  return encodeAddendum('request', content, salt)
}

function described(actor: Actor): Record<string, unknown> {
  return {
    name: actor.name,
    ...(actor.email === undefined ? {} : { email: actor.email }),
    ...(actor.groups.length === 0 ? {} : { groups: actor.groups }),
  }
}

function malformedDraft(malformed: Malformed, options: TranscriberOptions): Draft {
  const inbound = malformed.direction === 'inbound'
  const leaf: UnstampedLeaf = {
    v: 1,
    id: malformed.id,
    class: inbound ? 'http.server' : 'http.client',
    action: 'http.malformed',
    phase: 'single',
    outcome: 'denied',
    reason: malformed.defect,
    severity: 'warning',
    ...(options.environment === undefined ? {} : { env: options.environment }),
    time: {
      occurred: malformed.occurredNs.toString(),
      observed: options.nowNs().toString(),
    },
    actor: {
      id: 'unknown',
      type: 'unknown',
      credential: { kind: 'none', defects: [] },
    },
    http: { status: malformed.status },
  }
  const content: Record<string, unknown> = {
    client: { peer: `${malformed.peer.address}:${malformed.peer.port}` },
    explanation: malformed.explanation,
  }
  if (malformed.requestLine !== undefined) content['request_line'] = malformed.requestLine
  return {
    leaf,
    addenda: [encodeAddendum('request', content, options.salt())],
    subject: subjectOf('unknown', malformed.occurredNs),
  }
}

function lifecycleDraft(fact: Lifecycle, options: TranscriberOptions): Draft {
  const leaf: UnstampedLeaf = {
    v: 1,
    id: options.newId(),
    class: 'lifecycle',
    action: `lifecycle.${fact.kind}`,
    phase: 'single',
    outcome: fact.kind === 'config' && !fact.accepted ? 'failure' : 'success',
    ...(fact.kind === 'gap' ? { severity: 'warning' as const } : {}),
    ...(options.environment === undefined ? {} : { env: options.environment }),
    time: { occurred: options.nowNs().toString() },
    lifecycle: fact,
  }
  return { leaf, addenda: [] }
}

function unknownDraft(intent: Leaf, options: TranscriberOptions): Draft {
  const leaf: UnstampedLeaf = {
    v: 1,
    id: intent.id,
    class: intent.class,
    action: intent.action,
    ...(intent.crud === undefined ? {} : { crud: intent.crud }),
    phase: 'outcome',
    outcome: 'unknown',
    reason: 'crash',
    severity: 'warning',
    ...(intent.env === undefined ? {} : { env: intent.env }),
    time: { occurred: intent.time.occurred, observed: options.nowNs().toString() },
    ...(intent.trace === undefined
      ? {}
      : { trace: { id: intent.trace.id, span: intent.trace.span } }),
    ...(intent.service === undefined ? {} : { service: { name: intent.service.name } }),
  }
  return { leaf, addenda: [] }
}
