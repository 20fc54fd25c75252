/** One CONNECT: judged, recorded, dialled, checked, spliced. The order is the guarantee. */
import type { Socket } from 'node:net'
import type { Captured, Decision } from '@countersign/record/vocabulary'
import type { Exchange, Held, Observed, RecordReference } from '../exchange.ts'
import { failureAnswer, pushReference, unavailableAnswer } from '../refusal.ts'
import { connectHead, held, proxyRefusal, respondToConnect } from './answer.ts'
import { overruling, reach } from './destination.ts'
import { type DialFailure, dial } from './dial.ts'
import type { EgressFacts, EgressRoom, TunnelSight } from './room.ts'
import { type TunnelEnding, runTunnel } from './tunnel.ts'
import { sightOf } from './tunnel-sight.ts'

/** One CONNECT as the listener took it. */
export interface ConnectContext {
  readonly captured: Captured
  readonly client: Socket
  /** What the client sent behind its request, before it had an answer. */
  readonly head: Buffer
}

interface Forwarding extends ConnectContext {
  readonly room: EgressRoom
  readonly beganNs: bigint
  readonly decision: Decision
  readonly record: RecordReference
  readonly hold: boolean
}

/** Offers a CONNECT to the journey. */
export function connectExchange(context: ConnectContext, room: EgressRoom): Exchange {
  const { captured, client } = context
  const beganNs = room.clock.monotonicNs()
  const lingerMs = room.limits().headerTimeout
  return {
    captured,
    forward: (decision, { record, hold }) =>
      forward({ ...context, room, beganNs, decision, record, hold }),
    refuse(decision, record) {
      const answer = proxyRefusal(decision, record, room.gatewayName)
      const observed = nothing(room, beganNs, { outcome: 'denied', status: answer.status })
      return held(observed, true, {
        send: () => respondToConnect(client, answer, lingerMs),
        abort: () => client.destroy(),
      })
    },
    unavailable: (reason) => respondToConnect(client, unavailableAnswer(reason), lingerMs),
  }
}

async function forward(forwarding: Forwarding): Promise<Held> {
  const { room, decision, captured } = forwarding
  const destination = await reach(decision, captured.request, room)
  if ('failure' in destination) return failed(forwarding, destination.failure, destination)
  if ('refused' in destination) return refused(forwarding, destination.refused, destination.facts)
  const { pinned, facts } = destination
  if (room.tunnels.open >= room.limits().tunnelsMax)
    return failed(forwarding, 'tunnels_full', { status: 503, facts })
  room.tunnels.open += 1
  try {
    return await connect(forwarding, destination.decision, { pinned, facts })
  } finally {
    room.tunnels.open -= 1
  }
}

const dialStatus: Readonly<Record<DialFailure, number>> = {
  upstream_unreachable: 502,
  upstream_timeout: 504,
  abandoned: 503,
}

async function connect(
  forwarding: Forwarding,
  decision: Decision,
  { pinned, facts }: { pinned: string; facts: EgressFacts },
): Promise<Held> {
  const { room, captured, client } = forwarding
  const limits = room.limits()
  const gone = new AbortController()
  const abandon = (): void => gone.abort()
  client.once('close', abandon)
  const signal = AbortSignal.any([room.stopping, gone.signal])
  const dialled = await dial(
    { address: pinned, port: captured.request.port },
    { timeoutMs: limits.connectTimeout, signal },
  )
  client.removeListener('close', abandon)
  if ('failure' in dialled) {
    const reason = gone.signal.aborted
      ? 'client_gone'
      : room.stopping.aborted
        ? 'gateway_stopping'
        : dialled.failure
    return failed(forwarding, reason, { status: dialStatus[dialled.failure], facts })
  }
  // Only now, with a connection that stands: a 200 any sooner would promise what may not come.
  client.write(connectHead(200, reference(forwarding.record)))
  return splice(forwarding, decision, { facts, upstream: dialled.socket })
}

