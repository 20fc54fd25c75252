/**
 * Reads the header lines of a request once, as they came, and sorts them: what is passed on, what frames
 * the message, what names the caller, what is dropped. Attacker-controlled, all of it.
 */
import type { Header } from '@countersign/record/vocabulary'
import type { DefectName } from './defects.ts'

/** What the header section says, besides the end-to-end headers that are passed on. */
export interface HeaderFacts {
  host: string | undefined
  contentLength: string | undefined
  transferEncoding: string | undefined
  connection: string | undefined
  expect: string | undefined
  upgrade: string | undefined
  authorization: string | undefined
  proxyAuthorization: string | undefined
  apiKey: string | undefined
  contentType: string | undefined
  traceparent: string | undefined
  tracestate: string | undefined
  requestId: string | undefined
  forwarded: string | undefined
  forwardedFor: string | undefined
  forwardedProto: string | undefined
}

/** End-to-end headers in their order, lower-case names; and the facts. */
export interface ScannedHeaders {
  readonly headers: Header[]
  readonly facts: HeaderFacts
}

/** How one header name is treated. */
interface Rule {
  readonly name: string
  /** Passed on, unless `Connection` names it. */
  readonly pass: boolean
  /** Where its value goes. */
  readonly fact?: keyof HeaderFacts
  /** The defect of a second one; without it, values are joined by a comma. */
  readonly repeated?: DefectName
  readonly defect?: DefectName
  /** One of our own names: dropped, but for who speaks to the gateway itself. */
  readonly isOwn?: boolean
}

const headersMax = 256
const spellingsMax = 4096

// What a caller says about itself is never passed on as if it had been verified: these are the names under
// which servers and proxies hand over an identity, an original address or another method.
const asserted: ReadonlySet<string> = new Set([
  'client-cert',
  'client-cert-chain',
  'front-end-https',
  'forwarded-for',
  'remote-addr',
  'remote-user',
  'ssl-client-cert',
  'ssl-client-s-dn',
  'ssl-client-verify',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-client-cert',
  'x-client-dn',
  'x-client-ip',
  'x-client-verify',
  'x-cluster-client-ip',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-host',
  'x-original-method',
  'x-original-uri',
  'x-original-url',
  'x-real-ip',
  'x-remote-group',
  'x-remote-groups',
  'x-remote-user',
  'x-rewrite-url',
  'x-spiffe-id',
  'x-ssl-cert',
  'x-ssl-client-cert',
  'x-ssl-client-dn',
  'x-ssl-client-verify',
  'x-user',
  'x-user-id',
  'x-webauth-user',
])
const ownPrefix = 'countersign-'
const assertedPrefixes = [
  'x-forwarded-',
  'x-auth-request-',
  'x-authenticated-',
  'x-amzn-oidc-',
  'x-goog-authenticated-user-',
  ownPrefix,
  'x-countersign-',
] as const

// Also names that `Connection` may not make disappear: see `connectionDrops`.
const special: readonly Rule[] = [
  { name: 'host', pass: false, fact: 'host', repeated: 'duplicate_host' },
  { name: 'content-length', pass: false, fact: 'contentLength', repeated: 'content_length' },
  {
    name: 'transfer-encoding',
    pass: false,
    fact: 'transferEncoding',
    repeated: 'transfer_encoding',
  },
  { name: 'expect', pass: false, fact: 'expect', repeated: 'expectation' },
  { name: 'authorization', pass: true, fact: 'authorization', repeated: 'duplicate_authorization' },
  { name: 'content-type', pass: true, fact: 'contentType', repeated: 'duplicate_content_type' },
  { name: 'x-api-key', pass: true, fact: 'apiKey', repeated: 'duplicate_own_header' },
  { name: 'traceparent', pass: false, fact: 'traceparent', repeated: 'duplicate_own_header' },
  { name: 'tracestate', pass: false, fact: 'tracestate' },
  { name: 'x-request-id', pass: false, fact: 'requestId', repeated: 'duplicate_own_header' },
  { name: 'forwarded', pass: false, fact: 'forwarded' },
  { name: 'x-forwarded-for', pass: false, fact: 'forwardedFor' },
  { name: 'x-forwarded-proto', pass: false, fact: 'forwardedProto' },
]
const hopByHop: readonly Rule[] = [
  { name: 'connection', pass: false, fact: 'connection' },
  {
    name: 'proxy-authorization',
    pass: false,
    fact: 'proxyAuthorization',
    repeated: 'duplicate_own_header',
  },
  { name: 'upgrade', pass: false, fact: 'upgrade' },
  { name: 'http2-settings', pass: false, defect: 'upgrade_h2c' },
  { name: 'keep-alive', pass: false },
  { name: 'proxy-connection', pass: false },
  { name: 'proxy-authenticate', pass: false },
  { name: 'te', pass: false },
  { name: 'trailer', pass: false },
]
const protectedNames: ReadonlySet<string> = new Set([
  ...special.map((rule) => rule.name),
  'cookie',
  'content-encoding',
  'http2-settings',
  'proxy-authorization',
])

