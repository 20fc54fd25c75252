/**
 * A transaction as the read side knows it: intent and outcome joined, with what its addenda reveal where they could be opened. This
 * catalogue is the one list of its fields: columns of the index, words of the filter language, members of answers, and what
 * is masked for whom all follow from it. A field that is absent does not apply, or is not known; a field that is masked says so.
 */

/** How a field is compared, stored and shown. */
export type FieldType = 'text' | 'number' | 'time' | 'duration' | 'bool' | 'list'

/** One field of a transaction. */
export interface FieldSpec {
  /** `time` is nanoseconds since the epoch, `duration` nanoseconds; both as decimal strings in answers. `list` is of texts. */
  readonly type: FieldType
  /** True where it comes out of a sealed addendum: who may not see it gets a mask, and may not ask by it. */
  readonly sealed?: true
  /** One sentence for people: what it is, with its unit. */
  readonly about: string
  /** A value that could stand in a filter. */
  readonly example: string
  /** The only values there are, where they are few. */
  readonly values?: readonly string[]
}

/** All fields by name, in the order in which they are shown; each is a `FieldSpec`, which `fieldSpec` holds it to. */
export const transactionFields = {
  origin: {
    type: 'text',
    about: 'The log that the record is in.',
    example: 'audit.example.com/eu-1',
  },
  index: {
    type: 'number',
    about:
      'Leaf index (from 0) of the record that ends it: the outcome, the only record, or the intent while it is open.',
    example: '1047',
  },
  intent: {
    type: 'number',
    about: 'Leaf index (from 0) of its intent, where it has two records.',
    example: '1046',
  },
  id: {
    type: 'text',
    about: 'Record id (UUIDv7), shared by intent and outcome.',
    example: '01890a5d-ac96-774b-bcce-b302099a8059',
  },
  time: { type: 'time', about: 'When it began.', example: '2026-11-26T06:18:29Z' },
  ended: { type: 'time', about: 'When its end was observed.', example: '2026-11-26T06:18:30Z' },
  class: {
    type: 'text',
    about: 'What kind of event it is.',
    example: 'http.server',
    values: [
      'http.server',
      'http.client',
      'db.query',
      'authn',
      'authz',
      'admin',
      'agent.tool',
      'read',
      'lifecycle',
      'ledger',
    ],
  },
  action: {
    type: 'text',
    about: 'What was asked for: a permission, or the kind of call.',
    example: 'orders.read',
  },
  crud: {
    type: 'text',
    about: 'What it does to data.',
    example: 'read',
    values: ['create', 'read', 'update', 'delete', 'execute'],
  },
  outcome: {
    type: 'text',
    about: 'How it ended; open while only its intent is on record.',
    example: 'denied',
    values: ['success', 'failure', 'denied', 'error', 'unknown', 'open'],
  },
  reason: { type: 'text', about: 'Why it ended so, for machines.', example: 'no_grant' },
  severity: {
    type: 'text',
    about: 'How much it matters.',
    example: 'warning',
    values: ['info', 'notice', 'warning', 'error', 'critical'],
  },
  labels: { type: 'list', about: 'Labels of its route.', example: 'pii' },
  env: { type: 'text', about: 'Environment of the gateway.', example: 'production' },
  tenant: { type: 'text', about: 'Tenant.', example: 'acme' },
  session: {
    type: 'text',
    about: 'Session (UUIDv7) of the writer.',
    example: '01890a5d-ac96-774b-bcce-b302099a8057',
  },
  trace: { type: 'text', about: 'W3C trace id, hex.', example: '4bf92f3577b34da6a3ce929d0e0e4736' },
  span: { type: 'text', about: 'Our span in that trace, hex.', example: '00f067aa0ba902b7' },
  parent: { type: 'text', about: 'Span of the caller, hex.', example: 'b7ad6b7169203331' },
  request: { type: 'text', about: 'Request id, chosen by the client.', example: 'req-17' },
  cause: {
    type: 'text',
    about: 'Record id of what caused it.',
    example: '01890a5d-ac96-774b-bcce-b302099a8058',
  },
  actor: { type: 'text', sealed: true, about: 'Name of who acted.', example: 'billing' },
  'actor.id': {
    type: 'text',
    about: 'Pseudonym of who acted (32 hex digits).',
    example: '0f8fad5bd9cb469fa16570867728950e',
  },
  'actor.type': {
    type: 'text',
    about: 'What acted.',
    example: 'service',
    values: ['user', 'service', 'agent', 'system', 'anonymous', 'unknown'],
  },
  'actor.roles': {
    type: 'list',
    about: 'Roles that policy took into account.',
    example: 'support',
  },
  'actor.email': {
    type: 'text',
    sealed: true,
    about: 'Mail address of who acted.',
    example: 'alice@example.com',
  },
  'actor.groups': { type: 'list', sealed: true, about: 'Groups of who acted.', example: 'support' },
  credential: {
    type: 'text',
    about: 'By which proof the actor is known.',
    example: 'jwt',
    values: [
      'client_certificate',
      'jwt',
      'api_key',
      'proxy_credential',
      'source_address',
      'operator_key',
      'none',
    ],
  },
  'credential.fingerprint': {
    type: 'text',
    about: 'Keyed fingerprint of the credential, hex.',
    example: '9f86d081884c7d65',
  },
  'credential.issuer': {
    type: 'text',
    about: 'Who issued the credential.',
    example: 'https://login.example.com/',
  },
  'credential.defects': {
    type: 'list',
    about: 'What is wrong with the credential.',
    example: 'expired',
  },
  service: {
    type: 'text',
    about: 'The service asked for, or the one that calls out.',
    example: 'orders',
  },
  owner: { type: 'text', about: 'Team that owns the service.', example: 'orders' },
  instance: { type: 'text', about: 'Gateway machine.', example: 'gateway-1' },
  method: { type: 'text', about: 'HTTP method.', example: 'GET' },
  route: { type: 'text', about: 'Route template.', example: '/orders/{id}' },
  'route.match': {
    type: 'text',
    about: 'How the request relates to what the service declares.',
    example: 'undeclared',
    values: ['declared', 'undeclared', 'mismatch'],
  },
  status: { type: 'number', about: 'HTTP status.', example: '403' },
  'request.bytes': { type: 'number', about: 'Bytes of the request body.', example: '1024' },
  'response.bytes': { type: 'number', about: 'Bytes of the response body.', example: '65536' },
  duration: {
    type: 'duration',
    about: 'From the first byte in to the last byte out.',
    example: '250ms',
  },
  first_byte: {
    type: 'duration',
    about: 'From the first byte in to the first byte out.',
    example: '40ms',
  },
  destination: { type: 'text', about: 'Host that was called.', example: 'api.stripe.com' },
  port: { type: 'number', about: 'Port that was called.', example: '443' },
  registered: {
    type: 'bool',
    about: 'Whether the destination is one that the configuration knows.',
    example: 'false',
  },
  allowed: { type: 'bool', about: 'What policy decided.', example: 'false' },
  rule: {
    type: 'text',
    about: 'The line of policy that decided.',
    example: 'services.orders.routes[0]: GET /orders/{id}',
  },
  decision: { type: 'text', about: 'Why policy decided so.', example: 'no_grant' },
  policy: {
    type: 'text',
    about: 'SHA-256 (hex) of the policy in force.',
    example: '2c26b46b68ffc68f',
  },
  would_deny: {
    type: 'bool',
    about: 'Whether a stricter mode would have denied it.',
    example: 'true',
  },
  mode: {
    type: 'text',
    about: 'How strongly it is tied to its record.',
    example: 'strict',
    values: ['strict', 'bounded', 'best-effort'],
  },
  captured: {
    type: 'text',
    about: 'How much was kept of it.',
    example: 'meta',
    values: ['full', 'headers', 'meta', 'opaque', 'body'],
  },
  client: { type: 'text', sealed: true, about: 'Address of the client.', example: '192.0.2.7' },
  peer: {
    type: 'text',
    sealed: true,
    about: 'Address and port of the connection.',
    example: '192.0.2.7:51234',
  },
  host: {
    type: 'text',
    sealed: true,
    about: 'Host that the client named.',
    example: 'orders.example.com',
  },
  path: { type: 'text', sealed: true, about: 'Path as it was asked for.', example: '/orders/17' },
  query: { type: 'text', sealed: true, about: 'Query string, redacted.', example: 'page=2' },
  user_agent: { type: 'text', sealed: true, about: 'User agent.', example: 'curl/8.5.0' },
  headers: {
    type: 'text',
    sealed: true,
    about: 'Headers of request and response that were kept.',
    example: 'accept: text/html',
  },
  body: {
    type: 'text',
    sealed: true,
    about: 'Bodies of request and response that were kept.',
    example: 'amount',
  },
  pinned: { type: 'text', about: 'Address that was dialled.', example: '198.51.100.4' },
  resolved: {
    type: 'list',
    about: 'Addresses that the name resolved to.',
    example: '198.51.100.4',
  },
  sni: { type: 'text', about: 'Server name in a tunnel.', example: 'api.stripe.com' },
  tls: { type: 'text', about: 'TLS version in a tunnel.', example: 'TLSv1.3' },
  'payload.type': {
    type: 'text',
    about: 'Media type of what was sent out.',
    example: 'application/json',
  },
  'payload.bytes': { type: 'number', about: 'Bytes of what was sent out.', example: '2048' },
  'payload.keys': {
    type: 'list',
    about: 'Top-level JSON keys of what was sent out.',
    example: 'amount',
  },
  lifecycle: {
    type: 'text',
    about: 'For records of the gateway about itself: which kind.',
    example: 'erasure',
  },
  facts: { type: 'text', about: 'What such a record says, as JSON.', example: 'torn_bytes' },
  subject: {
    type: 'text',
    about: 'Pseudonym that an erasure, hold, release or export is about.',
    example: '0f8fad5bd9cb469fa16570867728950e',
  },
  'read.role': {
    type: 'text',
    about: 'For reads of the log: the role that allowed it.',
    example: 'auditor',
    values: ['viewer', 'owner', 'auditor', 'investigator', 'subject'],
  },
  'read.rows': {
    type: 'number',
    about: 'For reads of the log: rows that were returned.',
    example: '100',
  },
  'read.unmasked': {
    type: 'bool',
    about: 'For reads of the log: whether sealed content was shown.',
    example: 'true',
  },
  'read.purpose': {
    type: 'text',
    sealed: true,
    about: 'For reads of the log: why.',
    example: 'quarterly review',
  },
  'read.question': {
    type: 'text',
    sealed: true,
    about: 'For reads of the log: what was asked.',
    example: 'outcome:denied',
  },
  content: {
    type: 'text',
    about: 'What became of its sealed content.',
    example: 'erased',
    values: ['none', 'open', 'sealed', 'erased', 'expired', 'absent', 'altered'],
  },
} as const

/** The name of a field. */
export type FieldName = keyof typeof transactionFields

type ValueOf<T extends FieldType> = T extends 'list'
  ? readonly string[]
  : T extends 'number'
    ? number
    : T extends 'bool'
      ? boolean
      : // Nanoseconds do not fit a JSON number: decimal strings, as in the record.
        string

/** One transaction: what applies to it and is known. (`origin`, `index`) names it; what is an empty list is left out. */
export type Transaction = {
  readonly [Name in FieldName]?: ValueOf<(typeof transactionFields)[Name]['type']>
} & { readonly origin: string; readonly index: number; readonly id: string; readonly time: string }

/** Whether a text names a field. */
export function isFieldName(name: string): name is FieldName {
  return Object.hasOwn(transactionFields, name)
}

/** The specification of a field, with all its optional members. */
export function fieldSpec(name: FieldName): FieldSpec {
  return transactionFields[name]
}