async function splice(
  forwarding: Forwarding,
  decision: Decision,
  { facts, upstream }: { facts: EgressFacts; upstream: Socket },
): Promise<Held> {
  const { room, captured, client, head, beganNs, hold } = forwarding
  const { host, port } = captured.request
  const limits = room.limits()
  let final = decision
  let sight: TunnelSight | undefined
  const result = await runTunnel({
    client,
    head,
    upstream,
    clientHelloBytesMax: limits.clientHelloBytesMax,
    clientHelloTimeoutMs: limits.clientHelloTimeout,
    idleTimeoutMs: limits.tunnelIdleTimeout,
    nowNs: () => room.clock.monotonicNs(),
    signal: room.stopping,
    check(words) {
      sight = sightOf(words, { host, port })
      final = room.decideTunnel(decision, sight)
      return final.allowed
    },
  })
  const { requestBytes, responseBytes, firstByteAtNs } = result
  const observed: Observed = {
    ...outcomeOf(result.ending, sight),
    status: 200,
    requestBytes,
    responseBytes,
    durationNs: Number(room.clock.monotonicNs() - beganNs),
    ...(firstByteAtNs === undefined ? {} : { firstByteNs: Number(firstByteAtNs - beganNs) }),
    egress: { ...facts, ...(sight === undefined ? {} : factsOf(sight)) },
    ...overruling(forwarding.decision, final),
    addenda: [],
  }
  return held(observed, hold, { send: () => result.finish(), abort: () => result.abort() })
}

function outcomeOf(
  ending: TunnelEnding,
  sight: TunnelSight | undefined,
): Pick<Observed, 'outcome' | 'reason'> {
  if (ending === 'ended') return { outcome: 'success' }
  // The finding says more than the decision's reason; a policy may also refuse what has none, such as ECH.
  if (ending === 'refused') {
    return sight?.finding === undefined
      ? { outcome: 'denied' }
      : { outcome: 'denied', reason: sight.finding }
  }
  return { outcome: ending === 'upstream_closed' ? 'error' : 'failure', reason: ending }
}

function factsOf({ sni, alpn, versions, ech }: TunnelSight): EgressFacts {
  return {
    ...(sni === undefined ? {} : { sni }),
    ...(alpn.length === 0 ? {} : { alpn }),
    ...(versions[0] === undefined ? {} : { tls: versions[0] }),
    ...(ech ? { ech } : {}),
  }
}

function refused(forwarding: Forwarding, decision: Decision, facts: EgressFacts): Held {
  const { room, beganNs, client, record, hold } = forwarding
  const answer = proxyRefusal(decision, record, room.gatewayName)
  const { status } = answer
  const reason = decision.reason
  const observed = {
    ...nothing(room, beganNs, { outcome: 'denied', reason, status, egress: facts }),
    ...overruling(forwarding.decision, decision),
  }
  return held(observed, hold, {
    send: () => respondToConnect(client, answer, room.limits().headerTimeout),
    abort: () => client.destroy(),
  })
}

function failed(
  forwarding: Forwarding,
  reason: string,
  { status, facts }: { status: number; facts: EgressFacts },
): Held {
  const { room, beganNs, client, record, hold } = forwarding
  const outcome = reason === 'client_gone' ? 'failure' : 'error'
  return held(nothing(room, beganNs, { outcome, reason, status, egress: facts }), hold, {
    send: () =>
      respondToConnect(client, failureAnswer(status, reason, record), room.limits().headerTimeout),
    abort: () => client.destroy(),
  })
}

/** An end without a tunnel: not one byte went either way. */
function nothing(
  room: EgressRoom,
  beganNs: bigint,
  seen: Pick<Observed, 'outcome' | 'reason' | 'status' | 'egress'>,
): Observed {
  const durationNs = Number(room.clock.monotonicNs() - beganNs)
  return { ...seen, requestBytes: 0, responseBytes: 0, durationNs, addenda: [] }
}

function reference(record: RecordReference): string[] {
  const headers: string[] = []
  pushReference(headers, record)
  return headers
}