// One rule a spelling, so that a name is lower-cased and judged once, not once a request. Full of strangers
// it starts anew: a caller who invents names only pays for them itself.
const spellings = new Map<string, Rule>()
const known = new Map<string, Rule>([...special, ...hopByHop].map((rule) => [rule.name, rule]))

/**
 * Sorts `name, value, name, value...` as node:http's `rawHeaders` gives them.
 * @param own whether headers of our own names pass: only to what is this gateway itself.
 */
export function scanHeaders(raw: readonly string[], own = false): ScannedHeaders | DefectName {
  if (raw.length > 2 * headersMax) return 'headers_too_many'
  const facts = noFacts()
  const headers: Header[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const value = raw[at + 1] ?? ''
    const rule = ruleOf(raw[at] ?? '')
    if (rule.defect !== undefined) return rule.defect
    if (hasControl.test(value)) return 'header_value'
    if (rule.fact !== undefined) {
      const before = facts[rule.fact]
      if (before === undefined) facts[rule.fact] = value
      else if (rule.repeated !== undefined) return rule.repeated
      else facts[rule.fact] = `${before}, ${value}`
    }
    if (rule.pass || (own && rule.isOwn === true)) headers.push([rule.name, value])
  }
  if (facts.connection === undefined) return { headers, facts }
  const dropped = connectionDrops(facts.connection)
  if (typeof dropped === 'string') return dropped
  return dropped === undefined
    ? { headers, facts }
    : { headers: headers.filter(([name]) => !dropped.has(name)), facts }
}

const hasControl = /[^\t\x20-\x7e\x80-\xff]/

function noFacts(): HeaderFacts {
  return {
    host: undefined,
    contentLength: undefined,
    transferEncoding: undefined,
    connection: undefined,
    expect: undefined,
    upgrade: undefined,
    authorization: undefined,
    proxyAuthorization: undefined,
    apiKey: undefined,
    contentType: undefined,
    traceparent: undefined,
    tracestate: undefined,
    requestId: undefined,
    forwarded: undefined,
    forwardedFor: undefined,
    forwardedProto: undefined,
  }
}

function ruleOf(spelling: string): Rule {
  const seen = spellings.get(spelling)
  if (seen !== undefined) return seen
  const rule = judge(spelling)
  if (spellings.size >= spellingsMax) spellings.clear()
  spellings.set(spelling, rule)
  return rule
}

function judge(spelling: string): Rule {
  const name = spelling.toLowerCase()
  const rule = known.get(name)
  if (rule !== undefined) return rule
  if (name.includes('_')) return { name, pass: false, defect: 'header_name_underscore' }
  if (!/^[a-z0-9.-]+$/.test(name)) return { name, pass: false, defect: 'header_name' }
  return { name, pass: !isAsserted(name), isOwn: name.startsWith(ownPrefix) }
}

/** Whether a name is one that only the gateway may set; CGI and its heirs read "." as "-" too. */
export function isAsserted(name: string): boolean {
  const normal = name.replaceAll('.', '-')
  return (
    asserted.has(normal) ||
    known.get(normal)?.pass === false ||
    assertedPrefixes.some((prefix) => normal.startsWith(prefix))
  )
}

/** The names that `Connection` makes hop-by-hop; undefined when it says nothing but close, keep-alive, te or upgrade. */
function connectionDrops(connection: string): ReadonlySet<string> | undefined | DefectName {
  if (connection === 'keep-alive' || connection === 'close' || connection === 'Keep-Alive')
    return undefined
  const names = connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  for (const name of names) {
    if (protectedNames.has(name) || assertedPrefixes.some((prefix) => name.startsWith(prefix))) {
      return name === 'http2-settings' ? 'upgrade_h2c' : 'connection_names_protected'
    }
  }
  return new Set(names)
}
