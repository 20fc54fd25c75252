/** What a listener is given and what it gives back, whichever way requests run. */

/** A listener's own certificate, and whom it asks for one. PEM, as read from the files the configuration names. */
export interface ListenerTls {
  readonly certificate: Buffer | string
  readonly key: Buffer | string
  /** Authorities that sign client certificates: turns on mTLS. */
  readonly clientCa?: Buffer | string
  /** Refuses connections without a client certificate that `clientCa` vouches for. */
  readonly requireClientCertificate?: boolean
}

/** Where to listen, `address:port`; port 0 takes a free one. */
export interface ListenerOptions {
  readonly address: string
  readonly tls?: ListenerTls
}

/** A socket that accepts connections until it is closed. */
export interface Listening {
  readonly address: string
  readonly port: number
  /** Stops accepting, lets running exchanges end for `graceMs` (milliseconds), then destroys what is left. */
  close(options?: { graceMs?: number }): Promise<void>
}

/** Splits `127.0.0.1:8080`, `[::1]:8080` or `localhost:0`. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}
