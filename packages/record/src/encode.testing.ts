/** Drafts for tests: one that uses most members, and an arbitrary one. */
import * as fc from 'fast-check'

import { formatLeafList } from './leaf-list.ts'
import type { Stamp } from './encode.ts'
import type { Draft, Leaf, Lifecycle, UnstampedLeaf } from './leaf.ts'
import { READ_ROWS_MAX } from './reading.ts'
import type { ReadFacts } from './reading.ts'
import type { Credential } from './vocabulary.ts'

export const someStamp: Stamp = {
  session: '01890a5d-ac96-774b-bcce-b302099a8057',
  seq: 41,
  prev: '01890a5d-ac96-774b-bcce-b302099a8058',
}

export const someDraft: Draft = {
  leaf: {
    v: 1,
    id: '01890a5d-ac96-774b-bcce-b302099a8059',
    class: 'http.server',
    action: 'orders.read',
    crud: 'read',
    phase: 'intent',
    captured: 'meta',
    labels: ['pii'],
    time: { occurred: '1753871234567890123' },
    trace: { id: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' },
    request: { id: 'req-1' },
    actor: {
      id: 'p_6f1c',
      type: 'user',
      roles: ['support'],
      credential: {
        kind: 'jwt',
        issuer: 'https://login.example.com/',
        audience: ['orders'],
        expires: 1753879999,
        defects: [],
      },
    },
    destination: {
      service: 'orders',
      host: '127.0.0.1',
      port: 9001,
      registered: true,
      allowed: true,
    },
    decision: {
      allowed: true,
      rule: 'grants[0]',
      reason: 'granted',
      policy: 'ab12',
      would_deny: false,
      mode: 'strict',
    },
    service: { name: 'orders', owner: 'orders' },
    http: { method: 'GET', route: '/orders/{id}', route_match: 'declared' },
  },
  addenda: [
    {
      name: 'request',
      content: new TextEncoder().encode(
        '{"salt":"000102030405060708090a0b0c0d0e0f","path":"/orders/17"}',
      ),
    },
  ],
}

// Text of every kind: ASCII, escapes, control characters, characters of four bytes, lone surrogates.
const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.constantFrom('\ud800', '\udc00x', '"\\\b\n\u0001\u007f\u2028', '😀', '{"name":"'),
)
const whole = fc.maxSafeNat()
const flag = fc.boolean()
const id = fc.uuid({ version: 7 })
const nanoseconds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)
const texts = fc.array(text, { maxLength: 3 })
const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'.split('')), {
      minLength: digits,
      maxLength: digits,
    })
    .map((all) => all.join(''))

type Model<T> = { [K in keyof T]-?: fc.Arbitrary<Exclude<T[K], undefined>> }

/** A record of which some keys may be absent; never `undefined`. */
function part<T>(model: Model<T>, requiredKeys: (keyof T)[]): fc.Arbitrary<T> {
  return fc.record(model, { requiredKeys })
}

type Present<T> = Exclude<T, undefined>

const credential = part<Credential>(
  {
    kind: fc.constantFrom(
      'client_certificate',
      'jwt',
      'api_key',
      'proxy_credential',
      'source_address',
      'operator_key',
      'none',
    ),
    fingerprint: text,
    issuer: text,
    audience: texts,
    expires: whole,
    mfa: flag,
    defects: fc.subarray(['expired', 'aud_mismatch', 'weak_alg'] as const).map((some) => [...some]),
  },
  ['kind', 'defects'],
)

const clock = fc.record({ source: text, offset_ns: fc.integer() })
const component = fc.constantFrom('gateway', 'ledger', 'reader')
const leaves = fc
  .uniqueArray(fc.nat(1000))
  .map((indexes) => formatLeafList(indexes.toSorted((a, b) => a - b)))
