/**
 * Synthetic transactions, realistic where it matters to an index: few services and actors do most of the work, most of it is allowed and
 * quick, a trace is a request and the calls it caused, and thirty days lie between the first and the last. The same seed gives the same.
 */
import type { Transaction } from '@countersign/record/transaction'

export const ORIGIN = 'audit.example.com/bench'
export const SERVICES = 200
export const ACTORS = 20_000
export const DESTINATIONS = 300
export const SPAN_NS = 30n * 86_400_000_000_000n
/** 2026-11-01T00:00:00Z. */
export const START_NS = 1_793_491_200_000_000_000n

/** Of three transactions of a trace, one is the request and two are calls. */
const IN_A_TRACE = 3

/** A generator of numbers from 0 to 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Few of many: the first tenth is drawn almost half of the time. */
export function drawn(random: () => number, count: number): number {
  return Math.floor(count * random() ** 3)
}

export const serviceName = (number: number): string => `service-${number}`
export const actorId = (number: number): string => hex(number + 1, 2_654_435_761, 32)
export const destinationName = (number: number): string => `api-${number}.example.net`
/** The trace of transaction `number`. */
export const traceOf = (number: number): string =>
  hex(Math.floor(number / IN_A_TRACE) + 1, 40_503, 32)
export const recordId = (number: number): string => {
  const text = hex(number + 1, 97, 32)
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-7${text.slice(13, 16)}-a${text.slice(17, 20)}-${text.slice(20)}`
}

/** Digits that look like chance and belong to one number alone. */
function hex(number: number, factor: number, digits: number): string {
  const mixed = (BigInt(number) * BigInt(factor) * 0x9e37_79b9_7f4a_7c15n) % 2n ** 96n
  return (mixed.toString(16) + number.toString(16).padStart(10, '0'))
    .padStart(digits, '0')
    .slice(-digits)
}

/** Transactions `from` to `to` (not included) of `total`, in the order of their logs. */
export function transactionsOf(
  { from, to, total }: { from: number; to: number; total: number },
  seed = 1,
): Transaction[] {
  return Array.from({ length: to - from }, (_, at) => transactionAt(from + at, total, seed))
}

function transactionAt(number: number, total: number, seed: number): Transaction {
  const random = randomFrom(seed * 7_919 + number)
  const time = START_NS + (SPAN_NS * BigInt(number)) / BigInt(total)
  // Log-normal: most take some milliseconds, a few take seconds.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const duration = BigInt(Math.round(Math.exp(Math.log(8e6) + 1.1 * normal)))
  const common = {
    origin: ORIGIN,
    index: 2 * number + 1,
    intent: 2 * number,
    id: recordId(number),
    time: String(time),
    ended: String(time + duration),
    session: '01890a5d-ac96-774b-bcce-b302099a8057',
    trace: traceOf(number),
    span: hex(number + 1, 31, 16),
    request: recordId(number),
    duration: String(duration),
    instance: `gateway-${number % 4}`,
    policy: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
    mode: 'strict',
    captured: 'meta',
    content: 'open',
    client: `10.${number % 200}.${number % 97}.${number % 251}`,
    peer: `10.0.0.${number % 16}:${40_000 + (number % 20_000)}`,
  } as const
  return number % IN_A_TRACE === 0
    ? inbound(common, random, number)
    : outbound(common, random, number)
}

type Common = Pick<Transaction, 'origin' | 'index' | 'id' | 'time'> & Partial<Transaction>

function inbound(common: Common, random: () => number, number: number): Transaction {
  const service = drawn(random, SERVICES)
  const actor = drawn(random, ACTORS)
  const route = Math.floor(random() * 5)
  const chance = random()
  const denied = chance < 0.04
  const failed = !denied && chance < 0.05
  const status = denied ? 403 : failed ? 502 : 200
  return {
    ...common,
    class: 'http.server',
    action: `thing${route}.read`,
    crud: route === 4 ? 'update' : 'read',
    outcome: denied ? 'denied' : failed ? 'failure' : 'success',
    ...(denied ? { reason: 'no_grant' } : {}),
    ...(route === 0 ? { labels: ['pii'] } : {}),
    actor: `user-${actor}`,
    'actor.id': actorId(actor),
    'actor.type': 'user',
    'actor.roles': ['support'],
    'actor.groups': ['support', `team-${actor % 40}`],
    credential: 'jwt',
    'credential.fingerprint': hex(actor + 1, 11, 32),
    'credential.issuer': 'https://login.example.com/',
    service: serviceName(service),
    owner: `team-${service % 40}`,
    method: route === 4 ? 'POST' : 'GET',
    route: `/things${route}/{id}`,
    'route.match': 'declared',
    status,
    'request.bytes': route === 4 ? Math.floor(random() * 4_000) : 0,
    'response.bytes': Math.floor(random() * 60_000),
    registered: true,
    allowed: !denied,
    rule: `services.${serviceName(service)}.routes[${route}]: GET /things${route}/{id}`,
    decision: denied ? 'no_grant' : 'granted',
    would_deny: false,
    host: `${serviceName(service)}.example.com`,
    path: `/things${route}/case${Math.floor(number / 50)}`,
    user_agent: `agent/${actor % 12}.0 (bench)`,
  }
}

function outbound(common: Common, random: () => number, number: number): Transaction {
  const service = drawn(random, SERVICES)
  const destination = drawn(random, DESTINATIONS)
  const denied = random() < 0.01
  return {
    ...common,
    class: 'http.client',
    action: 'egress.request',
    crud: 'execute',
    outcome: denied ? 'denied' : 'success',
    ...(denied ? { reason: 'egress_not_listed' } : {}),
    actor: serviceName(service),
    'actor.id': actorId(ACTORS + service),
    'actor.type': 'service',
    credential: 'proxy_credential',
    'credential.fingerprint': hex(service + 1, 13, 32),
    service: serviceName(service),
    owner: `team-${service % 40}`,
    method: 'POST',
    status: denied ? 403 : 200,
    'request.bytes': Math.floor(random() * 8_000),
    'response.bytes': Math.floor(random() * 20_000),
    destination: destinationName(destination),
    port: 443,
    registered: destination < DESTINATIONS / 2,
    allowed: !denied,
    rule: denied
      ? `services.${serviceName(service)}.egress.mode: enforce`
      : `services.${serviceName(service)}.egress.allow[${destination % 9}]: ${destinationName(destination)}`,
    decision: denied ? 'egress_not_listed' : 'egress_allowed',
    would_deny: false,
    path: `/v1/call${number % 1000}`,
  }
}
