/** One client's connection: who is at the other end, and what its requests have in common. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { CanonicalRequest, Peer } from '@countersign/record/vocabulary'
import { formatAuthority } from './authority.ts'
import { type IsTrusted, formatForwarded, plainAddress } from './forwarded.ts'

/** See the head of this file. Lives as long as its socket. */
export class Connection {
  readonly socket: Socket
  readonly peer: Peer
  /** What follows the target in the head for the upstream: version and Host. Of the last request given to `address`. */
  hostLine = ''
  /** The Forwarded header line for the upstream, likewise. */
  forwardedLine = ''
  #judgedBy: IsTrusted | undefined
  #trusted = false
  #host = ''
  #port = 0
  #scheme = ''
  #client = ''

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

  /** Makes `hostLine` and `forwardedLine` those of a request; most requests of a connection share them. */
  address({ host, port, scheme }: CanonicalRequest, client: string): void {
    const same = host === this.#host && port === this.#port && scheme === this.#scheme
    if (same && client === this.#client) return
    this.#host = host
    this.#port = port
    this.#scheme = scheme
    this.#client = client
    const authority = formatAuthority(scheme, host, port)
    this.hostLine = ` HTTP/1.1\r\nhost: ${authority}\r\n`
    this.forwardedLine = `forwarded: ${formatForwarded(client, authority, scheme)}\r\n`
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
