/** An upstream that says bytes as they are, and a pool in front of it on a clock that the test turns. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import type { ClientHandler } from '../client-call.ts'
import { type Http1Pool, type PoolLimits, openHttp1Pool } from '../client.ts'
import type { ResponseHead } from '../response-head.ts'
import { type ManualDeadlines, openManualDeadlines } from './manual-deadlines.ts'

/** Called with everything a connection has said so far, whenever it says more. */
export type Script = (said: string, socket: Socket, connection: number) => void

export interface Upstream {
  readonly port: number
  readonly sockets: Socket[]
}

export async function openScripted(t: TestContext, script: Script): Promise<Upstream> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    const connection = sockets.push(socket)
    let said = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1')
      script(said, socket, connection)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets }
}

export function openPool(
  t: TestContext,
  port: number,
  limits: Partial<PoolLimits> = {},
): { pool: Http1Pool; deadlines: ManualDeadlines } {
  const deadlines = openManualDeadlines()
  const pool = openHttp1Pool({ connect: { host: '127.0.0.1', port }, limits, deadlines })
  t.after(() => pool.destroy())
  return { pool, deadlines }
}

/** A whole answer, or the code of its failure. */
export interface Answer {
  readonly head: ResponseHead | undefined
  readonly body: string
  readonly error: string | undefined
}

/** A handler, and the promise of what it will have seen. */
export function collect(
  over: Partial<ClientHandler> = {},
): ClientHandler & { readonly answer: Promise<Answer> } {
  let head: ResponseHead | undefined
  let body = ''
  let settle: (answer: Answer) => void = () => undefined
  const answer = new Promise<Answer>((resolve) => {
    settle = resolve
  })
  return {
    onHead: (seen) => {
      head = seen
    },
    onData: (piece) => {
      body += piece.toString('latin1')
      return true
    },
    onEnd: () => settle({ head, body, error: undefined }),
    onError: (error) => settle({ head, body, error }),
    ...over,
    answer,
  }
}

/** A request without body. */
export function plain(target: string, method = 'GET'): { head: string; method: string } {
  return { head: `${method} ${target} HTTP/1.1\r\nhost: a.test\r\n\r\n`, method }
}
