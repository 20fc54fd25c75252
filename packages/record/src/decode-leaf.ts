/** The leaf of leaf.ts as a shape: the same members in the same order. This table and the interface are the definition of a record. */
import {
  byKind,
  captured,
  counts,
  distinct,
  flag,
  integer,
  listOf,
  matching,
  objectOf,
  optional,
  required,
  text,
  unionOf,
  upTo,
  versionOne,
  whole,
} from './decode-shape.ts'
import type { Shape } from './decode-shape.ts'
import { LEAF_LIST_PATTERN } from './leaf-list.ts'
import type {
  AlarmCause,
  Component,
  Leaf,
  Lifecycle,
  OutcomeStatus,
  Phase,
  RecordClass,
} from './leaf.ts'
import { READ_LOGS_MAX, READ_ROWS_MAX } from './reading.ts'
import type { LeavesOfLog, LogRole, ReadFacts } from './reading.ts'
import type {
  ActorType,
  CaptureDepth,
  Credential,
  CredentialDefect,
  CredentialKind,
  RecordMode,
  RouteMatch,
} from './vocabulary.ts'

type Present<T> = Exclude<T, undefined>
type LifecycleOf<Kind> = Extract<Lifecycle, { readonly kind: Kind }>

const id = matching(
  'a UUIDv7 in lower case',
  '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}',
)
const nanoseconds = matching('nanoseconds as a decimal string', '0|[1-9][0-9]{0,19}')
const traceId = matching('32 lower-case hex digits', '[0-9a-f]{32}')
const spanId = matching('16 lower-case hex digits', '[0-9a-f]{16}')
const leafList = matching('leaf indexes, such as 3,17-19', LEAF_LIST_PATTERN)
const component = unionOf<Component>({ gateway: 1, ledger: 1, reader: 1 })

const recordClass = unionOf<RecordClass>({
  'http.server': 1,
  'http.client': 1,
  'db.query': 1,
  authn: 1,
  authz: 1,
  admin: 1,
  'agent.tool': 1,
  read: 1,
  lifecycle: 1,
  ledger: 1,
})

const credential = objectOf<Credential>({
  kind: required(
    unionOf<CredentialKind>({
      client_certificate: 1,
      jwt: 1,
      api_key: 1,
      proxy_credential: 1,
      source_address: 1,
      operator_key: 1,
      none: 1,
    }),
  ),
  fingerprint: optional(text),
  issuer: optional(text),
  audience: optional(listOf(text)),
  expires: optional(whole),
  mfa: optional(flag),
  defects: required(
    listOf(
      unionOf<CredentialDefect>({
        malformed: 1,
        too_large: 1,
        bad_signature: 1,
        unknown_issuer: 1,
        unknown_key: 1,
        keys_unavailable: 1,
        untrusted: 1,
        revoked: 1,
        expired: 1,
        not_yet_valid: 1,
        aud_mismatch: 1,
        weak_alg: 1,
        no_exp: 1,
        no_aud: 1,
        shared: 1,
        long_lived: 1,
      }),
    ),
  ),
})

const clock = objectOf<LifecycleOf<'boot'>['clock']>({
  source: required(text),
  offset_ns: required(integer),
})

const hold = objectOf<LifecycleOf<'hold' | 'release'>>({
  kind: required(text),
  subject: required(text),
  matter: required(text),
  basis: required(text),
  by: required(text),
})

const lifecycle = byKind({
  boot: objectOf<LifecycleOf<'boot'>>({
    kind: required(text),
    component: required(component),
    version: required(text),
    binary: required(text),
    config: optional(text),
    clock: required(clock),
    recovered: optional(
      objectOf<Present<LifecycleOf<'boot'>['recovered']>>({
        size: required(whole),
        torn_bytes: required(whole),
      }),
    ),
  }),
  heartbeat: objectOf<LifecycleOf<'heartbeat'>>({
    kind: required(text),
    component: optional(unionOf<'reader'>({ reader: 1 })),
    counters: required(counts),
    clock: required(clock),
    open_from: optional(whole),
    open: required(whole),
  }),
  gap: objectOf<LifecycleOf<'gap'>>({
    kind: required(text),
    from: required(text),
    to: required(text),
    count: required(whole),
    why: required(text),
  }),
  config: objectOf<LifecycleOf<'config'>>({
    kind: required(text),
    config: required(text),
    policy: required(text),
    previous: optional(text),
    accepted: required(flag),
    error: optional(text),
  }),
  key: objectOf<LifecycleOf<'key'>>({
    kind: required(text),
    change: required(unionOf<LifecycleOf<'key'>['change']>({ created: 1, revoked: 1 })),
    key: required(text),
  }),
  shutdown: objectOf<LifecycleOf<'shutdown'>>({
    kind: required(text),
    component: required(component),
  }),
  alarm: objectOf<LifecycleOf<'alarm'>>({
    kind: required(text),
    what: required(
      unionOf<AlarmCause>({
        witness_quorum: 1,
        witness_fork: 1,
        tile_damaged: 1,
        addenda_damaged: 1,
        signer_unavailable: 1,
        log_unverified: 1,
        index_full: 1,
      }),
    ),
    raised: required(flag),
    about: required(text),
    detail: required(text),
  }),
  erasure: objectOf<LifecycleOf<'erasure'>>({
    kind: required(text),
    subject: required(text),
    basis: required(text),
    by: required(text),
    leaves: required(leafList),
    part: required(whole),
    parts: required(whole),
  }),
  hold,
  release: hold,
  rotation: objectOf<LifecycleOf<'rotation'>>({
    kind: required(text),
    origin: required(text),
    size: required(whole),
    root: required(text),
    checkpoint: required(text),
  }),
  export: objectOf<LifecycleOf<'export'>>({
    kind: required(text),
    scope: required(
      unionOf<LifecycleOf<'export'>['scope']>({ range: 1, session: 1, person: 1, record: 1 }),
    ),
    by: required(text),
    purpose: required(text),
    subject: optional(text),
    leaves: required(leafList),
    opened: required(whole),
  }),
} satisfies Record<Lifecycle['kind'], Shape>)

