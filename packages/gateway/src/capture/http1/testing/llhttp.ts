/** What node:http makes of bytes, on either side of a real socket: the parser we must never be more lenient than. */
import { once } from 'node:events'
import { type IncomingMessage, createServer, request as httpRequest } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import type { TestContext } from 'node:test'

/** One request as node:http understood it. */
export interface NodeRequest {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly minor: number
  readonly rawHeaders: readonly string[]
  readonly body: string
}

/** One answer as node:http understood it. */
export interface NodeResponse {
  readonly status: number | undefined
  readonly reason: string | undefined
  readonly rawHeaders: readonly string[]
  readonly body: string
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  let body = ''
  for await (const piece of message) body += (piece as Buffer).toString('latin1')
  return body
}

/** @returns a function that sends bytes to a node:http server and tells which whole requests it saw. */
export async function openNodeServer(
  t: TestContext,
): Promise<(bytes: Buffer) => Promise<NodeRequest[]>> {
  let seen: Promise<NodeRequest | undefined>[] = []
  const server = createServer({ requireHostHeader: false, maxHeaderSize: 65_536 })
  // So that a client that has said all is still answered, and nothing is aborted.
  Object.assign(server, { httpAllowHalfOpen: true })
  const take = (message: IncomingMessage, response: { end(): unknown }): void => {
    const { method, url, httpVersionMinor: minor, rawHeaders } = message
    seen.push(
      bodyOf(message).then(
        (body) => {
          response.end()
          return { method, url, minor, rawHeaders, body }
        },
        () => undefined,
      ),
    )
  }
  server.on('request', take)
  server.on('checkContinue', take)
  server.on('checkExpectation', take)
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return async (bytes) => {
    seen = []
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.resume()
    socket.end(bytes)
    await once(socket, 'close')
    const all = await Promise.all(seen)
    return all.filter((one) => one !== undefined)
  }
}

/** @returns a function that lets a node:http client read bytes as an answer; undefined when it refuses them. */
export async function openNodeClient(
  t: TestContext,
): Promise<(bytes: Buffer, method: string) => Promise<NodeResponse | undefined>> {
  let answer: Uint8Array = Buffer.alloc(0)
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const { port } = server.address() as AddressInfo
  return async (bytes, method) => {
    answer = bytes
    const sent = httpRequest({
      port,
      host: '127.0.0.1',
      method,
      agent: false,
      maxHeaderSize: 65_536,
    })
    sent.on('error', () => undefined)
    sent.end()
    const got = await new Promise<IncomingMessage | undefined>((resolve) => {
      sent.once('response', resolve)
      sent.once('close', () => resolve(undefined))
    })
    if (got === undefined) return undefined
    const { statusCode: status, statusMessage: reason, rawHeaders } = got
    try {
      const body = await bodyOf(got)
      return got.complete ? { status, reason, rawHeaders, body } : undefined
    } catch {
      return undefined
    }
  }
}
