/**
 * Turns what the rooms found into drafts of records. The leaf gets facts without personal data; what identifies
 * or reveals goes to the `request` addendum.
 */
import type { Addendum, Draft, Leaf, Lifecycle, UnstampedLeaf } from '@countersign/record/leaf'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import { encodeAddendum } from '@countersign/record/encode'
import { subjectOf } from '@countersign/record/subject'
import type { Malformed, Observed } from '../capture.ts'
import { redactPath, redactQuery, redactRequestLine, redactText } from '../capture.ts'

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
  /** What requests are on record as. By default a call in or out, and what its method does. */
  readonly kindOf?: (decision: Decision) => Kind
  readonly nowNs: () => bigint
  readonly newId: () => string
  readonly salt: () => Uint8Array
}

/** What kind of event a request is, and what it does. */
export type Kind = Pick<Leaf, 'class' | 'crud'>

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

interface Desk extends TranscriberOptions {
  /** Holds nothing that could not be made again. */
  readonly parts: WeakMap<Decision, Parts>
}

export function openTranscriber(options: TranscriberOptions): Transcriber {
  const desk: Desk = { ...options, parts: new WeakMap() }
  return {
    intent: (captured, actor, decision) => ({
      leaf: began({ captured, actor, decision, phase: 'intent' }, desk),
      addenda: [requestAddendum(captured, actor, options.salt())],
      subject: subjectOf(actor.id, captured.occurredNs),
    }),
    outcome: ({ captured, actor, decision, observed }) => ({
      leaf: ended({ captured, decision, observed }, desk),
      addenda: observed.addenda,
      subject: subjectOf(actor.id, captured.occurredNs),
    }),
    single: ({ captured, actor, decision, observed }) => ({
      leaf: began(
        { captured, actor, decision: observed.overruled ?? decision, phase: 'single', observed },
        desk,
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

function began(beginning: Beginning, desk: Desk): UnstampedLeaf {
  const { captured, decision, phase, observed } = beginning
  const parts = partsOf(beginning, desk)
  const leaf = envelope({ captured, decision, phase }, desk)
  if (observed !== undefined) setOutcome(leaf, observed, decision)
  leaf.captured = decision.depth
  if (decision.labels.length > 0) leaf.labels = decision.labels
  if (desk.environment !== undefined) leaf.env = desk.environment
  if (observed !== undefined) leaf.time = times(captured, desk)
  const { id, span, parent } = captured.trace
  leaf.trace = parent === undefined ? { id, span } : { id, span, parent }
  leaf.request = { id: captured.requestId }
  leaf.actor = parts.actor
  leaf.destination = parts.destination
  leaf.decision = parts.decision
  if (parts.service !== undefined) leaf.service = parts.service
  leaf.http = http(captured, decision, observed)
  if (observed !== undefined) setFound(leaf, observed)
  return leaf
}

/** The members that are the same for every request of one actor under one decision. */
interface Parts {
  readonly of: Actor
  readonly actor: NonNullable<Leaf['actor']>
  readonly destination: NonNullable<Leaf['destination']>
  readonly decision: NonNullable<Leaf['decision']>
  readonly service: Leaf['service'] | undefined
  /** All that an outcome says of the service; the intent says the rest. */
  readonly serviceName: Leaf['service'] | undefined
}

/** A decision that policy froze comes again; the others are made for one request. */
function partsOf({ captured, actor, decision }: Beginning, desk: Desk): Parts {
  const before = desk.parts.get(decision)
  if (before?.of === actor) return before
  const parts: Parts = {
    of: actor,
    actor: {
      id: actor.id,
      type: actor.type,
      roles: decision.roles,
      credential: actor.credential,
    },
    destination: destination(captured, decision),
    decision: decided(decision),
    service: serviceOf(decision, desk),
    serviceName: decision.service === undefined ? undefined : { name: decision.service },
  }
  const comesAgain = captured.direction === 'inbound' && Object.isFrozen(decision)
  if (!comesAgain) return parts
  // The text of a frozen member is made once: see `Draft`.
  Object.freeze(parts.actor)
  Object.freeze(parts.destination)
  Object.freeze(parts.decision)
  Object.freeze(parts.service)
  Object.freeze(parts.serviceName)
  desk.parts.set(decision, parts)
  return parts
}

interface Ending {
  readonly captured: Captured
  readonly decision: Decision
  readonly observed: Observed
}

function ended({ captured, decision, observed }: Ending, desk: Desk): UnstampedLeaf {
  const leaf = envelope({ captured, decision, phase: 'outcome' }, desk)
  setOutcome(leaf, observed, observed.overruled ?? decision)
  leaf.time = times(captured, desk)
  leaf.trace = { id: captured.trace.id, span: captured.trace.span }
  // The decision stands in the intent; it is repeated only where a later stage overruled it.
  if (observed.overruled !== undefined) leaf.decision = decided(observed.overruled)
  if (decision.service !== undefined)
    leaf.service = desk.parts.get(decision)?.serviceName ?? { name: decision.service }
  leaf.http = measured({}, observed)
  setFound(leaf, observed)
  return leaf
}

/** The members every record of a request has. */
function envelope(
  { captured, decision, phase }: Pick<Beginning, 'captured' | 'decision'> & Pick<Leaf, 'phase'>,
  desk: Desk,
): Building {
  const kind = desk.kindOf?.(decision)
  const leaf: Building = {
    v: 1,
    id: captured.id,
    class: kind?.class ?? (captured.direction === 'inbound' ? 'http.server' : 'http.client'),
    action: decision.action,
    phase,
    time: { occurred: captured.occurredNs.toString() },
  }
  const crud = kind === undefined ? crudOf[captured.request.method] : kind.crud
  if (crud !== undefined) leaf.crud = crud
  return leaf
}

/** What only some requests have: a call out, a read of the log, something that this came of. */
function setFound(leaf: Building, { egress, read, cause }: Observed): void {
  if (egress !== undefined) leaf.egress = egress
  if (read !== undefined) leaf.read = read
  if (cause !== undefined) leaf.cause = cause
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
      ? decision.service !== undefined || decision.routeMatch === 'declared'
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

type Http = Mutable<NonNullable<Leaf['http']>>

function http(
  captured: Captured,
  decision: Decision,
  observed: Observed | undefined,
): NonNullable<Leaf['http']> {
  const facts: Http = { method: captured.request.method }
  if (decision.route !== undefined) facts.route = decision.route
  if (captured.direction === 'inbound') facts.route_match = decision.routeMatch
  return observed === undefined ? facts : measured(facts, observed)
}

function measured(facts: Http, observed: Observed): NonNullable<Leaf['http']> {
  if (observed.status !== undefined) facts.status = observed.status
  facts.request_bytes = observed.requestBytes
  facts.response_bytes = observed.responseBytes
  facts.duration_ns = observed.durationNs
  if (observed.firstByteNs !== undefined) facts.first_byte_ns = observed.firstByteNs
  return facts
}

/** What identifies or reveals, in clear until it is sealed; salted, so that its digest cannot be guessed after erasure. */
function requestAddendum(captured: Captured, actor: Actor, salt: Uint8Array): Addendum {
  const { request, client, peer } = captured
  const content: Record<string, unknown> = {}
  if (actor.name !== '') content['actor'] = described(actor)
  const from = `${peer.address}:${peer.port}`
  content['client'] =
    client.chain.length === 0
      ? { address: client.address, peer: from }
      : { address: client.address, chain: client.chain.map(redactText), peer: from }
  content['host'] = request.host
  content['port'] = request.port
  if (captured.kind === 'http') content['path'] = redactPath(request.path)
  if (request.query !== undefined) content['query'] = redactQuery(request.query)
  const agent = request.headers.find(([name]) => name === 'user-agent')
  if (agent !== undefined) content['user_agent'] = redactText(agent[1])
  return encodeAddendum('request', content, salt)
}

function described(actor: Actor): Record<string, unknown> {
  return {
    name: actor.name,
    ...(actor.email === undefined ? {} : { email: actor.email }),
    ...(actor.groups.length === 0 ? {} : { groups: actor.groups }),
  }
}

const nobodyKnown: NonNullable<Leaf['actor']> = Object.freeze({
  id: 'unknown',
  type: 'unknown',
  credential: { kind: 'none', defects: [] },
} as const)

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
    actor: nobodyKnown,
    http: { status: malformed.status },
  }
  const content: Record<string, unknown> = {
    client: { peer: `${malformed.peer.address}:${malformed.peer.port}` },
    explanation: malformed.explanation,
  }
  if (malformed.requestLine !== undefined)
    content['request_line'] = redactRequestLine(malformed.requestLine)
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
