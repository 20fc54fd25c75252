/**
 * The one schema of `countersign.yaml`: what the editor completes, what the loader checks, what the rooms receive.
 * Every key has a sentence; units are in the name or in the value; secrets are paths and have no default.
 */
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { grantee, name, permission } from './names.ts'
import { bytes, duration } from './quantity.ts'
import { reader, retention } from './reader-schema.ts'
import { path, signer } from './signer-schema.ts'

export { decodeSegment, parseRouteTemplate } from './route-template.ts'
export type { RouteTemplate } from './route-template.ts'

const listenAddress = z
  .string()
  .regex(
    /^(\[[0-9a-fA-F:]+\]|[0-9.]+|localhost):\d{1,5}$/,
    "expected 'address:port', for example '127.0.0.1:8080'",
  )

const tls = z.strictObject({
  certificate: path.describe('PEM file: the certificate and its chain.'),
  key: path.describe('PEM file: the private key.'),
  clientCa: path
    .optional()
    .describe('PEM file of authorities that sign client certificates: turns on mTLS.'),
  requireClientCertificate: z.boolean().default(false).describe('Refuse connections without one.'),
})
const listener = z.union([
  listenAddress.transform((address) => ({ address })),
  z.strictObject({
    address: listenAddress.describe('Where to listen: `address:port`; port 0 takes a free one.'),
    tls: tls.optional().describe('Speak TLS here.'),
  }),
])

const issuer = z.strictObject({
  issuer: z.url().describe('The `iss` of its tokens; keys are discovered below it.'),
  audience: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe('Tokens must name one of these in `aud`.'),
  algorithms: z
    .array(
      z.enum([
        'RS256',
        'RS384',
        'RS512',
        'PS256',
        'PS384',
        'PS512',
        'ES256',
        'ES384',
        'ES512',
        'EdDSA',
      ]),
    )
    .min(1)
    .default(['RS256', 'ES256'])
    .describe('Signature algorithms that are accepted.'),
  jwks: z.url().optional().describe('Where its keys are, when it has no discovery document.'),
  type: z.enum(['user', 'service', 'agent']).default('user').describe('What its tokens stand for.'),
  nameClaim: z.string().default('sub').describe('The claim that names the actor.'),
  groupsClaim: z.string().default('groups').describe('The claim that lists groups.'),
  maxLifetime: duration('24 h')
    .default(86_400_000)
    .describe('Longer-lived tokens are noted as long_lived.'),
  allowInsecureHttp: z
    .boolean()
    .default(false)
    .describe('For a local test issuer on a loopback address only.'),
})
const identity = z.union([
  issuer,
  z.strictObject({
    clientCertificates: path.describe('PEM file of authorities whose certificates name services.'),
  }),
  z.strictObject({
    keys: path.describe('The file that `countersign keys` keeps: API keys, hashed.'),
  }),
])

const grant = z.strictObject({
  role: name.describe('A role declared under `roles`.'),
  to: z
    .union([grantee, z.array(grantee).min(1)])
    .describe(
      'Who holds it: one grantee, or a list. `anyone` is everybody, with and without a credential.',
    ),
  until: z.iso.date().optional().describe('The last day (UTC) on which it holds.'),
})

const mode = z.enum(['strict', 'bounded', 'best-effort'])
const acknowledge = z.enum(['D0', 'D1', 'D2'])
const depth = z.enum(['meta', 'headers', 'body', 'opaque'])

const route = z.strictObject({
  match: z
    .string()
    .regex(
      /^(\*|[A-Z]+(,[A-Z]+)*) \/\S*$/,
      "expected 'METHOD /path/{name}', for example 'GET /orders/{id}'",
    )
    .describe(
      'Method (or several, or *), a space, and a path template; a last segment `{rest...}` takes all that follows.',
    ),
  permission: permission
    .optional()
    .describe('What the actor must have been granted. Without it the route needs `public: true`.'),
  public: z.boolean().default(false).describe('Anyone may call it; it is recorded all the same.'),
  deny: z.boolean().default(false).describe('Nobody may call it, whatever they were granted.'),
  action: z.string().optional().describe('Name in the record; the permission by default.'),
  mode: mode.optional().describe('How strongly the request is tied to its record.'),
  acknowledge: acknowledge
    .default('D0')
    .describe(
      'How safe the intent must be before anything is forwarded: D0 durable, D1 signed, D2 witnessed by the quorum. Above D0 in mode strict only.',
    ),
  record: depth.default('meta').describe('What the addendum keeps.'),
  labels: z.array(name).default([]).describe('For retention and questions: pii, pci...'),
})

const hostPattern = z
  .string()
  .regex(
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*(:\d{1,5})?$|^\[[0-9a-f:]+\](:\d{1,5})?$|^\*$/,
    "expected a host such as 'api.stripe.com', '*.example.com' or 'host:8443'",
  )

