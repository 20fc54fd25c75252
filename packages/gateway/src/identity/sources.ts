/** Source addresses: the weakest proof, for services inside a network that can present nothing better. */
import ipaddr from 'ipaddr.js'
import type { Actor } from '@countersign/record/vocabulary'
import { provenActor } from './actors.ts'
import type { Naming } from './actors.ts'
import { Lru } from '../platform.ts'

interface Source {
  readonly range: [ipaddr.IPv4 | ipaddr.IPv6, number]
  readonly service: string
}

export interface Sources {
  /** The service that calls from here, or undefined. The narrowest range wins. */
  identify(address: string): Actor | undefined
  /** Lets go of the actors it holds. */
  forget(): void
}

const cachedMax = 4_096

/** @param byService addresses or CIDR ranges, by service. */
export function knowSources(
  byService: ReadonlyMap<string, readonly string[]>,
  naming: Naming,
): Sources {
  const sources: Source[] = []
  for (const [service, texts] of byService) {
    for (const text of texts) sources.push({ range: parse(text), service })
  }
  const narrowestFirst = sources.toSorted((a, b) => b.range[1] - a.range[1])
  const cache = new Lru<string, Actor | 'none'>(cachedMax)
  return {
    identify(address) {
      if (narrowestFirst.length === 0) return undefined
      let actor = cache.get(address)
      if (actor === undefined) {
        const service = find(narrowestFirst, address)
        actor = service === undefined ? 'none' : actorOf(service, naming)
        cache.set(address, actor)
      }
      return actor === 'none' ? undefined : actor
    },
    forget: () => cache.clear(),
  }
}

function find(sources: readonly Source[], text: string): string | undefined {
  if (!ipaddr.isValid(text)) return undefined
  // `process` turns ::ffff:10.0.0.1, as a dual-stack socket says it, into 10.0.0.1.
  const address = ipaddr.process(text)
  return sources.find(({ range }) => address.kind() === range[0].kind() && address.match(range))
    ?.service
}

function actorOf(service: string, naming: Naming): Actor {
  const subject = { type: 'service', issuer: '', name: service, groups: [] } as const
  return provenActor(naming, subject, { kind: 'source_address', defects: [] })
}

function parse(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.parse(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}
