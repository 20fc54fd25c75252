/** A forward proxy on a real socket, with a journey that keeps what it was told, for the tests of egress. */
import { once } from 'node:events'
import { connect, createServer, type Server, Socket } from 'node:net'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import type { TestContext } from 'node:test'
import { openIds } from '@countersign/record/id'
import type { Captured, Decision } from '@countersign/record/vocabulary'
import { systemClock } from '../../../platform.ts'
import { type EgressListening, type EgressOptions, listenEgress } from '../../egress.ts'
import type { Exchange, Held, Malformed, Observed } from '../../exchange.ts'

/** What a test's journey saw, in order. */
export type Entry =
  | { readonly what: 'intent'; readonly captured: Captured }
  | { readonly what: 'resolved'; readonly host: string }
  | { readonly what: 'addresses'; readonly addresses: readonly string[] }
  | { readonly what: 'outcome'; readonly observed: Observed }
  | { readonly what: 'malformed'; readonly malformed: Malformed }

export interface World {
  readonly egress: EgressListening
  readonly port: number
  readonly log: Entry[]
  /** The outcomes so far. */
  readonly outcomes: Observed[]
  /** Waits until so many requests have an outcome. */
  outcome(count?: number): Promise<Observed>
  /** Waits until so many malformed requests are on record. */
  malformed(count?: number): Promise<Malformed>
}

export interface WorldOptions {
  readonly limits?: Partial<EgressOptions['limits']>
  /** False refuses; a decision's parts override the allowing one. */
  readonly decide?: (captured: Captured) => Partial<Decision>
  readonly decideAddresses?: EgressOptions['decideAddresses']
  readonly decideTunnel?: EgressOptions['decideTunnel']
  readonly resolver?: EgressOptions['resolver']
  readonly tls?: EgressOptions['listener']['tls']
  /** Runs between an answer being ready and its release; rejecting is a ledger that can not write. */
  readonly beforeRelease?: (held: Held) => Promise<void> | void
  readonly beforeForward?: () => Promise<void>
  readonly hold?: boolean
  readonly ledgerDown?: boolean
}

export const limits: EgressOptions['limits'] = {
  headerBytesMax: 32 * 1024,
  headerTimeout: 15_000,
  bodyBytesMax: 64 * 1024 ** 2,
  bodyIdleTimeout: 30_000,
  upstreamTimeout: 30_000,
  connectTimeout: 5_000,
  tunnelIdleTimeout: 60_000,
  connectionsMax: 1_000,
  connectionsPerAddressMax: 1_000,
  upstreamConnectionsMax: 8,
  bodyRecordBytesMax: 64,
}

export const allowing: Decision = {
  allowed: true,
  rule: 'services.shop.egress.allow[0]',
  reason: 'egress_allowed',
  explanation: 'listed',
  wouldDeny: false,
  policyHash: '00',
  mode: 'strict',
  acknowledge: 'D0',
  depth: 'meta',
  labels: [],
  roles: [],
  action: 'egress.request',
  service: 'shop',
  routeMatch: 'declared',
}

/** What policy does for a service in mode enforce. */
export const enforcing: EgressOptions['decideTunnel'] = (decision, { finding }) =>
  finding === undefined
    ? decision
    : {
        ...decision,
        allowed: false,
        rule: 'services.shop.egress.mode: enforce',
        reason: finding,
      }

/** And in modes open and report. */
export const reporting: EgressOptions['decideTunnel'] = (decision, { finding }) =>
  finding === undefined ? decision : { ...decision, wouldDeny: true }

