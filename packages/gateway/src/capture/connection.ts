/**
 * One client's connection: who is at the other end, which exchange is on it, and which requests wait behind it.
 * Requests on one connection run one after the other: a pipelined request is not looked at before the one
 * ahead of it is answered, so their order on the log and at the upstream is the client's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { CanonicalRequest, Peer } from '@countersign/record/vocabulary'
import { formatAuthority } from './authority.ts'
import { type IsTrusted, formatForwarded, plainAddress } from './forwarded.ts'

/** What a connection needs to know of the exchange that is on it. */
export interface Occupant {
  /** The other end is gone, or no longer speaks HTTP. */
  lost(reason: 'client_gone' | 'body_framing'): void
  /** Called about once a second; gives up on what has stood still for too long. */
  sweep(nowNs: bigint): void
  /** Whether the client has sent its whole request. */
  readonly received: boolean
}

/** A request that waits its turn. */
export interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Requests that may wait behind the running one. */
export const pipelinedMax = 64

/** See the head of this file. Lives as long as its socket. */
export class Connection {
  readonly socket: Socket
  readonly peer: Peer
  current: Occupant | undefined
  readonly waiting: Waiting[] = []
  /** Set once the bytes on it can no longer be trusted: what waits is not looked at, what runs is its last. */
  poisoned = false
  /** When to stop listening to a client that has been answered before it had finished; 0 while there is no such moment. */
  lingerUntilNs = 0n
  #stuckSinceNs = 0n
  #stuckAt = 0
  #judgedBy: IsTrusted | undefined
  #trusted = false
  #host = ''
  #port = 0
  #scheme = ''
  #client = ''
  #authority = ''
  #forwarded = ''

  constructor(socket: Socket) {
    this.socket = socket
    this.peer = peerOf(socket)
  }

  /** Whether the peer is a hop whose Forwarded counts; judged anew when the ranges change. */
  isTrusted(trusted: IsTrusted): boolean {
    if (this.#judgedBy !== trusted) {
      this.#judgedBy = trusted
      this.#trusted = trusted(this.peer.address)
    }
    return this.#trusted
  }

  /** The Host and Forwarded headers for the upstream; most requests of a connection share them. */
  hostHeaders(request: CanonicalRequest, client: string): { authority: string; forwarded: string } {
    const { host, port, scheme } = request
    const same = host === this.#host && port === this.#port && scheme === this.#scheme
    if (!same || client !== this.#client) {
      this.#host = host
      this.#port = port
      this.#scheme = scheme
      this.#client = client
      this.#authority = formatAuthority(scheme, host, port)
      this.#forwarded = formatForwarded(client, this.#authority, scheme)
    }
    return { authority: this.#authority, forwarded: this.#forwarded }
  }

  /**
   * Ends our half and reads on for a while. Closing at once would reset the connection while the client still
   * sends, and the reset would overtake the answer.
   */
  linger(untilNs: bigint): void {
    this.lingerUntilNs = untilNs
    const { socket } = this
    // node:http calls this after an answer with `Connection: close`.
    socket.destroySoon = () => void socket.end()
  }

  /**
   * Whether to give up on the other end: it was answered long ago and still sends, or what was sent to it has not
   * moved for `idleMs`. Called about once a second.
   */
  isStuck(nowNs: bigint, idleMs: number): boolean {
    if (this.lingerUntilNs !== 0n && nowNs > this.lingerUntilNs) return true
    const { writableLength, bytesWritten } = this.socket
    // Node counts as written what it was given.
    const sent = bytesWritten - writableLength
    if (writableLength === 0) this.#stuckSinceNs = 0n
    else if (sent !== this.#stuckAt || this.#stuckSinceNs === 0n) this.#stuckSinceNs = nowNs
    this.#stuckAt = sent
    if (this.#stuckSinceNs === 0n) return false
    return nowNs - this.#stuckSinceNs > BigInt(idleMs) * 1_000_000n
  }

  /** Cuts the connection so that what was sent does not look complete, not even where only its end would have told. */
  cut(): void {
    if (this.socket instanceof TLSSocket) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }
}

function peerOf(socket: Socket): Peer {
  const address = plainAddress(socket.remoteAddress ?? '')
  const port = socket.remotePort ?? 0
  if (!(socket instanceof TLSSocket)) return { address, port }
  // Only a certificate that the listener's authority vouched for is handed on.
  const certificate = socket.authorized ? socket.getPeerX509Certificate()?.raw : undefined
  const sni =
    'servername' in socket && typeof socket.servername === 'string' ? socket.servername : undefined
  return {
    address,
    port,
    tls: {
      version: socket.getProtocol() ?? '',
      ...(sni === undefined ? {} : { sni }),
      ...(typeof socket.alpnProtocol === 'string' ? { alpn: socket.alpnProtocol } : {}),
      ...(certificate === undefined ? {} : { certificate }),
    },
  }
}
