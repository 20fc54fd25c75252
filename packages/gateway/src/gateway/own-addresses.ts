/** Knows whether a destination is one of our own listeners, under any address of this machine. */
import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'

const refreshMs = 10_000

/**
 * @param ports our listening ports, read at each question.
 * @returns true for any loopback, unspecified or interface address together with one of those ports.
 */
export function openOwnAddresses(options: {
  ports: () => ReadonlySet<number>
  nowMs: () => number
}): (address: string, port: number) => boolean {
  let known = new Set<string>()
  let readAt = Number.NEGATIVE_INFINITY
  return (address, port) => {
    if (!options.ports().has(port)) return false
    const parsed = ipaddr.process(address)
    const range = parsed.range()
    if (range === 'loopback' || range === 'unspecified') return true
    const now = options.nowMs()
    if (now - readAt > refreshMs) {
      known = ownAddresses()
      readAt = now
    }
    return known.has(parsed.toNormalizedString())
  }
}

function ownAddresses(): Set<string> {
  const own = new Set<string>()
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      own.add(ipaddr.process(address.replace(/%.*$/, '')).toNormalizedString())
    }
  }
  return own
}