export async function openWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const log: Entry[] = []
  const outcomes: Observed[] = []
  const malformed: Malformed[] = []
  const news = new EventTarget()
  const tell = (): void => void news.dispatchEvent(new Event('news'))
  const decided = (captured: Captured): Decision => ({ ...allowing, ...options.decide?.(captured) })
  const journey = async (exchange: Exchange): Promise<void> => {
    const decision = decided(exchange.captured)
    log.push({ what: 'intent', captured: exchange.captured })
    if (options.ledgerDown === true) {
      exchange.unavailable('ledger_unavailable')
      return
    }
    await options.beforeForward?.()
    const record = { id: exchange.captured.id, leafIndex: 7 }
    const held = decision.allowed
      ? await exchange.forward(decision, { record, hold: options.hold ?? true })
      : exchange.refuse(decision, record)
    log.push({ what: 'outcome', observed: held.observed })
    outcomes.push(held.observed)
    tell()
    try {
      await options.beforeRelease?.(held)
    } catch {
      held.abort()
      return
    }
    held.release()
  }
  const resolver = options.resolver ?? (async () => ['127.0.0.1'])
  const egress = await listenEgress({
    listener: {
      address: '127.0.0.1:0',
      ...(options.tls === undefined ? {} : { tls: options.tls }),
    },
    limits: { ...limits, ...options.limits },
    clock: systemClock,
    ids: openIds({ nowMs: Date.now }),
    journey,
    recordMalformed: async (one) => {
      log.push({ what: 'malformed', malformed: one })
      malformed.push(one)
      tell()
      if (options.ledgerDown === true) throw new Error('no ledger')
    },
    decideAddresses(decision, target) {
      log.push({ what: 'addresses', addresses: target.addresses })
      if (options.decideAddresses !== undefined) return options.decideAddresses(decision, target)
      const [pinned] = target.addresses
      return { decision, mixed: false, ...(pinned === undefined ? {} : { pinned }) }
    },
    decideTunnel: options.decideTunnel ?? enforcing,
    resolver: async (host) => {
      log.push({ what: 'resolved', host })
      return resolver(host)
    },
    gatewayName: 'countersign',
  })
  t.after(() => egress.close({ graceMs: 0 }))
  const waitFor = async <T>(list: readonly T[], count: number): Promise<T> => {
    while (list.length < count) await once(news, 'news')
    const found = list[count - 1]
    if (found === undefined) throw new Error('nothing happened')
    return found
  }
  return {
    egress,
    port: egress.port,
    log,
    outcomes,
    outcome: (count = 1) => waitFor(outcomes, count),
    malformed: (count = 1) => waitFor(malformed, count),
  }
}

/** A web server of the test's own. */
export async function openUpstream(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createHttpServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return portOf(server)
}

/** A TCP server of the test's own; every connection goes to `serve`. */
export async function openTcp(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return portOf(server)
}

/** A port that nobody listens on. */
export async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

export function portOf(server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening')
  return address.port
}

/** A bare client connection that keeps what it was sent. */
export interface Wire {
  readonly socket: Socket
  send(bytes: string | Uint8Array): void
  /** Everything so far, as Latin-1. */
  readonly received: string
  /** Waits until what was received satisfies. */
  until(satisfied: (received: string) => boolean): Promise<string>
  /** Waits for the end: `end` for a FIN, `reset` for anything else. */
  closed(): Promise<{ received: string; how: 'end' | 'reset' }>
}

export async function openWire(t: TestContext, port: number): Promise<Wire> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  await once(socket, 'connect')
  return wire(t, socket)
}

export function wire(t: TestContext, socket: Socket): Wire {
  const pieces: Buffer[] = []
  const over = Promise.withResolvers<'end' | 'reset'>()
  const received = (): string => Buffer.concat(pieces).toString('latin1')
  socket.on('data', (bytes: Buffer) => pieces.push(bytes))
  socket.on('end', () => over.resolve('end'))
  socket.on('error', () => {})
  socket.on('close', () => over.resolve('reset'))
  t.after(() => socket.destroy())
  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    get received() {
      return received()
    },
    async until(satisfied) {
      while (!satisfied(received())) {
        const how = await Promise.race([once(socket, 'data'), over.promise])
        if (typeof how === 'string' && !satisfied(received()))
          throw new Error(`${how}: ${received()}`)
      }
      return received()
    },
    async closed() {
      const how = await over.promise
      return { received: received(), how }
    },
  }
}

/** The head of an answer, read off a wire that stays open. */
export function headOf(received: string): string | undefined {
  const end = received.indexOf('\r\n\r\n')
  return end === -1 ? undefined : received.slice(0, end + 4)
}

/** The head of a plain HTTP request through the proxy. */
export function request(port: number, more: readonly string[] = [], method = 'GET'): string {
  const head = [
    `${method} http://api.example:${port}/v1/things?limit=2 HTTP/1.1`,
    `Host: api.example:${port}`,
  ]
  return [...head, ...more, '', ''].join('\r\n')
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
