/** One plain HTTP request through the forward proxy: judged, recorded, resolved, carried, answered. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Captured, Decision } from '@countersign/record/vocabulary'
import type { Addendum } from '@countersign/record/leaf'
import {
  type BodyTap,
  bodyAddenda,
  headersAddendum,
  openTap,
  pairHeaders,
  tap,
} from '../addenda.ts'
import { formatAuthority } from '../authority.ts'
import type { ParsedHead } from '../canonical-request.ts'
import type { Exchange, Held, Observed, RecordReference } from '../exchange.ts'
import { failureStatus } from '../failure.ts'
import { type OwnAnswer, failureAnswer, pushReference, unavailableAnswer } from '../refusal.ts'
import { formatTraceparent, isRequestId } from '../trace-context.ts'
import { held, proxyRefusal, respond } from './answer.ts'
import { overruling, reach } from './destination.ts'
import { type ForwardFailure, type ForwardResult, forwardHttp } from './http-forward.ts'
import { type PayloadWatch, watchPayload } from './payload.ts'
import type { EgressFacts, EgressRoom } from './room.ts'

/** One request as the listener took it. */
export interface HttpContext {
  readonly captured: Captured
  readonly parsed: ParsedHead
  readonly req: IncomingMessage
  readonly res: ServerResponse
}

interface Forwarding extends HttpContext {
  readonly room: EgressRoom
  readonly beganNs: bigint
  readonly decision: Decision
  readonly record: RecordReference
  readonly hold: boolean
}

/** Offers a request to the journey. */
export function httpExchange(context: HttpContext, room: EgressRoom): Exchange {
  const { captured, res } = context
  const beganNs = room.clock.monotonicNs()
  return {
    captured,
    forward: (decision, { record, hold }) =>
      forward({ ...context, room, beganNs, decision, record, hold }),
    refuse(decision, record) {
      const answer = proxyRefusal(decision, record, room.gatewayName)
      const observed = nothing(room, beganNs, { outcome: 'denied', status: answer.status })
      return held(observed, true, {
        send: () => respond(res, answer),
        abort: () => cut(res),
      })
    },
    unavailable: (reason) => respond(res, unavailableAnswer(reason)),
  }
}

async function forward(forwarding: Forwarding): Promise<Held> {
  const { room, decision, captured, record } = forwarding
  const destination = await reach(decision, captured.request, room)
  if ('failure' in destination) {
    const { failure, status, facts } = destination
    return instead(forwarding, failureAnswer(status, failure, record), {
      outcome: 'error',
      reason: failure,
      egress: facts,
    })
  }
  if ('refused' in destination) {
    const { refused, facts } = destination
    const answer = proxyRefusal(refused, record, room.gatewayName)
    const denied = {
      outcome: 'denied',
      reason: refused.reason,
      egress: facts,
      ...overruling(decision, refused),
    } as const
    return instead(forwarding, answer, denied)
  }
  return carry(forwarding, destination)
}

/** What is looked at while it passes. */
interface Watches {
  readonly payload: PayloadWatch
  readonly request: BodyTap
  readonly response: BodyTap
}

async function carry(
  forwarding: Forwarding,
  destination: { pinned: string; decision: Decision; facts: EgressFacts },
): Promise<Held> {
  const { room, captured, parsed, req, res, record, decision } = forwarding
  const { request } = captured
  const limits = room.limits()
  const { pinned } = destination
  const kept = decision.depth === 'body' ? limits.bodyRecordBytesMax : 0
  const watches: Watches = {
    payload: watchPayload(parsed.facts.contentType, limits.payloadJsonBytesMax),
    request: openTap(kept),
    response: openTap(kept),
  }
  const result = await forwardHttp({
    req,
    res,
    pool: room.pools.poolFor({
      service: decision.service ?? '',
      host: request.host,
      port: request.port,
      pinned,
    }),
    method: request.method,
    path: request.query === undefined ? request.path : `${request.path}?${request.query}`,
    headers: upstreamHeaders(forwarding),
    hasBody: request.body.framing !== 'none' && request.body.bytes !== 0,
    expectsContinue: parsed.expectsContinue,
    ownHeaders: reference(record),
    bodyBytesMax: limits.bodyBytesMax,
    bodyIdleTimeoutMs: limits.bodyIdleTimeout,
    upstreamTimeoutMs: limits.upstreamTimeout,
    nowNs: () => room.clock.monotonicNs(),
    signal: room.stopping,
    isBroken: room.isBroken,
    seeRequest(chunk) {
      watches.payload.see(chunk)
      tap(watches.request, chunk)
    },
    seeResponse: (chunk) => tap(watches.response, chunk),
  })
  return concluded(forwarding, result, { ...destination, watches })
}

