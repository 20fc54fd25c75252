/**
 * From the head of a request as our codec (inbound) or node:http (egress) parsed it to the one canonical request that is
 * decided on, recorded and forwarded. llhttp reports a request before its framing is judged, and is lenient besides;
 * the judging is here. Pure: no socket, no clock. Attacker-controlled input throughout.
 */
import type { CanonicalRequest, Header } from '@countersign/record/vocabulary'
import { type Authority, defaultPort, parseAuthority } from './authority.ts'
import type { DefectName } from './defects.ts'
import { type HeaderFacts, type ScannedHeaders, scanHeaders } from './headers.ts'
import { type CanonicalTarget, canonicalTarget } from './target.ts'

/** The head as it came; an `http.IncomingMessage` is one, and so is the codec's `RequestHead`. */
export interface RawHead {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  readonly rawHeaders: readonly string[]
}

/** Which request targets a listener takes: a reverse one `origin`, a forward one `proxy`. */
export interface HeadOptions {
  readonly listener: 'origin' | 'proxy'
  /** Of the listener itself; a proxy takes the scheme from the target. */
  readonly scheme: 'http' | 'https'
  readonly bodyBytesMax: number
  /** Whether `countersign-` headers of the client pass: only where the gateway itself is spoken to. */
  readonly ownHeaders?: boolean
}

/** The canonical request, and what the header section said besides. */
export interface ParsedHead {
  readonly request: CanonicalRequest
  readonly facts: HeaderFacts
  /** The client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean
}

interface Where {
  readonly scheme: 'http' | 'https'
  readonly authority: Authority
  readonly target: CanonicalTarget
}

/** Parses and validates a head, or names what is wrong with it. */
export function parseHead(raw: RawHead, options: HeadOptions): ParsedHead | DefectName {
  if (raw.httpVersionMajor !== 1 || raw.httpVersionMinor > 1) return 'http_version'
  const scanned = scanHeaders(raw.rawHeaders, options.ownHeaders)
  if (typeof scanned === 'string') return scanned
  const { facts } = scanned
  const headers = options.listener === 'origin' ? withoutOwnKeys(scanned) : scanned.headers
  if (facts.upgrade !== undefined)
    return /\bh2c\b/i.test(facts.upgrade) ? 'upgrade_h2c' : 'upgrade_not_declared'
  const method = raw.method ?? ''
  const where = locate(raw, facts, options)
  if (typeof where === 'string') return where
  const body = framing(facts, raw.httpVersionMinor, options.bodyBytesMax)
  if (typeof body === 'string') return body
  if (method === 'CONNECT' && body.framing !== 'none') return 'body_not_allowed'
  const expectsContinue = facts.expect !== undefined && raw.httpVersionMinor === 1
  if (expectsContinue && facts.expect?.toLowerCase() !== '100-continue') return 'expectation'
  const { authority, scheme } = where
  const { path, query } = where.target
  const port = authority.port ?? defaultPort(scheme)
  const request: CanonicalRequest =
    query === undefined
      ? { method, scheme, host: authority.host, port, path, headers, body }
      : { method, scheme, host: authority.host, port, path, query, headers, body }
  return { request, facts, expectsContinue }
}

/**
 * A key that this gateway gave out is meant for this gateway: an upstream that saw it could be its bearer elsewhere. On the way
 * out such a key is for the destination, which may be a gateway too.
 */
function withoutOwnKeys({ facts, headers }: ScannedHeaders): readonly Header[] {
  const { authorization = '', apiKey = '' } = facts
  const drop: string[] = []
  if (ownBearer.test(authorization)) drop.push('authorization')
  if (apiKey.startsWith(ownKeyPrefix)) drop.push('x-api-key')
  return drop.length === 0 ? headers : headers.filter(([name]) => !drop.includes(name))
}

/** How `countersign keys create` begins every key. */
const ownKeyPrefix = 'csk_'
const ownBearer = /^bearer +csk_/i

function locate(raw: RawHead, facts: HeaderFacts, options: HeadOptions): Where | DefectName {
  const { method = '', url = '' } = raw
  if (!/^[A-Z][A-Z-]{0,31}$/.test(method) || method === 'TRACE') return 'method'
  if (method === 'CONNECT')
    return options.listener === 'proxy' ? locateTunnel(url, facts) : 'method'
  if (!url.startsWith('/')) return locateAbsolute(url, facts, options)
  if (options.listener === 'proxy') return 'target_form'
  if (facts.host === undefined) return 'missing_host'
  const authority = parseAuthority(facts.host)
  if (typeof authority === 'string') return authority
  const target = canonicalTarget(url)
  return typeof target === 'string' ? target : { scheme: options.scheme, authority, target }
}

/** CONNECT: authority-form only, and the port is not optional. */
function locateTunnel(url: string, facts: HeaderFacts): Where | DefectName {
  const authority = parseAuthority(url)
  if (typeof authority === 'string') return authority
  if (authority.port === undefined) return 'target_form'
  const differs = hostDiffers(facts, authority, 'https')
  return differs ?? { scheme: 'https', authority, target: { path: '', query: undefined } }
}

function locateAbsolute(url: string, facts: HeaderFacts, options: HeadOptions): Where | DefectName {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/.exec(url)
  if (match === null) return 'target_form'
  const scheme = match[1]?.toLowerCase()
  if (scheme !== 'http' && scheme !== 'https') return 'target_scheme'
  if (options.listener === 'origin' && scheme !== options.scheme) return 'target_scheme'
  const authority = parseAuthority(match[2] ?? '')
  if (typeof authority === 'string') return authority
  if (options.listener === 'origin' && facts.host === undefined) return 'missing_host'
  const differs = hostDiffers(facts, authority, scheme)
  if (differs !== undefined) return differs
  const rest = match[3] ?? ''
  const target = canonicalTarget(rest.startsWith('/') ? rest : `/${rest}`)
  return typeof target === 'string' ? target : { scheme, authority, target }
}

/** HTTP/1.0 proxies may leave Host out; when it is there, it says the same as the target. */
function hostDiffers(
  facts: HeaderFacts,
  target: Authority,
  scheme: 'http' | 'https',
): DefectName | undefined {
  if (facts.host === undefined) return undefined
  const host = parseAuthority(facts.host)
  if (typeof host === 'string') return host
  const port = defaultPort(scheme)
  const equal = host.host === target.host && (host.port ?? port) === (target.port ?? port)
  return equal ? undefined : 'host_mismatch'
}

const none = { framing: 'none' } as const
const chunked = { framing: 'chunked' } as const

function framing(
  facts: HeaderFacts,
  minor: number,
  bytesMax: number,
): CanonicalRequest['body'] | DefectName {
  const { contentLength, transferEncoding } = facts
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) return 'length_and_chunked'
    return transferEncoding === 'chunked' && minor === 1 ? chunked : 'transfer_encoding'
  }
  if (contentLength === undefined) return none
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(contentLength)) return 'content_length'
  const bytes = Number(contentLength)
  return bytes > bytesMax ? 'body_too_large' : { framing: 'length', bytes }
}
