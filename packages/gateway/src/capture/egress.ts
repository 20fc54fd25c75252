/**
 * The forward proxy: plain HTTP in absolute form, and CONNECT. What a caller asks for is parsed into one
 * canonical request or refused; policy judges the name before DNS and the addresses after it; what is dialled
 * is a literal address; a tunnel must show the name it was opened for. See docs/spec/egress.md.
 */
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import type { Captured } from '@countersign/record/vocabulary'
import type { Clock } from '../platform.ts'
import type { ParsedHead } from './canonical-request.ts'
import { connectExchange } from './egress/connect-exchange.ts'
import { httpExchange } from './egress/http-exchange.ts'
import { type EgressLimits, fullLimits } from './egress/limits.ts'
import { type Arrival, EgressSockets } from './egress/listener.ts'
import { type Report, judgeHead, refuseMalformed, refuseUnreadable } from './egress/malformed.ts'
import { openPools } from './egress/pools.ts'
import type { DecideAddresses, DecideTunnel, EgressRoom } from './egress/room.ts'
import { CaptureError } from './errors.ts'
import type { Exchange, Journey, RecordMalformed } from './exchange.ts'
import {
  type Listening,
  type ListenerOptions,
  type ListenerTls,
  splitAddress,
} from './listening.ts'
import { type Resolver, openResolution, systemResolver } from './resolve.ts'
import { renewTls } from './server.ts'
import { type Tracer, isRequestId, openTracer } from './trace-context.ts'

export type { EgressLimits } from './egress/limits.ts'
export type { DecideAddresses, DecideTunnel } from './egress/room.ts'

/** What a forward listener is built from. */
export interface EgressOptions {
  readonly listener: ListenerOptions
  readonly limits: EgressLimits
  readonly clock: Clock
  /** Record ids: UUIDv7. */
  readonly ids: () => string
  readonly journey: Journey
  readonly recordMalformed: RecordMalformed
  /** Judges what a name resolved to, and pins what is dialled. Called once a request at most, before anything is dialled. */
  readonly decideAddresses: DecideAddresses
  /** Judges the first bytes of a tunnel, before one of them goes upstream. */
  readonly decideTunnel: DecideTunnel
  /** The machine's own resolver by default. */
  readonly resolver?: Resolver
  /** Shown as the realm of a 407 and in Via. */
  readonly gatewayName: string
}

/** What may change while it listens. What is left out stays. */
export interface EgressUpdate {
  readonly limits?: EgressLimits
  /** A renewed certificate; connections that stand keep theirs. */
  readonly tls?: ListenerTls
}

/** A forward listener; `update` takes over a new configuration without dropping a connection. */
export interface EgressListening extends Listening {
  /** @throws {CaptureError} `TLS_INVALID`; then nothing has changed. */
  update(change: EgressUpdate): void
}

const closeGraceMs = 5_000

/**
 * Opens a forward proxy and resolves when it accepts connections.
 * @throws {CaptureError} `LISTEN_FAILED`, `TLS_INVALID`
 */