const range = z
  .string()
  .refine(
    (text) => ipaddr.isValidCIDR(text) && !text.includes('%'),
    "expected a range of addresses such as '10.0.0.0/8'",
  )
const rangeOrAddress = z
  .string()
  .refine(
    (text) =>
      !text.includes('%') &&
      (ipaddr.isValidCIDR(text) ||
        ipaddr.IPv4.isValidFourPartDecimal(text) ||
        ipaddr.IPv6.isValid(text)),
    "expected an address or a range such as '10.0.0.0/8'",
  )

const egress = z.strictObject({
  mode: z
    .enum(['open', 'report', 'enforce'])
    .default('enforce')
    .describe(
      'open: all but denied passes; report: as open, and notes what enforce would deny; enforce: only what is listed.',
    ),
  allow: z
    .array(hostPattern)
    .default([])
    .describe('Destinations by name. Without a port: 80, and 443 for CONNECT.'),
  deny: z.array(hostPattern).default([]).describe('Never, whatever allow says.'),
  allowPrivate: z
    .array(range)
    .default([])
    .describe(
      'Address ranges (CIDR) inside your network that may be dialled; the metadata floor stays closed.',
    ),
  credentials: path
    .optional()
    .describe('File kept by `countersign keys`, for Proxy-Authorization.'),
  sourceAddresses: z
    .array(rangeOrAddress)
    .default([])
    .describe('Addresses or ranges (CIDR) that are this service when nothing stronger says so.'),
  recordMode: mode.optional().describe('How strongly a call is tied to its record.'),
  acknowledge: acknowledge
    .default('D0')
    .describe(
      'How safe the intent must be before a call goes out: D0 durable, D1 signed, D2 witnessed by the quorum. Above D0 in mode strict only.',
    ),
  record: depth
    .default('meta')
    .describe('What the addendum keeps of a request that is not a tunnel; tunnels are opaque.'),
  labels: z.array(name).default([]).describe('For retention and questions: pii, pci...'),
})

const serviceHost = z
  .string()
  .regex(
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$|^\[[0-9a-f:]+\]$/,
    "expected a host name in lower case and without a port, such as 'orders.example.com' or '*.example.com'",
  )

const service = z.strictObject({
  owner: z
    .strictObject({
      team: z.string().describe('The team that answers for it; recorded with each request.'),
      contact: z.string().optional().describe('Where to reach them.'),
    })
    .optional()
    .describe('Who answers for the service.'),
  upstream: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Where its requests go: http or https. Absent for a service that only calls out.'),
  upstreamCa: path
    .optional()
    .describe('PEM file of authorities for an https upstream; the system store by default.'),
  hosts: z
    .array(serviceHost)
    .default([])
    .describe(
      'Host names it answers to, `*.example.com` for all below one; without any it answers to every host that no other service names.',
    ),
  routes: z
    .array(route)
    .default([])
    .describe(
      'What it offers; anything else is refused. A literal segment beats `{param}`, a denied route beats all.',
    ),
  egress: egress
    .optional()
    .describe('What it may call. A service without this block may call nothing.'),
})

const limits = z.strictObject({
  headerBytesMax: bytes('32 KiB')
    .default(32 * 1024)
    .describe('Largest request head, line and headers together.'),
  headerTimeout: duration('15 s')
    .default(15_000)
    .describe('How long a client may take to send its request head.'),
  bodyBytesMax: bytes('1 GiB')
    .default(1024 ** 3)
    .describe('Largest request body.'),
  bodyIdleTimeout: duration('30 s')
    .default(30_000)
    .describe('A body that sends nothing for so long is broken off.'),
  upstreamTimeout: duration('60 s')
    .default(60_000)
    .describe('How long an upstream may take to begin its answer.'),
  connectTimeout: duration('10 s')
    .default(10_000)
    .describe('How long a connection to an upstream or destination may take, TLS included.'),
  tunnelIdleTimeout: duration('5 min')
    .default(300_000)
    .describe('A tunnel without a byte either way for so long is closed.'),
  connectionsMax: z
    .int()
    .positive()
    .default(10_000)
    .describe('Open client connections for each listener.'),
  connectionsPerAddressMax: z
    .int()
    .positive()
    .default(1_000)
    .describe('Open client connections from one address.'),
  upstreamConnectionsMax: z.int().positive().default(64).describe('Connections per upstream.'),
  bodyRecordBytesMax: bytes('64 KiB')
    .default(65_536)
    .describe('How much of a body `record: body` keeps.'),
})

