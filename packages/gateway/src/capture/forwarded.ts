/**
 * Who the client is behind proxies that the operator trusts. Without a trusted peer the answer is the peer:
 * what a stranger writes into Forwarded or X-Forwarded-For is neither believed nor passed on.
 */
import ipaddr from 'ipaddr.js'
import { isIP } from 'node:net'
import type { DefectName } from './defects.ts'
import type { HeaderFacts } from './headers.ts'

/** Whether an address belongs to a configured hop. */
export type IsTrusted = (address: string) => boolean

/** The client after trusted hops, and the scheme it spoke to the outermost of them, where that hop says so. */
export interface Client {
  readonly address: string
  readonly scheme: 'http' | 'https' | undefined
}

interface Hop {
  readonly address: string | undefined
  readonly scheme: 'http' | 'https' | undefined
}

/** Compiles CIDR ranges (or single addresses) into a test. @throws when one is not a range. */
export function trustRanges(ranges: readonly string[]): IsTrusted {
  const parsed = ranges.map((range) =>
    range.includes('/') ? ipaddr.parseCIDR(range) : wholeAddress(ipaddr.parse(range)),
  )
  return (address) => {
    if (parsed.length === 0 || !ipaddr.isValid(address)) return false
    const one = ipaddr.process(address)
    return parsed.some(([base, bits]) => base.kind() === one.kind() && one.match(base, bits))
  }
}

function wholeAddress(address: ipaddr.IPv4 | ipaddr.IPv6): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** An address as sockets give it, in its usual spelling: IPv4 that came over an IPv6 socket is IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** Walks the chain from right to left for as long as hops are trusted. The peer itself must be. */
export function resolveClient(
  peer: string,
  facts: HeaderFacts,
  trusted: IsTrusted,
): Client | DefectName {
  const { forwarded, forwardedFor, forwardedProto } = facts
  const standard =
    forwarded === undefined ? undefined : walk(peer, parseForwarded(forwarded), trusted)
  const legacy =
    forwardedFor === undefined
      ? undefined
      : walk(peer, forwardedFor.split(',').map(legacyHop), trusted)
  // A hop that sets one of them passes the other on from whoever wrote it.
  if (standard !== undefined && legacy !== undefined && standard.address !== legacy.address)
    return 'forwarded_conflict'
  const { address, scheme } = standard ?? legacy ?? { address: peer, scheme: undefined }
  if (standard !== undefined || scheme !== undefined) return { address, scheme }
  return { address, scheme: schemeOf(forwardedProto?.split(',').at(-1)) }
}

/** The chain as it came, believed or not: it goes on record. */
export function rawChain({ forwarded, forwardedFor }: HeaderFacts): readonly string[] {
  if (forwarded === undefined && forwardedFor === undefined) return noChain
  return [forwarded, forwardedFor].filter((text) => text !== undefined)
}

const noChain: readonly string[] = []

/** RFC 7239; one element, because the chain before us ends here. */
export function formatForwarded(client: string, host: string, scheme: string): string {
  const node = client.includes(':') ? `"[${client}]"` : client
  return `for=${node};host="${host}";proto=${scheme}`
}

function walk(
  peer: string,
  hops: readonly Hop[],
  trusted: IsTrusted,
): { address: string; scheme: Hop['scheme'] } {
  let address = peer
  let scheme: Hop['scheme']
  for (const hop of hops.toReversed()) {
    if (!trusted(address)) break
    // An obfuscated or unknown node ends the walk: the hop that wrote it is the last one we can name.
    if (hop.address === undefined) break
    address = hop.address
    scheme = hop.scheme
  }
  return { address, scheme }
}

function parseForwarded(text: string): Hop[] {
  return text.split(',').map((element) => {
    let address: string | undefined
    let scheme: Hop['scheme']
    for (const pair of element.split(';')) {
      const [name = '', ...rest] = pair.split('=')
      const value = rest
        .join('=')
        .trim()
        .replace(/^"(.*)"$/, '$1')
      if (name.trim().toLowerCase() === 'for') address = nodeAddress(value)
      if (name.trim().toLowerCase() === 'proto') scheme = schemeOf(value)
    }
    return { address, scheme }
  })
}

function legacyHop(entry: string): Hop {
  return { address: nodeAddress(entry.trim()), scheme: undefined }
}

/** `192.0.2.1`, `192.0.2.1:1234`, `[2001:db8::1]:1234`, `2001:db8::1`. */
function nodeAddress(node: string): string | undefined {
  if (isIP(node) !== 0) return plainAddress(node.toLowerCase())
  const inner =
    /^\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?$/.exec(node)?.[1] ?? /^([0-9.]+):\d{1,5}$/.exec(node)?.[1]
  return inner !== undefined && isIP(inner) !== 0 ? plainAddress(inner.toLowerCase()) : undefined
}

function schemeOf(text: string | undefined): 'http' | 'https' | undefined {
  const scheme = text?.trim().toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}
