/** `host[:port]`, as in a Host header or a request target. Attacker-controlled; one spelling a host comes out. */
import { isIPv4, isIPv6 } from 'node:net'
import type { DefectName } from './defects.ts'

/** A host without brackets or port, lower-case; `port` undefined when none was written. */
export interface Authority {
  readonly host: string
  readonly port: number | undefined
}

const cacheMax = 1024
const cache = new Map<string, Authority | DefectName>()

/** Parses `example.com`, `example.com:8443`, `192.0.2.1`, `[2001:db8::1]:443`; refuses every other spelling of an address. */
export function parseAuthority(text: string): Authority | DefectName {
  const seen = cache.get(text)
  if (seen !== undefined) return seen
  const parsed = parse(text)
  if (cache.size >= cacheMax) cache.clear()
  cache.set(text, parsed)
  return parsed
}

/** The authority as it goes into a Host header: brackets around IPv6, no default port. */
export function formatAuthority(scheme: 'http' | 'https', host: string, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === defaultPort(scheme) ? name : `${name}:${port}`
}

/** 80 or 443. */
export function defaultPort(scheme: 'http' | 'https'): number {
  return scheme === 'http' ? 80 : 443
}

function parse(text: string): Authority | DefectName {
  if (text.includes('@')) return 'target_userinfo'
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]+)(?::([1-9][0-9]{0,4}))?$/.exec(text)
  const written = match?.[1]
  if (written === undefined) return 'host'
  const port = match?.[2] === undefined ? undefined : Number(match[2])
  if (port !== undefined && port > 65_535) return 'host'
  const host = written.startsWith('[')
    ? canonicalIpv6(written)
    : canonicalName(written.toLowerCase())
  return host === undefined ? 'host' : { host, port }
}

function canonicalIpv6(bracketed: string): string | undefined {
  if (!isIPv6(bracketed.slice(1, -1))) return undefined
  return URL.canParse(`http://${bracketed}/`)
    ? new URL(`http://${bracketed}/`).hostname.slice(1, -1)
    : undefined
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

function canonicalName(name: string): string | undefined {
  if (isIPv4(name)) return name
  if (name.length > 253) return undefined
  const labels = name.split('.')
  if (!labels.every((each) => label.test(each))) return undefined
  // A last label of digits, or hexadecimal, makes resolvers read the whole as an address: 127.1, 0x7f.1, 2130706433.
  return /^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') ? undefined : name
}
