/** Why an exchange ended without a whole answer: the reason on record, and the status the client sees if nothing was sent yet. */

import type { ClientErrorCode } from './http1/client-errors.ts'

const statusOf = {
  no_upstream: 502,
  upstream_unreachable: 502,
  upstream_untrusted: 502,
  upstream_closed: 502,
  upstream_protocol: 502,
  upstream_busy: 503,
  upstream_timeout: 504,
  client_gone: 499,
  client_stalled: 499,
  body_framing: 400,
  body_timeout: 408,
  body_too_large: 413,
} as const satisfies Readonly<Record<string, number>>

/** Closed set, for records and metrics. */
export type FailureReason = keyof typeof statusOf

/** The status for a client that has not been answered yet. */
export function failureStatus(reason: FailureReason): number {
  return statusOf[reason]
}

const ofClient: Readonly<Record<ClientErrorCode, FailureReason>> = {
  CONNECT_FAILED: 'upstream_unreachable',
  CONNECT_TIMEOUT: 'upstream_timeout',
  TLS_UNTRUSTED: 'upstream_untrusted',
  QUEUE_FULL: 'upstream_busy',
  QUEUE_TIMEOUT: 'upstream_busy',
  HEAD_TIMEOUT: 'upstream_timeout',
  BODY_TIMEOUT: 'upstream_timeout',
  CLOSED: 'upstream_closed',
  PROTOCOL: 'upstream_protocol',
  HEAD_TOO_LARGE: 'upstream_protocol',
  STALLED: 'upstream_timeout',
  REQUEST_FRAMING: 'body_framing',
  POOL_CLOSED: 'upstream_unreachable',
}

/** Reads the codes of our own client. */
export function clientFailure(code: ClientErrorCode): FailureReason {
  return ofClient[code]
}

const timeouts: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])
const protocol: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
])
const untrusted = /CERT|ALTNAME|UNABLE_TO_|SELF_SIGNED|ERR_SSL|EPROTO/

/** Reads undici's, node's and OpenSSL's codes, for egress. @param connected whether the request had reached a connection. */
export function upstreamFailure(error: Error, connected: boolean): FailureReason {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (timeouts.has(code)) return 'upstream_timeout'
  if (!connected) return untrusted.test(code) ? 'upstream_untrusted' : 'upstream_unreachable'
  if (code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return 'body_framing'
  // llhttp's word for an answer that ends in its middle.
  if (/EOF/.test(error.message)) return 'upstream_closed'
  if (
    protocol.has(code) ||
    error.name === 'HTTPParserError' ||
    /^bad (?:response|upgrade)$/.test(error.message)
  )
    return 'upstream_protocol'
  return 'upstream_closed'
}
