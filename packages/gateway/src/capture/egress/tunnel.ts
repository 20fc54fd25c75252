/**
 * One CONNECT tunnel, from the 200 to its last FIN. It holds two sockets and, until the client has said which
 * server it wants, the client's first bytes. It guarantees that nothing goes upstream before the check, that
 * neither side can make us buffer more than a socket's high-water mark, and that every byte is counted.
 */
import type { Socket } from 'node:net'
import { type ClientHello, ClientHelloReader } from '../client-hello.ts'

/** What the client said first. `tls` is false for bytes that are no ClientHello, for silence, and when the server spoke first. */
export interface FirstWords {
  readonly tls: boolean
  readonly hello?: ClientHello
}

/** Why a tunnel ended. Only `ended` is the two sides' own doing: a FIN from each, or a client that left after its own. */
export type TunnelEnding =
  | 'ended'
  | 'refused'
  | 'idle_timeout'
  | 'client_gone'
  | 'upstream_closed'
  | 'gateway_stopping'

/** A tunnel that is over but for its last sign to the client. */
export interface TunnelResult {
  readonly ending: TunnelEnding
  readonly requestBytes: number
  readonly responseBytes: number
  /** When the first byte came from upstream, by the same clock as `nowNs`. */
  readonly firstByteAtNs?: bigint
  /** Sends the last FIN (or, after anything but `ended`, breaks the connection). */
  finish(): void
  /** Breaks both connections with a reset where possible: what came through must not look complete. */
  abort(): void
}

export interface TunnelOptions {
  readonly client: Socket
  /** What the client sent behind its request, before it had the 200. */
  readonly head: Uint8Array
  readonly upstream: Socket
  readonly clientHelloBytesMax: number
  readonly clientHelloTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly nowNs: () => bigint
  readonly signal: AbortSignal
  /** Says whether bytes may pass; called once at most, before any does. */
  readonly check: (words: FirstWords) => boolean
}

/** Runs a tunnel until neither side has anything more to say. Never rejects. */
export function runTunnel(options: TunnelOptions): Promise<TunnelResult> {
  return new Tunnel(options).run()
}

class Tunnel {
  readonly #options: TunnelOptions
  readonly #reader: ClientHelloReader
  readonly #over: PromiseWithResolvers<TunnelResult> = Promise.withResolvers()
  #phase: 'first words' | 'open' | 'over' = 'first words'
  #waiting: Uint8Array[] = []
  #clientEnded = false
  #upstreamEnded = false
  #requestBytes = 0
  #responseBytes = 0
  #firstByteAtNs: bigint | undefined
  #timer: NodeJS.Timeout
  readonly #stop = (): void => this.#end('gateway_stopping')

  constructor(options: TunnelOptions) {
    this.#options = options
    this.#reader = new ClientHelloReader(options.clientHelloBytesMax)
    this.#timer = setTimeout(() => this.#judge({ tls: false }), options.clientHelloTimeoutMs)
  }

