/**
 * Lists of host patterns (`api.example.com`, `*.example.com`, `host:8443`, `*`), compiled so that a look-up
 * costs one map access for each label, however long the list.
 */
import { classifyAddress, looksLikeAddress } from './address-class.ts'
import { PolicyError } from './errors.ts'

/** One line of a list. Without a port the caller's default applies. */
export interface HostPattern {
  readonly text: string
  readonly index: number
  readonly port: number | undefined
}

export interface HostPatterns {
  readonly exact: ReadonlyMap<string, readonly HostPattern[]>
  /** By suffix with its dot: `.example.com` matches `a.example.com`, never the apex. */
  readonly suffix: ReadonlyMap<string, readonly HostPattern[]>
  readonly any: readonly HostPattern[]
}

const syntax = /^(?<host>\[[0-9a-f:.]+\]|[^:[\]]+)(?::(?<port>\d{1,5}))?$/

/** @throws {PolicyError} `POLICY_PATTERN_INVALID` */
export function compileHostPatterns(texts: readonly string[]): HostPatterns {
  const exact = new Map<string, HostPattern[]>()
  const suffix = new Map<string, HostPattern[]>()
  const any: HostPattern[] = []
  for (const [index, text] of texts.entries()) {
    const { host, port } = readPattern(text)
    const pattern = { text, index, port }
    if (host === '*') any.push(pattern)
    else if (host.startsWith('*.')) push(suffix, host.slice(1), pattern)
    else push(exact, host, pattern)
  }
  return { exact, suffix, any }
}

/**
 * The first pattern of the list that names this host and whose port fits.
 * @param host canonical, without port, brackets or final dot.
 */
export function findHost(
  patterns: HostPatterns,
  host: string,
  fits: (pattern: HostPattern) => boolean,
): HostPattern | undefined {
  let best = first(patterns.exact.get(host), undefined, fits)
  if (patterns.suffix.size > 0 && !looksLikeAddress(host)) {
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      // A host that starts with a dot is no name, so the suffix never is the whole of it.
      if (dot > 0) best = first(patterns.suffix.get(host.slice(dot)), best, fits)
    }
  }
  return first(patterns.any, best, fits)
}

function first(
  candidates: readonly HostPattern[] | undefined,
  best: HostPattern | undefined,
  fits: (pattern: HostPattern) => boolean,
): HostPattern | undefined {
  if (candidates === undefined) return best
  for (const pattern of candidates) {
    if ((best === undefined || pattern.index < best.index) && fits(pattern)) return pattern
  }
  return best
}

function readPattern(text: string): { host: string; port: number | undefined } {
  const groups = syntax.exec(text)?.groups
  const port = groups?.['port'] === undefined ? undefined : Number(groups['port'])
  let host = groups?.['host'] ?? ''
  if (host === '' || port === 0 || (port ?? 0) > 65_535)
    throw invalid(text, 'it is not a host with an optional port')
  if (host.startsWith('[')) host = host.slice(1, -1)
  if (!host.startsWith('*') && looksLikeAddress(host)) {
    const address = classifyAddress(host)
    if (address.range === 'malformed')
      throw invalid(text, 'it is neither a name nor an address in canonical form')
    host = address.text
  }
  return { host, port }
}

function push(map: Map<string, HostPattern[]>, key: string, pattern: HostPattern): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [pattern])
  else list.push(pattern)
}

function invalid(text: string, why: string): PolicyError {
  return new PolicyError('POLICY_PATTERN_INVALID', `host pattern '${text}': ${why}`)
}
