/**
 * The forward proxy: plain HTTP in absolute form, and CONNECT. What a caller asks for is parsed into one
 * canonical request or refused; policy judges the name before DNS and the addresses after it; what is dialled
 * is a literal address; a tunnel must show the name it was opened for. See docs/spec/egress.md.
 */
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import type { Captured } from '@countersign/record/vocabulary'
import type { Clock } from '../platform.ts'
import { type ParsedHead, parseHead } from './canonical-request.ts'
import { type DefectName, defectAnswer } from './defects.ts'
import { respond, respondToConnect } from './egress/answer.ts'
import { connectExchange } from './egress/connect-exchange.ts'
import { httpExchange } from './egress/http-exchange.ts'
import { type EgressLimits, fullLimits } from './egress/limits.ts'
import {
  type Arrival,
  EgressSockets,
  type Unreadable,
  secureOptions,
  tlsInvalid,
} from './egress/listener.ts'
import { openPools } from './egress/pools.ts'
import type { DecideAddresses, DecideTunnel, EgressRoom } from './egress/room.ts'
import { CaptureError } from './errors.ts'
import type { Exchange, Journey, Malformed, RecordMalformed } from './exchange.ts'
import {
  type Listening,
  type ListenerOptions,
  type ListenerTls,
  splitAddress,
} from './listening.ts'
import { redactShapes } from './redact.ts'
import { malformedAnswer } from './refusal.ts'
import { type Resolver, openResolution, systemResolver } from './resolve.ts'
import { isRequestId, openTracer } from './trace-context.ts'

export type { EgressLimits } from './egress/limits.ts'
export type { DecideAddresses, DecideTunnel, TunnelFinding, TunnelSight } from './egress/room.ts'

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
  const sockets: EgressSockets = new EgressSockets(limits, listener.tls, {
    arrived: (arrival) => arrived(arrival, room, front),
    unreadable: (unreadable) => unreadableArrived(unreadable, front),
  })
  const front: Front = { options, limits: () => limits, trace: openTracer() }
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
      if (change.tls !== undefined) renew(sockets, change.tls)
      if (change.limits === undefined) return
      limits = fullLimits(change.limits)
      sockets.apply(limits)
    },
    async close({ graceMs = closeGraceMs } = {}) {
      sockets.server.close()
      sockets.server.closeIdleConnections()
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
  readonly trace: ReturnType<typeof openTracer>
}

async function arrived(arrival: Arrival, room: EgressRoom, front: Front): Promise<void> {
  const { req, connection } = arrival
  // Gone before its turn: node:http read it, nobody else did.
  const parsed = judge(req, front)
  if ('defect' in parsed) return refuseMalformed(arrival, parsed, front)
  const captured = capture(arrival, parsed, front)
  const exchange: Exchange =
    arrival.kind === 'connect'
      ? connectExchange({ captured, client: connection.socket, head: arrival.head }, room)
      : httpExchange({ captured, parsed, req, res: arrival.res }, room)
  try {
    await front.options.journey(exchange)
  } catch {
    // A journey that fails has said so itself. What it did not answer must not look like an answer.
    connection.cut()
  }
}

type EgressDefect = Pick<Malformed, 'defect' | 'explanation' | 'status'>

const notAProxyRequest: EgressDefect = {
  defect: 'not_a_proxy_request',
  status: 400,
  explanation: 'this is a forward proxy; send the target as http://host/path, or use CONNECT',
}
const httpsNeedsConnect: EgressDefect = {
  defect: 'https_needs_connect',
  status: 400,
  explanation:
    'https is not spoken for a client; open a tunnel with CONNECT and speak TLS inside it',
}
const pipelinedConnect: EgressDefect = {
  defect: 'pipelined_connect',
  status: 400,
  explanation: 'CONNECT came before the requests ahead of it were answered; wait for their answers',
}

/** One canonical request, or what is wrong. Attacker-controlled. */
function judge(req: Arrival['req'], front: Front): ParsedHead | EgressDefect {
  const url = req.url ?? ''
  if (req.method !== 'CONNECT' && (url.startsWith('/') || url === '*')) return notAProxyRequest
  const { bodyBytesMax } = front.limits()
  const parsed = parseHead(req, { listener: 'proxy', scheme: 'http', bodyBytesMax })
  if (typeof parsed === 'string') return named(parsed)
  return req.method !== 'CONNECT' && parsed.request.scheme === 'https' ? httpsNeedsConnect : parsed
}

function named(defect: DefectName): EgressDefect {
  return { defect, ...defectAnswer(defect) }
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

async function refuseMalformed(
  arrival: Arrival,
  defect: EgressDefect,
  front: Front,
): Promise<void> {
  const { req, connection } = arrival
  const requestLine = `${req.method} ${req.url} HTTP/${req.httpVersion}`
  await record({ ...defect, requestLine }, connection, front)
  const { headerTimeout } = front.limits()
  const answer = malformedAnswer(defect.status, defect.defect, defect.explanation)
  if (arrival.kind === 'connect') {
    respondToConnect(connection.socket, answer, headerTimeout)
    return
  }
  // How its body is framed may be the very thing that is wrong: nothing behind it can be read.
  respond(
    arrival.res,
    { ...answer, headers: [...answer.headers, 'connection', 'close'] },
    headerTimeout,
  )
}

/** What node:http could not read is answered on the bare socket. */
async function unreadableArrived(
  { connection, defect, requestLine }: Unreadable,
  front: Front,
): Promise<void> {
  const malformed = defect === 'pipelined_connect' ? pipelinedConnect : named(defect)
  const line =
    requestLine !== undefined && /^[A-Z-]{1,32} \S+ HTTP\/\d/.test(requestLine)
      ? requestLine
      : undefined
  await record(
    { ...malformed, ...(line === undefined ? {} : { requestLine: line }) },
    connection,
    front,
  )
  const { status, explanation } = malformed
  // Another answer may be half-way out on this connection; only a connection without one can carry ours.
  const answer = malformedAnswer(status, malformed.defect, explanation)
  if (defect === 'pipelined_connect' || defect === 'pipeline_too_deep') connection.cut()
  else respondToConnect(connection.socket, answer, front.limits().headerTimeout)
}

const requestLineCharsMax = 1024

async function record(
  malformed: EgressDefect & { readonly requestLine?: string },
  { peer }: Arrival['connection'],
  { options }: Front,
): Promise<void> {
  const { requestLine, defect, explanation, status } = malformed
  try {
    await options.recordMalformed({
      id: options.ids(),
      direction: 'egress',
      occurredNs: options.clock.nowNs(),
      peer,
      defect,
      explanation,
      status,
      // A target may hold a password (`http://user:password@host/`), and is kept all the same: without it.
      ...(requestLine === undefined
        ? {}
        : {
            requestLine: redactShapes(requestLine.replace(/\/\/[^/@\s]*@/, '//[redacted]@')).slice(
              0,
              requestLineCharsMax,
            ),
          }),
    })
  } catch {
    // The ledger is down, which the journey has counted as a loss. Nothing was forwarded; the answer is the same.
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

function renew({ server }: EgressSockets, tls: ListenerTls): void {
  if (!('setSecureContext' in server) || typeof server.setSecureContext !== 'function') return
  try {
    server.setSecureContext(secureOptions(tls))
  } catch (cause) {
    throw tlsInvalid(cause)
  }
}
