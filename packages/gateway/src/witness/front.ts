/** The HTTP around a desk: time-outs, limits, and which path is what. Attacker-controlled: whoever reaches it may send anything. */
import { unlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { ADD_CHECKPOINT_BYTES_MAX, TLOG_SIZE_TYPE } from '@countersign/tlog/add-checkpoint'
import type { Desk } from './desk.ts'
import {
  CONNECTIONS_MAX,
  HEADERS_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  TIMEOUT_CHECK_MS,
} from './limits.ts'

/** A listening front. */
export interface Front {
  /** No further request is taken; those under way are cut off. */
  close(): Promise<void>
}

/** Listens on a unix socket. The caller holds the lock, so a socket that is there is what a killed process left. */
export async function openFront(desk: Desk, socketPath: string): Promise<Front> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: HEADERS_BYTES_MAX,
    },
    (request, response) => {
      answer(desk, request, response).catch(() => response.destroy())
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  server.timeout = IDLE_TIMEOUT_MS
  await unlink(socketPath).catch(() => undefined)
  await listen(server, socketPath)
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(
  desk: Desk,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.url !== '/add-checkpoint') return send(response, 404, 'not found\n')
  if (request.method !== 'POST')
    return send(response.setHeader('Allow', 'POST'), 405, 'only POST\n')
  const body = await readBody(request)
  if (body === undefined) {
    // The rest is not read: the connection cannot be used again.
    response.setHeader('Connection', 'close')
    return send(response, 400, `the body is over ${ADD_CHECKPOINT_BYTES_MAX} bytes\n`)
  }
  const { status, body: text } = await desk.addCheckpoint(body)
  return send(response, status, text)
}

/** Undefined when it is over the limit. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > ADD_CHECKPOINT_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

function send(response: ServerResponse, status: number, body: string): void {
  const type = status === 409 ? TLOG_SIZE_TYPE : 'text/plain; charset=utf-8'
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
}
