/**
 * The demo's own services, as a process of their own: orders and billing stand behind the gateway, payments is somebody
 * else's API that orders may call. They know nothing of the gateway.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { listenLocally } from './local-server.ts'

type Handler = (request: IncomingMessage, body: string) => unknown

const handlers = {
  orders: (request) => ({
    order: request.url?.split('/')[2],
    item: 'a box of pencils',
    city: 'Ghent',
  }),
  billing: (request) => ({ invoice: request.url?.split('/')[2], amount: '12.50 EUR' }),
  payments: (_request, body) => ({ charged: true, bytes: body.length }),
} satisfies Record<string, Handler>

const servers = Object.entries(handlers).map(([name, handler]) => ({
  name,
  server: createServer((request, response) => {
    answer(request, response, handler).catch(() => response.destroy())
  }),
}))

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handler: Handler,
): Promise<void> {
  let body = ''
  for await (const piece of request) body += String(piece)
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(handler(request, body))}\n`)
}

// A demo that is gone needs no services; and its Ctrl-C is not theirs to answer.
process.on('disconnect', () => {
  for (const { server } of servers) server.close().closeAllConnections()
})
process.on('SIGINT', () => undefined)

const ports: Record<string, number> = {}
for (const { name, server } of servers) ports[name] = await listenLocally(server)
process.send?.(ports)