const lifecycle: fc.Arbitrary<Lifecycle> = fc.oneof(
  part<Extract<Lifecycle, { kind: 'boot' }>>(
    {
      kind: fc.constant('boot'),
      component,
      version: text,
      binary: text,
      config: text,
      clock,
      recovered: fc.record({ size: whole, torn_bytes: whole }),
    },
    ['kind', 'component', 'version', 'binary', 'clock'],
  ),
  part<Extract<Lifecycle, { kind: 'heartbeat' }>>(
    {
      kind: fc.constant('heartbeat'),
      component: fc.constant('reader'),
      counters: fc.dictionary(text, whole),
      clock,
      open_from: whole,
      open: whole,
    },
    ['kind', 'counters', 'clock', 'open'],
  ),
  fc.record({ kind: fc.constant('gap'), from: text, to: text, count: whole, why: text }),
  part<Extract<Lifecycle, { kind: 'config' }>>(
    {
      kind: fc.constant('config'),
      config: text,
      policy: text,
      previous: text,
      accepted: flag,
      error: text,
    },
    ['kind', 'config', 'policy', 'accepted'],
  ),
  fc.record({ kind: fc.constant('key'), change: fc.constantFrom('created', 'revoked'), key: text }),
  fc.record({ kind: fc.constant('shutdown'), component }),
  fc.record({
    kind: fc.constant('alarm'),
    what: fc.constantFrom('witness_quorum', 'tile_damaged', 'log_unverified', 'index_full'),
    raised: flag,
    about: text,
    detail: text,
  }),
  fc.record({
    kind: fc.constant('erasure'),
    subject: text,
    basis: text,
    by: text,
    leaves,
    part: whole,
    parts: whole,
  }),
  fc.record({
    kind: fc.constantFrom('hold', 'release'),
    subject: text,
    matter: text,
    basis: text,
    by: text,
  }),
  fc.record({
    kind: fc.constant('rotation'),
    origin: text,
    size: whole,
    root: text,
    checkpoint: text,
  }),
  part<Extract<Lifecycle, { kind: 'export' }>>(
    {
      kind: fc.constant('export'),
      scope: fc.constantFrom('range', 'session', 'person', 'record'),
      by: text,
      purpose: text,
      subject: text,
      leaves,
      opened: whole,
    },
    ['kind', 'scope', 'by', 'purpose', 'leaves', 'opened'],
  ),
)

const payload = part<Present<Present<Leaf['egress']>['payload']>>(
  { content_type: text, bytes: whole, sha256: text, keys: texts },
  ['bytes'],
)

const read = part<ReadFacts>(
  {
    role: fc.constantFrom('subject', 'viewer', 'owner', 'auditor', 'investigator'),
    scope: fc.constantFrom('all', 'services', 'self'),
    unmasked: flag,
    rows: fc.nat(READ_ROWS_MAX),
    records: fc.uniqueArray(fc.record({ origin: text, leaves }), {
      minLength: 1,
      maxLength: 4,
      selector: ({ origin }) => origin,
    }),
    approval: id,
  },
  ['role', 'scope', 'unmasked', 'rows'],
)

const leaf = part<UnstampedLeaf>(
  {
    v: fc.constant(1),
    id,
    class: fc.constantFrom(
      'http.server',
      'http.client',
      'agent.tool',
      'read',
      'lifecycle',
      'ledger',
    ),
    action: text,
    crud: fc.constantFrom('create', 'read', 'execute'),
    phase: fc.constantFrom('intent', 'outcome', 'single'),
    outcome: fc.constantFrom('success', 'failure', 'denied', 'error', 'unknown'),
    reason: text,
    severity: fc.constantFrom('info', 'critical'),
    captured: fc.constantFrom('meta', 'headers', 'body', 'opaque'),
    labels: texts,
    env: text,
    tenant: text,
    time: part<Leaf['time']>({ occurred: nanoseconds, observed: nanoseconds }, ['occurred']),
    trace: part<Present<Leaf['trace']>>({ id: hex(32), span: hex(16), parent: hex(16) }, [
      'id',
      'span',
    ]),
    request: fc.record({ id: text }),
    cause: fc.record({ id: text, basis: fc.constantFrom('declared', 'inferred') }),
    actor: part<Present<Leaf['actor']>>(
      {
        id: text,
        type: fc.constantFrom('user', 'service', 'agent', 'system', 'anonymous', 'unknown'),
        roles: texts,
        credential,
      },
      ['id', 'type'],
    ),
    destination: part<Present<Leaf['destination']>>(
      { service: text, host: text, port: whole, registered: flag, allowed: flag },
      ['registered', 'allowed'],
    ),
    decision: fc.record({
      allowed: flag,
      rule: text,
      reason: text,
      policy: text,
      would_deny: flag,
      mode: fc.constantFrom('strict', 'bounded', 'best-effort'),
    }),
    service: part<Present<Leaf['service']>>({ name: text, owner: text, instance: text }, ['name']),
    http: part<Present<Leaf['http']>>(
      {
        method: text,
        route: text,
        route_match: fc.constantFrom('declared', 'undeclared', 'mismatch'),
        status: whole,
        request_bytes: whole,
        response_bytes: whole,
        duration_ns: whole,
        first_byte_ns: whole,
      },
      [],
    ),
    egress: part<Present<Leaf['egress']>>(
      {
        resolved: texts,
        pinned: text,
        mixed: flag,
        sni: text,
        alpn: texts,
        tls: text,
        ech: flag,
        payload,
      },
      [],
    ),
    read,
    lifecycle,
  },
  ['v', 'id', 'class', 'action', 'phase', 'time'],
)

export const arbitraryDraft: fc.Arbitrary<Draft> = fc.record({
  leaf,
  addenda: fc.array(fc.record({ name: text, content: fc.uint8Array() }), { maxLength: 4 }),
})

export const arbitraryStamp: fc.Arbitrary<Stamp> = fc.record(
  { session: id, seq: whole, prev: id },
  { requiredKeys: ['session', 'seq'] },
)
