/**
 * What kind of address is this? Egress dials an address only when this file calls it public, or when the
 * operator opened its range by `allowPrivate`. The metadata floor is never opened (hardening.md, "Egress").
 */
import ipaddr from 'ipaddr.js'

/**
 * `public` may be dialled; `inside` only when `allowPrivate` covers it; `never` and `metadata` not at all.
 */
export type AddressKind = 'public' | 'inside' | 'never' | 'metadata'

/** An address read strictly. `text` is canonical; `embedded` are the IPv4 addresses a transition form carries. */
export interface ClassifiedAddress {
  readonly text: string
  readonly kind: AddressKind
  /** Name of the special range, for people: private, loopback, rfc6052... */
  readonly range: string
  readonly embedded: readonly ClassifiedAddress[]
}

/** A CIDR range, compiled. */
export type AddressRange = [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number]

/** Addresses of instance metadata and credential services; they answer whoever can reach them. */
export const metadataAddresses: readonly string[] = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
]

/** Names of the same services; refused before DNS. */
export const metadataNames: readonly string[] = [
  'metadata.google.internal',
  'metadata.goog',
  'instance-data.ec2.internal',
]

const floor = new Set(metadataAddresses.map((text) => ipaddr.parse(text).toString()))

/** Classifying costs some 20 microseconds, and a gateway calls few places many times. A pure function, remembered. */
const classified = new Map<string, ClassifiedAddress>()
const classifiedMax = 4_096
/** The longest spelling of an IPv6 address, with an IPv4 tail. */
const addressCharactersMax = 45
const neverRanges = new Set(['unspecified', 'broadcast', 'multicast'])

/**
 * Classifies one address, and every IPv4 address it may carry inside.
 * @param text an address as a resolver or a canonical request gives it; zone ids and short forms are `never`.
 */
export function classifyAddress(text: string): ClassifiedAddress {
  if (text.length > addressCharactersMax) return malformed(text)
  const known = classified.get(text)
  if (known !== undefined) return known
  const fresh = classifyAfresh(text)
  if (classified.size >= classifiedMax) classified.clear()
  classified.set(text, fresh)
  return fresh
}

function classifyAfresh(text: string): ClassifiedAddress {
  const address = readAddress(text)
  if (address === undefined) return malformed(text)
  return address instanceof ipaddr.IPv6 ? classifyIpv6(address) : classifyIpv4(address)
}

function malformed(text: string): ClassifiedAddress {
  return { text, kind: 'never', range: 'malformed', embedded: [] }
}

/** True when `host` is written as an address, or in a way some resolver would take for one (`127.1`, `0x7f.1`). */
export function looksLikeAddress(host: string): boolean {
  if (host.includes(':')) return true
  const last = host.lastIndexOf('.') + 1
  const first = host.charCodeAt(last)
  // The WHATWG's "ends in a number": what inet_aton, and so getaddrinfo, may read as an address.
  return first >= 0x30 && first <= 0x39 && /^(\d+|0x[0-9a-f]*)$/i.test(host.slice(last))
}

/** True when the address may be dialled: public, or opened by a range; what it carries must be acceptable too. */
export function acceptable(address: ClassifiedAddress, opened: readonly AddressRange[]): boolean {
  if (address.kind === 'public') return true
  if (address.kind !== 'inside') return false
  return (
    isWithin(address.text, opened) && address.embedded.every((inner) => acceptable(inner, opened))
  )
}

/** @returns undefined when the text is not a CIDR range. */
export function parseRange(text: string): AddressRange | undefined {
  return ipaddr.isValidCIDR(text) && !text.includes('%') ? ipaddr.parseCIDR(text) : undefined
}

function isWithin(text: string, ranges: readonly AddressRange[]): boolean {
  const address = ipaddr.parse(text)
  return ranges.some(([network, bits]) => {
    if (address.kind() !== network.kind()) return false
    return address.match(network, bits)
  })
}

// Attacker-controlled: a request's literal host, or the answer of a name server the attacker runs.
function readAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined
  return ipaddr.IPv6.parse(text)
}

function classifyIpv4(address: ipaddr.IPv4): ClassifiedAddress {
  const text = address.toString()
  return { text, ...classOf(text, address.range()), embedded: [] }
}

function classifyIpv6(address: ipaddr.IPv6): ClassifiedAddress {
  const text = address.toString()
  const range = address.range()
  const embedded = embeddedIn(address, range).map(classifyIpv4)
  const isFloor = embedded.some((inner) => inner.kind === 'metadata')
  const own = classOfIpv6(address, text, range)
  return { text, kind: isFloor ? 'metadata' : own.kind, range: own.range, embedded }
}

function classOfIpv6(
  address: ipaddr.IPv6,
  text: string,
  range: string,
): { kind: AddressKind; range: string } {
  // ipaddr.js calls all unassigned space unicast, with ::/96 in it; only 2000::/3 is global unicast (RFC 4291).
  if (range === 'unicast' && (address.parts[0] ?? 0) >> 13 !== 1) {
    return { kind: 'inside', range: 'unassigned' }
  }
  // Local-use NAT64 hides the IPv4 address at a place only its operator knows.
  if (range === 'rfc6052' && address.parts[2] === 1) return { kind: localNat64Kind(address), range }
  return classOf(text, range)
}

function classOf(text: string, range: string): { kind: AddressKind; range: string } {
  if (floor.has(text)) return { kind: 'metadata', range: 'metadata' }
  if (range === 'unicast') return { kind: 'public', range }
  return { kind: neverRanges.has(range) ? 'never' : 'inside', range }
}

function localNat64Kind(address: ipaddr.IPv6): AddressKind {
  const bytes = address.toByteArray()
  const layouts = [
    [6, 7, 9, 10],
    [7, 9, 10, 11],
    [9, 10, 11, 12],
    [12, 13, 14, 15],
  ]
  const isMetadata = layouts.some((layout) => floor.has(layout.map((at) => bytes[at]).join('.')))
  return isMetadata ? 'metadata' : 'never'
}

/** The IPv4 addresses inside a transition form: mapped, compatible, SIIT, NAT64, 6to4, Teredo. */
function embeddedIn(address: ipaddr.IPv6, range: string): ipaddr.IPv4[] {
  const bytes = address.toByteArray()
  const at = (start: number, mask: number): ipaddr.IPv4 =>
    new ipaddr.IPv4(bytes.slice(start, start + 4).map((byte) => byte ^ mask))
  if (range === 'ipv4Mapped' || range === 'rfc6145') return [at(12, 0)]
  if (range === 'rfc6052') return address.parts[2] === 1 ? [] : [at(12, 0)]
  if (range === '6to4') return [at(2, 0)]
  if (range === 'teredo') return [at(4, 0), at(12, 0xff)]
  // IPv4-compatible, ::a.b.c.d; `::` and `::1` have classes of their own.
  const isCompatible = range === 'unicast' && bytes.slice(0, 12).every((byte) => byte === 0)
  return isCompatible ? [at(12, 0)] : []
}