const egress = objectOf<Present<Leaf['egress']>>({
  resolved: optional(listOf(text)),
  pinned: optional(text),
  mixed: optional(flag),
  sni: optional(text),
  alpn: optional(listOf(text)),
  tls: optional(text),
  ech: optional(flag),
  payload: optional(
    objectOf<Present<Present<Leaf['egress']>['payload']>>({
      content_type: optional(text),
      bytes: required(whole),
      sha256: optional(text),
      keys: optional(listOf(text)),
    }),
  ),
})

const read = objectOf<ReadFacts>({
  role: required(
    unionOf<LogRole>({ subject: 1, viewer: 1, owner: 1, auditor: 1, investigator: 1 }),
  ),
  scope: required(unionOf<ReadFacts['scope']>({ all: 1, services: 1, self: 1 })),
  unmasked: required(flag),
  rows: required(upTo(READ_ROWS_MAX)),
  records: optional(
    distinct('origin', {
      max: READ_LOGS_MAX,
      item: objectOf<LeavesOfLog>({ origin: required(text), leaves: required(leafList) }),
    }),
  ),
  approval: optional(id),
})

/** The shape of every leaf. Its `source` captures id, phase, session, seq, prev and the list of addenda, in that order. */
export const leafShape: Shape = objectOf<Leaf>({
  v: required(versionOne),
  id: required(captured(id)),
  class: required(recordClass),
  action: required(text),
  crud: optional(
    unionOf<Present<Leaf['crud']>>({ create: 1, read: 1, update: 1, delete: 1, execute: 1 }),
  ),
  phase: required(captured(unionOf<Phase>({ intent: 1, outcome: 1, single: 1 }))),
  outcome: optional(
    unionOf<OutcomeStatus>({ success: 1, failure: 1, denied: 1, error: 1, unknown: 1 }),
  ),
  reason: optional(text),
  severity: optional(
    unionOf<Present<Leaf['severity']>>({ info: 1, notice: 1, warning: 1, error: 1, critical: 1 }),
  ),
  captured: optional(unionOf<CaptureDepth>({ meta: 1, headers: 1, body: 1, opaque: 1 })),
  labels: optional(listOf(text)),
  env: optional(text),
  tenant: optional(text),
  session: required(captured(id)),
  seq: required(captured(whole)),
  prev: optional(captured(id)),
  time: required(
    objectOf<Leaf['time']>({ occurred: required(nanoseconds), observed: optional(nanoseconds) }),
  ),
  trace: optional(
    objectOf<Present<Leaf['trace']>>({
      id: required(traceId),
      span: required(spanId),
      parent: optional(spanId),
    }),
  ),
  request: optional(objectOf<Present<Leaf['request']>>({ id: required(text) })),
  cause: optional(
    objectOf<Present<Leaf['cause']>>({
      id: required(text),
      basis: required(unionOf<Present<Leaf['cause']>['basis']>({ declared: 1, inferred: 1 })),
    }),
  ),
  actor: optional(
    objectOf<Present<Leaf['actor']>>({
      id: required(text),
      type: required(
        unionOf<ActorType>({ user: 1, service: 1, agent: 1, system: 1, anonymous: 1, unknown: 1 }),
      ),
      roles: optional(listOf(text)),
      credential: optional(credential),
    }),
  ),
  destination: optional(
    objectOf<Present<Leaf['destination']>>({
      service: optional(text),
      host: optional(text),
      port: optional(whole),
      registered: required(flag),
      allowed: required(flag),
    }),
  ),
  decision: optional(
    objectOf<Present<Leaf['decision']>>({
      allowed: required(flag),
      rule: required(text),
      reason: required(text),
      policy: required(text),
      would_deny: required(flag),
      mode: required(unionOf<RecordMode>({ strict: 1, bounded: 1, 'best-effort': 1 })),
    }),
  ),
  service: optional(
    objectOf<Present<Leaf['service']>>({
      name: required(text),
      owner: optional(text),
      instance: optional(text),
    }),
  ),
  http: optional(
    objectOf<Present<Leaf['http']>>({
      method: optional(text),
      route: optional(text),
      route_match: optional(unionOf<RouteMatch>({ declared: 1, undeclared: 1, mismatch: 1 })),
      status: optional(whole),
      request_bytes: optional(whole),
      response_bytes: optional(whole),
      duration_ns: optional(whole),
      first_byte_ns: optional(whole),
    }),
  ),
  egress: optional(egress),
  read: optional(read),
  lifecycle: optional(lifecycle),
  addenda: optional(
    captured(
      listOf(
        objectOf<Present<Leaf['addenda']>[number]>({
          name: required(text),
          bytes: required(whole),
        }),
      ),
    ),
  ),
})
