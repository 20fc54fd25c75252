/** What `up` and the processes it runs say to each other, over the IPC channel of a forked process. */

/** From `up`: end in order, or read the configuration again. */
export type Order = { readonly kind: 'stop' } | { readonly kind: 'reload' }

/** To `up`: all is open; where it listens, by name, as URLs. */
export interface Ready {
  readonly kind: 'ready'
  readonly listening: Readonly<Record<string, string>>
}

export function isOrder(message: unknown): message is Order {
  return isMessage(message) && (message.kind === 'stop' || message.kind === 'reload')
}

export function isReady(message: unknown): message is Ready {
  return isMessage(message) && message.kind === 'ready' && 'listening' in message
}

function isMessage(message: unknown): message is { kind: unknown } {
  return typeof message === 'object' && message !== null && 'kind' in message
}
