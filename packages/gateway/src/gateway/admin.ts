/** The admin listener: `/healthz` (the process answers), `/readyz` (it would serve a request), `/metrics`. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { Metrics } from './metrics.ts'

export interface Admin {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

export interface AdminOptions {
  /** `address:port`. */
  readonly listen: string
  readonly metrics: Metrics
  /** Why requests would be refused now; `undefined` when they would be served. */
  readonly notReady: () => string | undefined
}

export async function listenAdmin(options: AdminOptions): Promise<Admin> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      response.writeHead(500).end(`could not answer: ${String(error)}\n`)
    })
  })
  const separator = options.listen.lastIndexOf(':')
  const address = options.listen.slice(0, separator).replace(/^\[(.*)\]$/, '$1')
  await listening(server, Number(options.listen.slice(separator + 1)), address)
  const bound = server.address()
  if (bound === null || typeof bound === 'string')
    throw new Error('could not bind the admin listener')
  return {
    address: bound.address,
    port: bound.port,
    close: () =>
      new Promise((resolve, reject) => {
        server.closeAllConnections()
        server.close((error) => (error === undefined ? resolve() : reject(error)))
      }),
  }
}

function listening(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminOptions,
): Promise<void> {
  const text = (status: number, body: string): void => {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${body}\n`)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    text(405, 'only GET')
  } else if (request.url === '/healthz') {
    text(200, 'ok')
  } else if (request.url === '/readyz') {
    const why = options.notReady()
    text(why === undefined ? 200 : 503, why ?? 'ready')
  } else if (request.url === '/metrics') {
    const metrics = await options.metrics.expose()
    response.writeHead(200, { 'content-type': metrics.type }).end(metrics.text)
  } else {
    text(404, 'try /healthz, /readyz or /metrics')
  }
}
