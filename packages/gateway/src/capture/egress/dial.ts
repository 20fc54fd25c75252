import { connect, type Socket } from 'node:net'

/** Why no connection came about. */
export type DialFailure = 'upstream_unreachable' | 'upstream_timeout' | 'abandoned'

export type Dialled = { readonly socket: Socket } | { readonly failure: DialFailure }

/** Dials a literal address. The signal abandons the attempt. Never rejects. */
export function dial(
  target: { readonly address: string; readonly port: number },
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Dialled> {
  const { promise, resolve } = Promise.withResolvers<Dialled>()
  if (options.signal.aborted) return Promise.resolve({ failure: 'abandoned' })
  const socket = connect({
    host: target.address,
    port: target.port,
    allowHalfOpen: true,
    noDelay: true,
  })
  const settle = (dialled: Dialled): void => {
    clearTimeout(timer)
    options.signal.removeEventListener('abort', abandon)
    socket.removeListener('connect', connected)
    socket.removeListener('error', failed)
    if ('failure' in dialled) socket.on('error', () => {}).destroy()
    resolve(dialled)
  }
  const connected = (): void => settle({ socket })
  const failed = (): void => settle({ failure: 'upstream_unreachable' })
  const abandon = (): void => settle({ failure: 'abandoned' })
  const timer = setTimeout(() => settle({ failure: 'upstream_timeout' }), options.timeoutMs)
  socket.once('connect', connected).once('error', failed)
  options.signal.addEventListener('abort', abandon)
  return promise
}
