import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { realHello } from './hello.ts'
import { type Wire, type World, headOf, openTcp, openWire, wire } from './world.ts'

export const host = 'api.example'
export const hello: Buffer = await realHello({
  servername: host,
  ALPNProtocols: ['h2', 'http/1.1'],
})
export const helloText: string = hello.toString('latin1')

export function connectTo(port: number, to = host, more = ''): string {
  return `CONNECT ${to}:${port} HTTP/1.1\r\nHost: ${to}:${port}\r\n${more}\r\n`
}

/** A TCP server whose connections are wires. */
export async function openServer(
  t: TestContext,
): Promise<{ port: number; accepted: Promise<Wire>; count: () => number }> {
  const first = Promise.withResolvers<Wire>()
  let count = 0
  const port = await openTcp(t, (socket: Socket) => {
    count += 1
    first.resolve(wire(t, socket))
  })
  return { port, accepted: first.promise, count: () => count }
}

/** Opens a tunnel and says hello in it. */
export async function openTunnel(
  t: TestContext,
  world: World,
  first: Buffer = hello,
): Promise<{ client: Wire; server: Wire; head: string }> {
  const { port, accepted } = await openServer(t)
  const client = await openWire(t, world.port)
  client.send(connectTo(port))
  const head = headOf(await client.until((received) => headOf(received) !== undefined)) ?? ''
  client.send(first)
  const server = await accepted
  return { client, server, head }
}