export async function listenEgress(options: EgressOptions): Promise<EgressListening> {
  const { listener, clock } = options
  let limits = fullLimits(options.limits)
  const stopping = new AbortController()
  // Every exchange under way listens to it; their number has limits of its own.
  setMaxListeners(0, stopping.signal)
  const pools = openPools(() => limits)
  const report = reporter(options)
  const front: Front = { options, limits: () => limits, trace: openTracer(), report }
  const sockets: EgressSockets = new EgressSockets(limits, listener.tls, {
    arrived: (arrival) => arrived(arrival, room, front),
    unreadable: (unreadable) =>
      refuseUnreadable(unreadable, { report, lingerMs: limits.headerTimeout }),
  })

  const room: EgressRoom = {
    clock,
    gatewayName: options.gatewayName,
    limits: () => limits,
    resolve: openResolution(options.resolver ?? systemResolver, () => ({
      resolveTimeoutMs: limits.resolveTimeout,
      lookupsMax: limits.lookupsMax,
      addressesMax: limits.addressesMax,
    })),
    decideAddresses: options.decideAddresses,
    decideTunnel: options.decideTunnel,
    pools,
    stopping: stopping.signal,
    tunnels: { open: 0 },
    isBroken: (socket) => sockets.isBroken(socket),
  }
  const { address, port } = await listen(sockets, listener.address)
  return {
    address,
    port,
    update(change) {
      if (change.tls !== undefined) renewTls(sockets.server, change.tls)
      if (change.limits === undefined) return
      limits = fullLimits(change.limits)
      sockets.apply(limits)
    },
    async close({ graceMs = closeGraceMs } = {}) {
      sockets.close()
      const timer = setTimeout(() => stopping.abort(), graceMs)
      // Exchanges that are told to stop still put their outcome on record.
      await sockets.settled()
      clearTimeout(timer)
      sockets.destroy()
      await pools.destroy()
    },
  }
}

/** What stands between the sockets and the exchanges. */
interface Front {
  readonly options: EgressOptions
  readonly limits: () => Required<EgressLimits>
  readonly trace: Tracer
  readonly report: Report
}

async function arrived(arrival: Arrival, room: EgressRoom, front: Front): Promise<void> {
  const { req, connection } = arrival
  const { bodyBytesMax, headerTimeout } = front.limits()
  const parsed = judgeHead(req, bodyBytesMax)
  if ('defect' in parsed) {
    return refuseMalformed(arrival, parsed, { report: front.report, lingerMs: headerTimeout })
  }
  const captured = capture(arrival, parsed, front)
  const exchange: Exchange =
    arrival.kind === 'connect'
      ? connectExchange({ captured, client: connection.socket, head: arrival.head }, room)
      : httpExchange({ captured, parsed, req, res: arrival.res }, room)
  try {
    await front.options.journey(exchange)
  } catch (cause) {
    // A journey that fails is a fault of ours: the client is cut off, and the process stops for want of a handler.
    connection.cut()
    throw cause
  }
}

function capture(
  { kind, connection }: Arrival,
  { request, facts }: ParsedHead,
  front: Front,
): Captured {
  const { peer } = connection
  const { proxyAuthorization, requestId } = facts
  const id = front.options.ids()
  return {
    id,
    direction: 'egress',
    kind,
    occurredNs: front.options.clock.nowNs(),
    request,
    trace: front.trace(facts.traceparent, facts.tracestate),
    requestId: requestId !== undefined && isRequestId(requestId) ? requestId : id,
    peer,
    client: { address: peer.address, chain: [] },
    // `Authorization` is meant for the server behind us: only what a proxy is shown proves who calls.
    presented: proxyAuthorization === undefined ? {} : { proxyAuthorization },
  }
}

/** Puts a malformed request on record. */
function reporter({ ids, clock, recordMalformed }: EgressOptions): Report {
  return async (malformed, { peer }) => {
    const occurredNs = clock.nowNs()
    try {
      await recordMalformed({ ...malformed, id: ids(), direction: 'egress', occurredNs, peer })
    } catch {
      // The ledger is down, which the journey has counted as a loss. Nothing was forwarded; the answer is the same.
    }
  }
}

async function listen(
  sockets: EgressSockets,
  address: string,
): Promise<{ address: string; port: number }> {
  const { server } = sockets
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(splitAddress(address), () => resolve())
  try {
    await promise
  } catch (cause) {
    throw new CaptureError(
      'LISTEN_FAILED',
      `could not listen for egress on ${address}: is the address in use, or the port privileged?`,
      { cause },
    )
  }
  server.removeListener('error', reject)
  const bound = server.address()
  // Only a server on a named pipe, or one that does not listen, has no address.
  assert(typeof bound === 'object' && bound !== null)
  return { address: bound.address, port: bound.port }
}
