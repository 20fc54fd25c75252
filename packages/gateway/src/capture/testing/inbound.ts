/** A reverse listener between raw sockets and a real upstream, for tests of the listener itself. */
import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import {
  type AddressInfo,
  type Server,
  type Socket,
  connect,
  createServer as createTcpServer,
} from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as deadline } from 'node:timers/promises'
import type { Captured, Decision } from '@countersign/record/vocabulary'
import { configSchema } from '../../config/schema.ts'
import { systemClock } from '../../platform.ts'
import type { Exchange, Journey, Malformed, Observed } from '../exchange.ts'
import { type InboundListening, type InboundOptions, listenInbound } from '../inbound.ts'

export const defaultLimits: InboundOptions['limits'] = configSchema.shape.limits.parse({})

export const allowed: Decision = {
  allowed: true,
  rule: 'grants[0]',
  reason: 'granted',
  explanation: 'support may read orders',
  wouldDeny: false,
  policyHash: '00',
  mode: 'strict',
  acknowledge: 'D0',
  depth: 'meta',
  labels: [],
  roles: ['support'],
  action: 'orders.read',
  service: 'orders',
  route: '/orders/{id}',
  routeMatch: 'declared',
}

export const denied: Decision = {
  ...allowed,
  allowed: false,
  reason: 'no_grant',
  rule: 'services.orders.routes[0]',
  explanation: 'needs orders.read',
}

/** Allows everything, and holds nothing longer than it takes to look at it. */
export const allow: Journey = async (exchange) => {
  const held = await exchange.forward(allowed, { record: reference(exchange), hold: true })
  held.release()
}

export function reference(exchange: Exchange): { id: string; leafIndex: number } {
  return { id: exchange.captured.id, leafIndex: 7 }
}

export interface Bench {
  readonly listening: InboundListening
  readonly port: number
  readonly captured: Captured[]
  readonly observed: Observed[]
  readonly malformed: Malformed[]
  /** Resolves with the next outcome that has not been asked for yet. */
  outcome(): Promise<Observed>
}

export interface BenchSetup extends Partial<Omit<InboundOptions, 'limits' | 'services' | 'ids'>> {
  readonly limits?: Partial<InboundOptions['limits']>
  readonly upstream: number | URL
  readonly ca?: Buffer
}

/** Opens a listener that is closed when the test ends. Every outcome that a journey sees is kept. */
export async function openBench(t: TestContext, setup: BenchSetup): Promise<Bench> {
  const { upstream, limits, ca, journey = allow, ...rest } = setup
  const captured: Captured[] = []
  const observed: Observed[] = []
  const malformed: Malformed[] = []
  const waiting: ((seen: Observed) => void)[] = []
  let asked = 0
  const target = typeof upstream === 'number' ? new URL(`http://127.0.0.1:${upstream}`) : upstream
  let ids = 0
  const listening = await listenInbound({
    listener: { address: '127.0.0.1:0' },
    limits: { ...defaultLimits, ...limits },
    trustedHops: [],
    services: { orders: ca === undefined ? { upstream: target } : { upstream: target, ca } },
    clock: systemClock,
    ids: () => `id-${ids++}`,
    gatewayName: 'test',
    recordMalformed: async (defect) => void malformed.push(defect),
    journey: (exchange) => {
      captured.push(exchange.captured)
      return journey(
        spy(exchange, (seen) => {
          observed.push(seen)
          waiting.shift()?.(seen)
        }),
      )
    },
    ...rest,
  })
  t.after(() => listening.close({ graceMs: 0 }))
  return {
    listening,
    port: listening.port,
    captured,
    observed,
    malformed,
    outcome: () => {
      const seen = observed[asked++]
      return seen === undefined
        ? new Promise((resolve) => void waiting.push(resolve))
        : Promise.resolve(seen)
    },
  }
}

function spy(exchange: Exchange, see: (observed: Observed) => void): Exchange {
  return {
    captured: exchange.captured,
    unavailable: (reason) => exchange.unavailable(reason),
    refuse: (decision, record) => {
      const held = exchange.refuse(decision, record)
      see(held.observed)
      return held
    },
    forward: async (decision, options) => {
      const held = await exchange.forward(decision, options)
      see(held.observed)
      return held
    },
  }
}

/** A node:http upstream on a free port. */
export async function openUpstream(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return listen(server)
}

/** An upstream of raw bytes: `onSocket` does as it likes. */
export async function openRawUpstream(
  t: TestContext,
  onSocket: (socket: Socket) => void,
): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return listen(server)
}

export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return portOf(server.address())
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not a TCP server')
  return address.port
}

/** A raw client: what it received so far, as Latin-1, and ways to wait for more. */
export interface RawClient {
  readonly socket: Socket
  readonly text: () => string
  /** Whether the connection was reset rather than closed. */
  readonly wasReset: () => boolean
  /** Resolves once `pattern` has been received. */
  until(pattern: RegExp): Promise<string>
  closed(): Promise<string>
}

export function openClient(t: TestContext, port: number, bytes = ''): RawClient {
  const socket = connect(port, '127.0.0.1')
  t.after(() => void socket.destroy())
  let text = ''
  let reset = false
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => (text += chunk))
  socket.on('error', (error: NodeJS.ErrnoException) => (reset ||= error.code === 'ECONNRESET'))
  const closing = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
  if (bytes !== '') socket.write(bytes, 'latin1')
  const patience = (): Promise<never> =>
    deadline(10_000, undefined, { ref: false }).then(() => {
      throw new Error(`waited too long; received ${JSON.stringify(text)}`)
    })
  return {
    socket,
    text: () => text,
    wasReset: () => reset,
    until: async (pattern) => {
      while (!pattern.test(text))
        await Promise.race([once(socket, 'data'), closing.then(failClosed), patience()])
      return text
    },
    closed: async () => {
      await Promise.race([closing, patience()])
      return text
    },
  }

  function failClosed(): never {
    throw new Error(`closed before it came; received ${JSON.stringify(text)}`)
  }
}

/** Sends bytes and returns everything that came back before the connection closed. */
export function exchangeRaw(t: TestContext, port: number, bytes: string): Promise<string> {
  return openClient(t, port, bytes).closed()
}

/** Splits a raw answer. */
export function parseAnswer(raw: string): {
  status: number
  headers: Record<string, string>
  body: string
} {
  const end = raw.indexOf('\r\n\r\n')
  const [first = '', ...lines] = raw.slice(0, end).split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { status: Number(first.split(' ')[1]), headers, body: raw.slice(end + 4) }
}
