/**
 * HTTP/1.1 and HTTP/1.0 on accepted sockets, strict: what node:http repairs or tolerates is refused here. Does not listen
 * itself: whoever owns the listening socket (made with `allowHalfOpen: true`) decides which connections to accept.
 */
import type { Socket } from 'node:net'
import type { Deadlines } from './deadlines.ts'
import { defaultChunkLimits, defaultHeadLimits } from './limits.ts'
import {
  type ConnectionHandler,
  type ConnectionLimits,
  type ConnectionShared,
  ServerConnection,
} from './server-connection.ts'

/** What a server is made from. */
export interface ServerOptions extends ConnectionHandler {
  readonly limits?: Partial<ConnectionLimits>
  readonly deadlines: Deadlines
}

/** Connections that speak HTTP. */
export interface Http1Server {
  readonly connections: ReadonlySet<ServerConnection>
  /** Takes over a net.Socket, or a tls.TLSSocket whose handshake is done. */
  accept(socket: Socket): void
  /** For connections accepted from now on. */
  update(limits: Partial<ConnectionLimits>): void
  /** Running exchanges become the last of their connections; idle connections end now. */
  close(): void
  /** Ends all connections now. */
  destroy(): void
}

const defaultLimits: ConnectionLimits = {
  ...defaultHeadLimits,
  ...defaultChunkLimits,
  headTimeoutMs: 15_000,
  idleTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 30_000,
  bodyBytesPerSecondMin: 64,
  lingerMs: 2_000,
  lingerBytesMax: 16 * 1024 * 1024,
  inputBytesMax: 65_536,
  requestsMax: 0,
}

/** Opens a server without connections. */
export function openHttp1Server(options: ServerOptions): Http1Server {
  const { deadlines, ...handler } = options
  const connections = new Set<ServerConnection>()
  const date = openDate(deadlines)
  let closing = false
  const share = (limits: ConnectionLimits): ConnectionShared => ({
    limits,
    deadlines,
    handler,
    get date() {
      return date()
    },
    closed: (connection) => void connections.delete(connection),
  })
  let shared = share({ ...defaultLimits, ...options.limits })
  return {
    connections,
    accept: (socket) => {
      if (closing) socket.destroy()
      else connections.add(new ServerConnection(socket, shared))
    },
    update: (limits) => {
      shared = share({ ...shared.limits, ...limits })
    },
    close: () => {
      closing = true
      for (const connection of connections) connection.close()
    },
    destroy: () => {
      closing = true
      for (const connection of connections) connection.socket.destroy()
    },
  }
}

/** The Date header line, made once a second. */
function openDate(deadlines: Deadlines): () => string {
  let madeMs = Number.NEGATIVE_INFINITY
  let line = ''
  return () => {
    const { nowMs } = deadlines
    if (nowMs - madeMs >= 1_000) {
      madeMs = nowMs
      line = `date: ${new Date().toUTCString()}\r\n`
    }
    return line
  }
}
