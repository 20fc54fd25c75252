/** Why an upstream gave no whole answer. */

/**
 * `CONNECT_FAILED`, `CONNECT_TIMEOUT`: there is no connection. `TLS_UNTRUSTED`: its certificate or handshake was refused.
 * `QUEUE_FULL`, `QUEUE_TIMEOUT`: all connections are busy. `HEAD_TIMEOUT`, `BODY_TIMEOUT`: the answer stood still.
 * `CLOSED`: the connection ended before the answer did. `PROTOCOL`: the answer is not one of HTTP/1.1.
 * `HEAD_TOO_LARGE`: its head exceeds the limits. `STALLED`: the upstream does not read the request's body.
 * `REQUEST_FRAMING`: the request's body is not as long as its head says. `POOL_CLOSED`: no request is taken any more.
 */
export type ClientErrorCode =
  | 'CONNECT_FAILED'
  | 'CONNECT_TIMEOUT'
  | 'TLS_UNTRUSTED'
  | 'QUEUE_FULL'
  | 'QUEUE_TIMEOUT'
  | 'HEAD_TIMEOUT'
  | 'BODY_TIMEOUT'
  | 'CLOSED'
  | 'PROTOCOL'
  | 'HEAD_TOO_LARGE'
  | 'STALLED'
  | 'REQUEST_FRAMING'
  | 'POOL_CLOSED'

const untrusted = /CERT|ALTNAME|UNABLE_TO_|SELF_SIGNED|ERR_SSL|EPROTO/

/** Reads the codes of node and OpenSSL for a connection that was not made. */
export function connectFailure(error: Error): ClientErrorCode {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ETIMEDOUT') return 'CONNECT_TIMEOUT'
  return untrusted.test(code) ? 'TLS_UNTRUSTED' : 'CONNECT_FAILED'
}