const ledger = z.strictObject({
  mode: mode.default('strict').describe('For routes that do not say.'),
  pendingMax: z
    .int()
    .positive()
    .default(50_000)
    .describe('Drafts that may wait; one more is refused.'),
  batchBytesMax: bytes('4 MiB')
    .default(4 * 1024 ** 2)
    .describe('Largest group of records that one write makes durable.'),
  batchAge: duration('1 ms')
    .default(0)
    .describe('How long a draft may wait for company before it is written.'),
  appendTimeout: duration('5 s')
    .default(5_000)
    .describe('How long an append may take before the request is refused.'),
  boundedWithin: duration('1 s')
    .default(1_000)
    .describe('Durability promised by mode bounded; past it, requests wait.'),
  checkpointInterval: duration('1 s')
    .default(1_000)
    .describe('How often a checkpoint is signed and published when nobody asks sooner.'),
  segmentBytes: bytes('64 MiB')
    .default(64 * 1024 ** 2)
    .describe('Size of one preallocated segment of the write-ahead log.'),
  heartbeatInterval: duration('10 s')
    .default(10_000)
    .describe('How often a heartbeat record says that all is well, and counts.'),
})

const scrub = z.strictObject({
  rate: bytes('4 MiB')
    .default(4 * 1024 ** 2)
    .refine((rate) => rate >= 1024, 'expected 1 KiB or more')
    .describe('How much of the log on disk is read and hashed again in a second, for ever.'),
  mirrors: z
    .array(z.string().min(1))
    .max(16)
    .default([])
    .describe('Copies of this log (URLs or folders), to repair damaged files from.'),
})

/** `countersign.yaml`, as written; `Config` is what comes out, paths still relative. */
export const configSchema = z.strictObject({
  origin: z
    .string()
    .regex(
      /^[^\s+]{1,255}$/,
      'expected a name without spaces or "+", for example audit.example.com/eu-1',
    )
    .describe('The name of the log, for ever: a schema-less URL that you control.'),
  environment: z.string().optional().describe('Recorded as `env`: production, staging...'),
  data: path
    .default('./countersign-data')
    .describe('Folder of the log, its write-ahead log, and sockets.'),
  signer,
  sequencer: z
    .strictObject({ key: path.describe('File of its key, made by `countersign init`.') })
    .describe('The key by which the ledger proves itself to the signer.'),
  witnesses: z
    .strictObject({
      policy: path.describe(
        'File of whom to ask and how many must cosign (c2sp.org/tlog-policy): `witness`, `group` and `quorum` lines.',
      ),
      timeout: duration('2 s')
        .default(2_000)
        .describe('How long a witness may take, and a record that demands D2 may wait.'),
      grace: duration('10 s')
        .default(10_000)
        .describe('How long the quorum may be out of reach before that is an alarm on record.'),
      ca: path
        .optional()
        .describe('PEM file of authorities for https witnesses; the system store by default.'),
    })
    .optional()
    .describe('Whose cosignatures the log asks for, every second and for routes that demand D2.'),
  fingerprintKey: path.describe('32 random bytes (hex) that key the fingerprints of credentials.'),
  seal: z
    .strictObject({
      key: path.describe(
        "File of the tenant's key, made by `countersign init`: 32 random bytes (hex). Who loses it cannot open what was sealed.",
      ),
    })
    .optional()
    .describe(
      'Seal what identifies or reveals, so that it can be erased. Without it, addenda are stored in clear.',
    ),
  listen: z
    .strictObject({
      inbound: listener.optional().describe('Requests to the services.'),
      egress: listener.optional().describe('Calls of the services to the world: a forward proxy.'),
      admin: listener.optional().describe('Health and Prometheus metrics.'),
      log: listener.optional().describe('The log, read-only, as tlog-tiles.'),
      api: listener
        .optional()
        .describe(
          'Questions to the log, and the page that asks them. Without it the reader answers on a free port of the loopback.',
        ),
    })
    .describe('Addresses to listen on; what is absent is off.'),
  trustedHops: z
    .array(rangeOrAddress)
    .default([])
    .describe('Proxies (CIDR) whose X-Forwarded-For and Forwarded count.'),
  identities: z
    .array(identity)
    .default([])
    .describe('How actors are known: issuers of tokens, authorities of certificates, API keys.'),
  roles: z
    .record(name, z.array(permission))
    .default({})
    .describe('Roles and the permissions they carry: `orders.read`, `orders.*`, `*`.'),
  grants: z.array(grant).default([]).describe('Who holds which role.'),
  services: z
    .record(name, service)
    .default({})
    .describe('The services behind the gateway, by name.'),
  ledger: ledger.prefault({}).describe('How records are written.'),
  scrub: scrub.prefault({}).describe('How the log on disk is looked after.'),
  limits: limits.prefault({}).describe('What one client or one request may take.'),
  reader: reader.prefault({}).describe('How the log is read: its index, and who may ask it.'),
  retention: retention.prefault({}).describe('How long content is kept; leaves are kept for ever.'),
})

/** The configuration in force: defaults filled in, units converted (ms, bytes), paths as written. */
export type Config = z.output<typeof configSchema>
export type ServiceConfig = Config['services'][string]
export type RouteConfig = ServiceConfig['routes'][number]
export type EgressConfig = NonNullable<ServiceConfig['egress']>
export type IdentityConfig = Config['identities'][number]
export type ListenerConfig = NonNullable<Config['listen']['inbound']>
