/**
 * The leaf: what stays in the Merkle tree for ever. It holds no personal data: actors are random
 * pseudonyms, paths are route templates; what identifies or reveals is in an addendum whose digest is here.
 * Optional members are absent when they do not apply; nothing is ever `null`.
 */
import type { ReadFacts } from './reading.ts'
import type { ActorType, CaptureDepth, Credential, RecordMode, RouteMatch } from './vocabulary.ts'

/** What kind of event this is. */
export type RecordClass =
  | 'http.server'
  | 'http.client'
  | 'db.query'
  | 'authn'
  | 'authz'
  | 'admin'
  | 'agent.tool'
  | 'read'
  | 'lifecycle'
  | 'ledger'

/** `intent` before anything is forwarded, `outcome` after; `single` where one record is the whole story. */
export type Phase = 'intent' | 'outcome' | 'single'

/** How it ended. `unknown` is written by the boot that follows a crash. */
export type OutcomeStatus = 'success' | 'failure' | 'denied' | 'error' | 'unknown'

/** Names and order are the bytes: `encodeDraft` writes members in the order they are listed here. */
export interface Leaf {
  readonly v: 1
  /** UUIDv7, shared by the intent and the outcome of one transaction. */
  readonly id: string
  readonly class: RecordClass
  readonly action: string
  readonly crud?: 'create' | 'read' | 'update' | 'delete' | 'execute'
  readonly phase: Phase
  readonly outcome?: OutcomeStatus
  readonly reason?: string
  readonly severity?: 'info' | 'notice' | 'warning' | 'error' | 'critical'
  readonly captured?: CaptureDepth
  readonly labels?: readonly string[]
  readonly env?: string
  readonly tenant?: string
  /** The writer's session (UUIDv7 of its boot), the record's number in it (from 0), and the id of the record before it. */
  readonly session: string
  readonly seq: number
  readonly prev?: string
  /** Nanoseconds since the epoch, as decimal strings: they do not fit a JSON number. */
  readonly time: { readonly occurred: string; readonly observed?: string }
  readonly trace?: { readonly id: string; readonly span: string; readonly parent?: string }
  readonly request?: { readonly id: string }
  readonly cause?: { readonly id: string; readonly basis: 'declared' | 'inferred' }
  readonly actor?: {
    readonly id: string
    readonly type: ActorType
    readonly roles?: readonly string[]
    readonly credential?: Credential
  }
  readonly destination?: {
    readonly service?: string
    readonly host?: string
    readonly port?: number
    readonly registered: boolean
    readonly allowed: boolean
  }
  readonly decision?: {
    readonly allowed: boolean
    readonly rule: string
    readonly reason: string
    readonly policy: string
    readonly would_deny: boolean
    readonly mode: RecordMode
  }
  readonly service?: { readonly name: string; readonly owner?: string; readonly instance?: string }
  readonly http?: {
    readonly method?: string
    readonly route?: string
    readonly route_match?: RouteMatch
    readonly status?: number
    readonly request_bytes?: number
    readonly response_bytes?: number
    readonly duration_ns?: number
    readonly first_byte_ns?: number
  }
  readonly egress?: {
    readonly resolved?: readonly string[]
    readonly pinned?: string
    readonly mixed?: boolean
    readonly sni?: string
    readonly alpn?: readonly string[]
    readonly tls?: string
    readonly ech?: boolean
    readonly payload?: {
      readonly content_type?: string
      readonly bytes: number
      readonly sha256?: string
      readonly keys?: readonly string[]
    }
  }
  /** In the outcome of a read of the log: as whom, and what was returned. */
  readonly read?: ReadFacts
  readonly lifecycle?: Lifecycle
  /** Names of the addenda, in the order of the digests that follow the JSON. */
  readonly addenda?: readonly { readonly name: string; readonly bytes: number }[]
}

/** Which process writes a session. */
export type Component = 'gateway' | 'ledger' | 'reader'