/** Every header the server gets, from the record and from nothing else. */
function upstreamHeaders({ captured, parsed, room }: Forwarding): string[] {
  const { request, trace, requestId } = captured
  const headers = ['host', formatAuthority('http', request.host, request.port)]
  for (const [name, value] of request.headers) headers.push(name, value)
  if (request.body.bytes !== undefined) headers.push('content-length', String(request.body.bytes))
  headers.push('traceparent', formatTraceparent(trace))
  if (trace.state !== undefined) headers.push('tracestate', trace.state)
  // An id of ours is nothing to strangers; one that the caller wrote is meant for them.
  const { requestId: sent } = parsed.facts
  if (sent !== undefined && isRequestId(sent)) headers.push('x-request-id', requestId)
  headers.push('via', `1.1 ${room.gatewayName}`)
  return headers
}

function concluded(
  forwarding: Forwarding,
  result: ForwardResult,
  more: { decision: Decision; facts: EgressFacts; watches: Watches },
): Held {
  const { room, beganNs, res, record, hold } = forwarding
  const { failure, status, requestBytes, requestComplete, responseBytes, firstByteAtNs } = result
  const payload = more.watches.payload.summary(requestComplete)
  const replaced = failure !== undefined && !result.started && !isClients(failure)
  const observedStatus = failure !== undefined && !result.started ? statusOf(failure) : status
  const observed: Observed = {
    ...outcomeOf(failure, status),
    ...(observedStatus === undefined ? {} : { status: observedStatus }),
    requestBytes,
    responseBytes,
    durationNs: Number(room.clock.monotonicNs() - beganNs),
    ...(firstByteAtNs === undefined ? {} : { firstByteNs: Number(firstByteAtNs - beganNs) }),
    egress: { ...more.facts, ...(payload === undefined ? {} : { payload }) },
    ...overruling(forwarding.decision, more.decision),
    addenda: addendaOf(forwarding, result, more.watches),
  }
  return held(observed, hold, {
    send() {
      if (failure === undefined) result.finish()
      else if (replaced) respond(res, failureAnswer(statusOf(failure), failure, record))
      else cut(res)
    },
    abort: () => cut(res),
  })
}

function addendaOf(
  { decision, captured }: Forwarding,
  result: ForwardResult,
  watches: Watches,
): Addendum[] {
  if (decision.depth !== 'headers' && decision.depth !== 'body') return []
  const request = captured.request.headers
  const response = pairHeaders(result.responseHeaders)
  const addenda = [headersAddendum('request', request)]
  if (result.status !== undefined) addenda.push(headersAddendum('response', response))
  addenda.push(...bodyAddenda('request', watches.request, request))
  addenda.push(...bodyAddenda('response', watches.response, response))
  return addenda
}

function outcomeOf(
  failure: ForwardFailure | undefined,
  status: number | undefined,
): Pick<Observed, 'outcome' | 'reason'> {
  if (failure !== undefined) return { outcome: 'error', reason: failure }
  return { outcome: status !== undefined && status < 400 ? 'success' : 'failure' }
}

/** The client has no use for an answer: it is gone, takes nothing, or no longer speaks HTTP. */
function isClients(failure: ForwardFailure): boolean {
  return ['client_gone', 'client_stalled', 'body_framing'].includes(failure)
}

function statusOf(failure: ForwardFailure): number {
  return failure === 'gateway_stopping' ? 503 : failureStatus(failure)
}

/** An answer of ours where the server's would have been. */
function instead(
  forwarding: Forwarding,
  answer: OwnAnswer,
  seen: Pick<Observed, 'outcome' | 'reason' | 'egress' | 'overruled'>,
): Held {
  const { room, beganNs, res, hold } = forwarding
  return held(nothing(room, beganNs, { ...seen, status: answer.status }), hold, {
    send: () => respond(res, answer),
    abort: () => cut(res),
  })
}

function nothing(
  room: EgressRoom,
  beganNs: bigint,
  seen: Pick<Observed, 'outcome' | 'reason' | 'status' | 'egress' | 'overruled'>,
): Observed {
  const durationNs = Number(room.clock.monotonicNs() - beganNs)
  return { ...seen, requestBytes: 0, responseBytes: 0, durationNs, addenda: [] }
}

/** What the client has must not look complete, not even where only the end of the connection would tell. */
function cut(res: ServerResponse): void {
  const { socket } = res
  if (socket === null || socket.destroyed) return
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}

function reference(record: RecordReference): string[] {
  const headers: string[] = []
  pushReference(headers, record)
  return headers
}
