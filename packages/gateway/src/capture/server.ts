/** Listening servers, set up the way a listener needs them: sockets alone for inbound, node:http for egress. */
import { randomBytes } from 'node:crypto'
import {
  type IncomingMessage,
  type Server as HttpServer,
  type ServerOptions,
  createServer as createHttpServer,
} from 'node:http'
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https'
import { type Server, createServer } from 'node:net'
import {
  type SecureContextOptions,
  Server as TlsServer,
  createServer as createTlsServer,
  createSecureContext,
} from 'node:tls'
import type { Config } from '../config/schema.ts'
import { CaptureError } from './errors.ts'
import type { ListenerTls } from './listening.ts'

/** How a server is made. */
export interface ServerSetup {
  readonly limits: Config['limits']
  readonly tls: ListenerTls | undefined
}

// A kept connection may wait this long for its next request.
const keepAliveMs = 60_000
const ticketKeyBytes = 48

/**
 * A server of sockets, for whoever reads them; not listening yet. Emits `connection` for each, and `secureConnection` for
 * those whose TLS handshake is done. @throws {CaptureError} `TLS_INVALID`
 */
export function openSocketServer({ limits, tls }: ServerSetup): Server {
  const halves = { allowHalfOpen: true }
  const server =
    tls === undefined
      ? createServer(halves)
      : createTlsServer({ ...halves, ...tlsOptions(tls), handshakeTimeout: limits.headerTimeout })
  server.maxConnections = limits.connectionsMax
  return server
}

/** A server that judges nothing itself but syntax; not listening yet. @throws {CaptureError} `TLS_INVALID` */
export function openServer({ limits, tls }: ServerSetup): HttpServer | HttpsServer {
  const options: ServerOptions = {
    insecureHTTPParser: false,
    // A missing Host is ours to record.
    requireHostHeader: false,
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headerTimeout,
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: checkMs(limits.headerTimeout),
    noDelay: true,
  }
  const server =
    tls === undefined
      ? createHttpServer(options)
      : createHttpsServer({
          ...options,
          ...tlsOptions(tls),
          handshakeTimeout: limits.headerTimeout,
        })
  // Unlimited here, because node:http drops what exceeds it without a word; `scanHeaders` counts.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connectionsMax
  return server
}

/** Checks a renewed certificate without using it. @throws {CaptureError} `TLS_INVALID` */
export function checkTls(tls: ListenerTls): void {
  tlsOptions(tls)
}

/** Takes a renewed certificate into use; sessions that the old one opened are not resumed. */
export function renewTls(server: Server, tls: ListenerTls): void {
  if (!(server instanceof TlsServer)) return
  server.setSecureContext(tlsOptions(tls))
  server.setTicketKeys(randomBytes(ticketKeyBytes))
}

/** How often to look after something that may take `ms`. */
export function checkMs(ms: number): number {
  return Math.min(1_000, Math.max(10, Math.floor(ms / 4)))
}

/** The request line of a request that node:http parsed, cut at 1 KiB. */
export function requestLine({ method = '', url = '', httpVersion }: IncomingMessage): string {
  const version = httpVersion === '0.9' ? '' : ` HTTP/${httpVersion}`
  return `${method} ${url}${version}`.slice(0, 1024)
}

function tlsOptions(tls: ListenerTls): SecureContextOptions & {
  requestCert: boolean
  rejectUnauthorized: boolean
  ALPNProtocols: string[]
} {
  const { certificate, key, clientCa, requireClientCertificate = false } = tls
  const context: SecureContextOptions = {
    cert: certificate,
    key,
    minVersion: 'TLSv1.2',
    ...(clientCa === undefined ? {} : { ca: clientCa }),
  }
  try {
    createSecureContext(context)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CaptureError(
      'TLS_INVALID',
      `could not use the listener's certificate: ${why}; check listen.*.tls`,
      { cause },
    )
  }
  return {
    ...context,
    requestCert: clientCa !== undefined,
    rejectUnauthorized: clientCa !== undefined && requireClientCertificate,
    ALPNProtocols: ['http/1.1'],
  }
}