/** Facts about the gateway itself. */
export type Lifecycle =
  | {
      readonly kind: 'boot'
      readonly component: Component
      readonly version: string
      /** SHA-256 (hex) of the program's sources or binary. */
      readonly binary: string
      readonly config?: string
      readonly clock: { readonly source: string; readonly offset_ns: number }
      /** What recovery found: the size of the tree, and bytes of a torn last frame that were cut. */
      readonly recovered?: { readonly size: number; readonly torn_bytes: number }
    }
  | {
      readonly kind: 'heartbeat'
      /** Whose it is, when it is not the gateway's. */
      readonly component?: 'reader'
      readonly counters: Readonly<Record<string, number>>
      readonly clock: { readonly source: string; readonly offset_ns: number }
      /** Every transaction still open has its intent at or after this leaf index. */
      readonly open_from?: number
      readonly open: number
    }
  | {
      readonly kind: 'gap'
      readonly from: string
      readonly to: string
      readonly count: number
      readonly why: string
    }
  | {
      readonly kind: 'config'
      readonly config: string
      readonly policy: string
      readonly previous?: string
      readonly accepted: boolean
      readonly error?: string
    }
  | { readonly kind: 'key'; readonly change: 'created' | 'revoked'; readonly key: string }
  | { readonly kind: 'shutdown'; readonly component: Component }
  | {
      readonly kind: 'alarm'
      readonly what: AlarmCause
      /** True when it begins, false when it is over. */
      readonly raised: boolean
      /** Which witness, file or log. */
      readonly about: string
      readonly detail: string
    }
  | {
      readonly kind: 'erasure'
      /** The pseudonym whose key was destroyed. */
      readonly subject: string
      readonly basis: string
      /** Who asked for it. */
      readonly by: string
      /** Leaf indexes whose addenda went with the key, ascending, such as `3,17-19`; empty when there were none. */
      readonly leaves: string
      /** A long list takes several records: this one is `part` (from 1) of `parts`. */
      readonly part: number
      readonly parts: number
    }
  | {
      /** A legal hold: while it stands, the subject is not erased. */
      readonly kind: 'hold' | 'release'
      readonly subject: string
      /** The case that the hold is for. */
      readonly matter: string
      readonly basis: string
      readonly by: string
    }
  | {
      /** The first record of a log that continues another under a new key. */
      readonly kind: 'rotation'
      /** The old log: its origin, last size, root (hex), and last checkpoint, a signed note as witnesses saw it. */
      readonly origin: string
      readonly size: number
      readonly root: string
      readonly checkpoint: string
    }
  | {
      /** Evidence that left: written before the bundle is. */
      readonly kind: 'export'
      readonly scope: 'range' | 'session' | 'person' | 'record'
      readonly by: string
      readonly purpose: string
      /** The session or the pseudonym, where the scope is one. */
      readonly subject?: string
      /** Leaf indexes of the records chosen, as in an erasure. */
      readonly leaves: string
      /** Addenda whose keys went with it. */
      readonly opened: number
    }
  | {
      /** Content that was kept for as long as it had to be: with the keys of these periods, all of it goes, whosever it was. */
      readonly kind: 'retention'
      readonly by: string
      readonly basis?: string
      /** The day (UTC) of the run: what is kept up to an earlier one goes. */
      readonly today: string
      /** Days (UTC, ascending) up to which content was kept, and whose keys were destroyed. */
      readonly periods: readonly string[]
      /** Days before `today` that stay, keys and rows: a hold stands on somebody who has records there. */
      readonly kept: readonly string[]
      /** How many addenda those keys closed. */
      readonly addenda: number
      /** SHA-256 (hex) of the rules in force (`rulesText` of retention.ts). */
      readonly rules: string
    }

/** What an alarm is about. */
export type AlarmCause =
  | 'witness_quorum'
  | 'witness_fork'
  | 'tile_damaged'
  | 'addenda_damaged'
  | 'signer_unavailable'
  | 'log_unverified'
  | 'index_full'

/** A leaf before the writer's session stamps `session`, `seq` and `prev`. */
export type UnstampedLeaf = Omit<Leaf, 'session' | 'seq' | 'prev' | 'addenda'>

/** One named piece of content that may be erased later; at most `ADDENDUM_BYTES_MAX` each. */
export interface Addendum {
  readonly name: string
  readonly content: Uint8Array
  /** Once sealed, `content` is a ciphertext, and this travels beside it (envelope.ts). */
  readonly envelope?: Uint8Array
}

/**
 * What a room hands to the ledger: facts for ever, and content for a while. A member of the leaf that is a frozen object has its
 * text made once, so whatever is inside it never changes either.
 */
export interface Draft {
  readonly leaf: UnstampedLeaf
  readonly addenda: readonly Addendum[]
  /** Under whose key the addenda are sealed (subject.ts); in no leaf. */
  readonly subject?: string
  /** The last day (UTC) on which their content is kept (retention.ts): they are sealed under its key as well; absent: for ever. */
  readonly dropAfter?: string
}