  run(): Promise<TunnelResult> {
    const { client, upstream, head, signal } = this.#options
    client.on('error', ignore).on('close', () => this.#clientClosed())
    upstream.on('error', ignore).on('close', () => this.#end('upstream_closed'))
    client.on('end', () => this.#clientEnd()).on('drain', () => this.#drained(upstream))
    upstream.on('end', () => this.#upstreamEnd()).on('drain', () => this.#drained(client))
    signal.addEventListener('abort', this.#stop)
    if (client.destroyed) this.#end('client_gone')
    else if (signal.aborted) this.#end('gateway_stopping')
    else if (head.length > 0) this.#fromClient(head)
    client.on('data', (bytes) => this.#fromClient(bytes)).resume()
    upstream.on('data', (bytes) => this.#fromUpstream(bytes)).resume()
    return this.#over.promise
  }

  #fromClient(bytes: Uint8Array): void {
    if (this.#phase === 'open') this.#passUp(bytes)
    if (this.#phase !== 'first words') return
    // Attacker-controlled: nothing of it goes upstream until it is understood, and no more is kept than the cap.
    this.#waiting.push(bytes)
    const progress = this.#reader.push(bytes)
    if (progress.state === 'complete') this.#judge({ tls: true, hello: progress.hello })
    if (progress.state === 'defect') this.#judge({ tls: false })
  }

  #fromUpstream(bytes: Uint8Array): void {
    if (this.#phase === 'first words') this.#judge({ tls: false })
    if (this.#phase !== 'open') return
    this.#firstByteAtNs ??= this.#options.nowNs()
    this.#responseBytes += bytes.length
    this.#timer.refresh()
    if (!this.#options.client.write(bytes)) this.#options.upstream.pause()
  }

  #passUp(bytes: Uint8Array): void {
    this.#requestBytes += bytes.length
    this.#timer.refresh()
    if (!this.#options.upstream.write(bytes)) this.#options.client.pause()
  }

  #judge(words: FirstWords): void {
    clearTimeout(this.#timer)
    if (!this.#options.check(words)) {
      this.#end('refused')
      return
    }
    this.#phase = 'open'
    this.#timer = setTimeout(() => this.#end('idle_timeout'), this.#options.idleTimeoutMs)
    const waiting = this.#waiting
    this.#waiting = []
    for (const bytes of waiting) this.#passUp(bytes)
  }

  #clientEnd(): void {
    this.#clientEnded = true
    if (this.#phase === 'first words') {
      // A connection opened ahead of need and closed unused is no attempt to say anything.
      if (this.#waiting.length === 0) this.#end('client_gone')
      else this.#judge({ tls: false })
    }
    this.#halfClosed()
  }

  /** A client that said its FIN and then takes no more is done, as most are whose server says goodbye after it. */
  #clientClosed(): void {
    this.#end(this.#phase === 'open' && this.#clientEnded ? 'ended' : 'client_gone')
  }

  #upstreamEnd(): void {
    this.#upstreamEnded = true
    if (this.#phase === 'first words') this.#end('upstream_closed')
    this.#halfClosed()
  }

  /** A FIN is passed on at once while the other direction still runs; the last one waits for `finish`. */
  #halfClosed(): void {
    if (this.#phase !== 'open') return
    if (this.#clientEnded && this.#upstreamEnded) this.#end('ended')
    else if (this.#clientEnded) this.#options.upstream.end()
    else this.#options.client.end()
  }

  #drained(source: Socket): void {
    if (this.#phase !== 'open') return
    this.#timer.refresh()
    source.resume()
  }

  #end(ending: TunnelEnding): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    clearTimeout(this.#timer)
    this.#waiting = []
    this.#options.signal.removeEventListener('abort', this.#stop)
    // A server must not take what it got for complete either.
    if (ending !== 'ended') reset(this.#options.upstream)
    this.#over.resolve({
      ending,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      ...(this.#firstByteAtNs === undefined ? {} : { firstByteAtNs: this.#firstByteAtNs }),
      finish: () => this.#finish(ending),
      abort: () => this.#abort(),
    })
  }

  #finish(ending: TunnelEnding): void {
    const { client, upstream, idleTimeoutMs, clientHelloTimeoutMs } = this.#options
    let patienceMs = idleTimeoutMs
    if (ending === 'refused') {
      // The client's bytes are still to be read: without that a close would be a reset, and the FIN lost.
      client.end().resume()
      patienceMs = clientHelloTimeoutMs
    } else if (ending !== 'ended') {
      reset(client)
    } else {
      client.end()
      upstream.end()
    }
    // A peer that does not take its last bytes may not hold on to a socket for ever.
    for (const socket of [client, upstream]) socket.setTimeout(patienceMs, () => socket.destroy())
  }

  #abort(): void {
    reset(this.#options.client)
    reset(this.#options.upstream)
  }
}

/** Errors of a socket are followed by its `close`, which is what ends a tunnel. */
function ignore(): void {}

/** RST where the platform lets us; a TLS socket only closes, without a close_notify. */
function reset(socket: Socket): void {
  if (socket.destroyed) return
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}
