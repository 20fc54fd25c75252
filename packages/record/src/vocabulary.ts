/**
 * The nouns the rooms of the write side exchange. Data runs
 * capture -> `Captured` -> identity -> `Actor` -> policy -> `Decision` -> ledger -> `Receipt`.
 * Everything here is plain data: no methods, no sockets.
 */
import type { LeafIndex } from '@countersign/tlog/size'

/** Who acted. `unknown` (a credential that proves nothing) and `anonymous` (no credential) differ. */
export type ActorType = 'user' | 'service' | 'agent' | 'system' | 'anonymous' | 'unknown'

/** By which proof an actor is known, strongest first. */
export type CredentialKind =
  | 'client_certificate'
  | 'jwt'
  | 'api_key'
  | 'proxy_credential'
  | 'source_address'
  /** The key of one run of the reader, which lies in the data folder: whoever can read that. */
  | 'operator_key'
  | 'none'

/** What is wrong with a credential. The first group makes it worthless, the second is only noted. */
export type CredentialDefect =
  | 'malformed'
  | 'too_large'
  | 'bad_signature'
  | 'unknown_issuer'
  | 'unknown_key'
  | 'keys_unavailable'
  | 'untrusted'
  | 'revoked'
  | 'expired'
  | 'not_yet_valid'
  | 'aud_mismatch'
  | 'weak_alg'
  | 'no_exp'
  | 'no_aud'
  | 'shared'
  | 'long_lived'

/** A credential as the record may hold it: never the secret, only a keyed fingerprint (HMAC-SHA-256, hex). */
export interface Credential {
  readonly kind: CredentialKind
  readonly fingerprint?: string
  readonly issuer?: string
  readonly audience?: readonly string[]
  /** Seconds since the epoch. */
  readonly expires?: number
  readonly mfa?: boolean
  readonly defects: readonly CredentialDefect[]
}

/** Who made the request, by which proof. `id` is a random pseudonym; `name`, `email`, `groups` go to the addendum. */
export interface Actor {
  readonly id: string
  readonly type: ActorType
  /** Empty for anonymous and unknown actors. For a service: its configured name. */
  readonly name: string
  readonly email?: string
  readonly groups: readonly string[]
  readonly credential: Credential
}

/** A header as it came or goes: lower-case name, value without surrounding white space. */
export type Header = readonly [name: string, value: string]

/** One parsed and validated request. What is decided on, recorded and forwarded is this and nothing else. */
export interface CanonicalRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** Lower-case DNS name or canonical address, without port and without brackets. */
  readonly host: string
  readonly port: number
  /** Canonical absolute path: no dot segments, no empty segments, upper-case percent escapes. Empty for CONNECT. */
  readonly path: string
  /** Without the question mark; undefined when there was none (`/a?` has an empty one). */
  readonly query?: string
  /** End-to-end headers only: hop-by-hop ones and those we assert ourselves are gone. */
  readonly headers: readonly Header[]
  /** How the body is framed; `bytes` is the declared Content-Length. */
  readonly body: { readonly framing: 'none' | 'length' | 'chunked'; readonly bytes?: number }
}

/** W3C Trace Context. `parent` is the caller's span; `span` is ours. Hex, lower-case. */
export interface TraceContext {
  readonly id: string
  readonly span: string
  readonly parent?: string
  readonly flags: string
  readonly state?: string
}

/** What the listener saw of the connection. */
export interface Peer {
  readonly address: string
  readonly port: number
  readonly tls?: {
    readonly version: string
    readonly sni?: string
    readonly alpn?: string
    /** DER of a client certificate that the listener's CA vouched for. */
    readonly certificate?: Uint8Array
  }
}

/** One request as captured, before anything is known or decided about it. */
export interface Captured {
  /** UUIDv7; the id of the transaction and of both its records. */
  readonly id: string
  readonly direction: 'inbound' | 'egress'
  readonly kind: 'http' | 'connect'
  /** Nanoseconds since the epoch. */
  readonly occurredNs: bigint
  readonly request: CanonicalRequest
  readonly trace: TraceContext
  readonly requestId: string
  readonly peer: Peer
  /** The client's address after configured trusted hops, and the raw chain as it came. */
  readonly client: { readonly address: string; readonly chain: readonly string[] }
  /** Raw credentials as presented. They never leave capture and identity. */
  readonly presented: {
    readonly authorization?: string
    readonly proxyAuthorization?: string
    readonly apiKey?: string
  }
}

/** How strongly a request is tied to its record (architecture.md, "Modes per route"). */
export type RecordMode = 'strict' | 'bounded' | 'best-effort'

/** What is kept of a request in its addendum. */
export type CaptureDepth = 'meta' | 'headers' | 'body' | 'opaque'

/** How the request relates to what the service declares. */
export type RouteMatch = 'declared' | 'undeclared' | 'mismatch'

/** A refusal is a value. `rule` names the line of policy that decided; `reason` is for machines; `explanation` for people. */
export interface Decision {
  readonly allowed: boolean
  readonly rule: string
  readonly reason: DecisionReason
  readonly explanation: string
  /** True when a stricter mode would have denied what is allowed here. */
  readonly wouldDeny: boolean
  /** SHA-256 (hex) of the policy in force. */
  readonly policyHash: string
  readonly mode: RecordMode
  /** How safe the intent must be before anything is forwarded; above D0 only in mode strict. */
  readonly acknowledge: AcknowledgementLevel
  readonly depth: CaptureDepth
  readonly labels: readonly string[]
  /** Roles of the actor that policy took into account. */
  readonly roles: readonly string[]
  /** For example `orders.read`, or `egress.connect`. */
  readonly action: string
  /** The service asked for (inbound), or the calling service (egress). Absent when none matched. */
  readonly service?: string
  /** Route template, for example `/orders/{id}`. */
  readonly route?: string
  readonly routeMatch: RouteMatch
}

/** Closed set of reasons: metric labels, machine-readable header values, and search terms. */
export type DecisionReason =
  | 'granted'
  | 'public'
  | 'egress_allowed'
  | 'egress_open'
  | 'egress_reported'
  | 'no_credential'
  | 'bad_credential'
  | 'no_grant'
  | 'no_route'
  | 'no_service'
  | 'denied_explicitly'
  | 'egress_not_listed'
  | 'unregistered_caller'
  | 'address_forbidden'
  | 'metadata_address'
  | 'own_listener'
  | 'port_forbidden'
  | 'mixed_addresses'
  | 'not_tls'
  | 'sni_missing'
  | 'sni_mismatch'

/** How sure the writer may be: D0 durable (fdatasync), D1 signed, D2 witnessed by a quorum. Later: D3 mirrored, D4 anchored. */
export type AcknowledgementLevel = 'D0' | 'D1' | 'D2'

/** Where a record stands in the log. */
export interface Receipt {
  /** 0-based. */
  readonly leafIndex: LeafIndex
  readonly level: AcknowledgementLevel
}
