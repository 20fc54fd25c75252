/**
 * Turns the name of a destination into addresses, once a request. It holds the look-ups that are under way,
 * guarantees that what comes out are plain addresses and few, and keeps nothing: there is no cache to poison.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'

/** Answers the addresses of a DNS name; rejects when there are none. */
export type Resolver = (host: string) => Promise<readonly string[]>

/** The machine's own resolver (`getaddrinfo`), all answers, in its order. */
export const systemResolver: Resolver = async (host) => {
  const answers = await lookup(host, { all: true, order: 'verbatim' })
  return answers.map((answer) => answer.address)
}

/** Why a name has no usable addresses. */
export type ResolutionFailure =
  | 'name_not_resolved'
  | 'resolve_timeout'
  | 'too_many_addresses'
  | 'resolver_busy'

export type Resolution =
  | { readonly addresses: readonly string[] }
  | { readonly failure: ResolutionFailure; readonly cause?: unknown }

export interface ResolutionLimits {
  readonly resolveTimeoutMs: number
  /** Look-ups under way; `getaddrinfo` can not be cancelled, so one that timed out still counts. */
  readonly lookupsMax: number
  /** Addresses of one name; every one of them is classified. */
  readonly addressesMax: number
}

/** Resolves one host; an address is its own answer. */
export type Resolve = (host: string) => Promise<Resolution>

/** Opens a resolution with its own count of look-ups. The result never rejects. */
export function openResolution(resolver: Resolver, limits: () => ResolutionLimits): Resolve {
  let underWay = 0
  return async (host) => {
    if (isIP(host) !== 0) return { addresses: [host] }
    const { resolveTimeoutMs, lookupsMax, addressesMax } = limits()
    if (underWay >= lookupsMax) return { failure: 'resolver_busy' }
    underWay += 1
    // `async` so that a resolver that throws is one that rejects.
    const answers = (async () => resolver(host))().finally(() => {
      underWay -= 1
    })
    const judged = answers.then(
      (addresses) => judge(addresses, addressesMax),
      (cause: unknown): Resolution => ({ failure: 'name_not_resolved', cause }),
    )
    return within(judged, resolveTimeoutMs)
  }
}

/** Attacker-controlled: whoever owns the name chooses the answers. */
function judge(answers: readonly string[], addressesMax: number): Resolution {
  const addresses = [...new Set(answers)]
  if (addresses.length > addressesMax) return { failure: 'too_many_addresses' }
  // A zone id names an interface of this machine, which no name outside it can mean.
  const plain = addresses.every((address) => isIP(address) !== 0 && !address.includes('%'))
  return plain && addresses.length > 0 ? { addresses } : { failure: 'name_not_resolved' }
}

async function within(resolution: Promise<Resolution>, timeoutMs: number): Promise<Resolution> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<Resolution>((resolve) => {
    timer = setTimeout(() => resolve({ failure: 'resolve_timeout' }), timeoutMs)
  })
  try {
    return await Promise.race([resolution, timeout])
  } finally {
    clearTimeout(timer)
  }
}
