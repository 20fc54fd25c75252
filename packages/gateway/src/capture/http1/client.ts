/**
 * Keep-alive connections to one upstream, at most so many, and a queue, at most so long, of requests that wait for one.
 * A pool is for one service, host, port and TLS identity: no connection of it ever carries another's request.
 */
import {
  type CallCarrier,
  ClientCall,
  type ClientHandler,
  type ClientRequest,
} from './client-call.ts'
import {
  ClientConnection,
  type ClientLimits,
  type ConnectTarget,
  type ConnectionPool,
} from './client-connection.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import { defaultChunkLimits, defaultHeadLimits } from './limits.ts'

/** What a pool may take of us and of the upstream. */
export interface PoolLimits extends ClientLimits {
  readonly connectionsMax: number
  /** Requests that wait for a connection. */
  readonly queueMax: number
  readonly queueTimeoutMs: number
}

/** What a pool is made from. */
export interface PoolOptions {
  readonly connect: ConnectTarget
  readonly limits?: Partial<PoolLimits>
  readonly deadlines: Deadlines
}

const defaultLimits: PoolLimits = {
  ...defaultHeadLimits,
  ...defaultChunkLimits,
  headBytesMax: 65_536,
  connectTimeoutMs: 10_000,
  headTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 30_000,
  idleTimeoutMs: 4_000,
  interimMax: 16,
  connectionsMax: 64,
  queueMax: 1_024,
  queueTimeoutMs: 10_000,
}

/** Opens a pool; connections are made when they are first needed. */
export function openHttp1Pool(options: PoolOptions): Http1Pool {
  return new Http1Pool(options)
}

/** See the head of this file. */
export class Http1Pool implements ConnectionPool, CallCarrier, Timed {
  readonly target: ConnectTarget
  readonly limits: PoolLimits
  readonly deadlines: Deadlines
  readonly #connections = new Set<ClientConnection>()
  /** The one that was used last is used next, so that the others may grow old and end. */
  readonly #idle: ClientConnection[] = []
  readonly #queue: ClientCall[] = []
  #closed: (() => void) | undefined

  constructor({ connect, limits, deadlines }: PoolOptions) {
    this.target = connect
    this.limits = { ...defaultLimits, ...limits }
    this.deadlines = deadlines
    deadlines.watch(this)
  }

  /** Connections there are, busy or idle. */
  get connections(): number {
    return this.#connections.size
  }

  /** Sends a request as soon as a connection is free. `handler` may be called before this returns: `onReady`, or `onError`. */
  dispatch(request: ClientRequest, handler: ClientHandler): ClientCall {
    const call = new ClientCall(request, handler, this)
    if (this.#closed !== undefined) call.fail('POOL_CLOSED')
    else this.#place(call)
    return call
  }

  /** Lets running and waiting requests end, and takes no more. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#closed = resolve
      for (const connection of this.#idle.splice(0)) connection.destroy('POOL_CLOSED')
      this.#settle()
    })
  }

  /** Ends everything now. */
  destroy(): void {
    this.#closed ??= () => undefined
    for (const call of this.#queue.splice(0)) call.fail('POOL_CLOSED')
    for (const connection of this.#connections) connection.destroy('POOL_CLOSED')
    this.deadlines.forget(this)
  }

  tick(nowMs: number): void {
    while (this.#queue[0] !== undefined && nowMs > this.#queue[0].queuedUntilMs)
      this.#queue.shift()?.fail('QUEUE_TIMEOUT')
  }

  // Of connections

  idle(connection: ClientConnection): void {
    const call = this.#queue.length === 0 ? undefined : this.#queue.shift()
    if (call !== undefined) connection.send(call)
    else if (this.#closed !== undefined) connection.destroy('POOL_CLOSED')
    else this.#idle.push(connection)
  }

  ended(connection: ClientConnection): void {
    this.#connections.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    if (this.#queue.length > 0 && this.#connections.size < this.limits.connectionsMax) {
      const call = this.#queue.shift()
      if (call !== undefined) this.#connect(call)
    }
    this.#settle()
  }

  retry(call: ClientCall): void {
    call.carrier = this
    call.queuedUntilMs = this.deadlines.nowMs + this.limits.queueTimeoutMs
    // The connection it was on ends next, and makes room for a new one.
    this.#queue.unshift(call)
  }

  // Of calls that wait

  writeBody(): boolean {
    return false
  }

  endBody(call: ClientCall): void {
    call.fail('REQUEST_FRAMING')
    this.abort(call)
  }

  flow(): void {
    // There is nothing to hold back yet.
  }

  abort(call: ClientCall): void {
    const at = this.#queue.indexOf(call)
    if (at !== -1) this.#queue.splice(at, 1)
  }

  #place(call: ClientCall): void {
    const connection = this.#idle.pop()
    if (connection !== undefined) connection.send(call)
    else if (this.#connections.size < this.limits.connectionsMax) this.#connect(call)
    else if (this.#queue.length < this.limits.queueMax) {
      call.queuedUntilMs = this.deadlines.nowMs + this.limits.queueTimeoutMs
      this.#queue.push(call)
    } else call.fail('QUEUE_FULL')
  }

  #connect(call: ClientCall): void {
    this.#connections.add(new ClientConnection(this, call))
  }

  #settle(): void {
    if (this.#closed === undefined || this.#connections.size > 0 || this.#queue.length > 0) return
    this.deadlines.forget(this)
    this.#closed()
  }
}
