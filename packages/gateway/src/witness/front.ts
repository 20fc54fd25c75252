/** The HTTP around a desk: time-outs, limits, and which path is what. Attacker-controlled: whoever reaches it may send anything. */
import { unlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
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

/** A unix socket, or `address:port` (port 0 takes a free one); PEM texts make it TLS. */
export type Listening =
  | { readonly socketPath: string }
  | {
      readonly address: string
      readonly tls?: { readonly certificate: string; readonly key: string } | undefined
    }

/** What is read with GET, by its path. */
export interface Page {
  readonly type: string
  readonly body: string
}

export interface FrontParts {
  readonly desk: Desk
  readonly listening: Listening
  /** What a GET of this path answers: undefined for a path that is none. */
  readonly page?: (path: string) => Promise<Page | undefined>
}

/** A listening front. */
export interface Front {
  /** Where it listens: a URL, or nothing on a socket. */
  readonly url: string | undefined
  /** No further request is taken, and those under way are cut off. */
  close(): Promise<void>
}

/** Listens. On a unix socket the caller holds the lock, so a socket that is there is what a killed process left. */
export async function openFront(parts: FrontParts): Promise<Front> {
  const { listening } = parts
  const tls = 'tls' in listening ? listening.tls : undefined
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: HEADERS_BYTES_MAX,
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    answer(parts, request, response).catch(() => response.destroy())
  }
  const server =
    tls === undefined
      ? createServer(limits, listener)
      : createTlsServer({ ...limits, cert: tls.certificate, key: tls.key }, listener)
  server.maxConnections = CONNECTIONS_MAX
  server.timeout = IDLE_TIMEOUT_MS
  await listen(server, listening)
  return {
    url: urlOf(server, tls === undefined ? 'http' : 'https'),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(
  { desk, page }: FrontParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.url !== '/add-checkpoint') return await answerPage(page, request, response)
  if (request.method !== 'POST')
    return send(response.setHeader('Allow', 'POST'), 405, text('only POST'))
  const body = await readBody(request)
  if (body === undefined) {
    // The rest is not read: the connection cannot be used again.
    response.setHeader('Connection', 'close')
    return send(response, 400, text(`the body is over ${ADD_CHECKPOINT_BYTES_MAX} bytes`))
  }
  const { status, body: said } = await desk.addCheckpoint(body)
  const type = status === 409 ? TLOG_SIZE_TYPE : TEXT
  return send(response, status, { type, body: said })
}

async function answerPage(
  page: FrontParts['page'],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const found = await page?.(request.url ?? '')
  if (found === undefined) return send(response, 404, text('not found'))
  if (request.method !== 'GET')
    return send(response.setHeader('Allow', 'GET'), 405, text('only GET'))
  // Whoever asks again wants to know what is cosigned now.
  return send(response.setHeader('Cache-Control', 'no-cache'), 200, found)
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

const TEXT = 'text/plain; charset=utf-8'

function text(line: string): Page {
  return { type: TEXT, body: `${line}\n` }
}

function send(response: ServerResponse, status: number, { type, body }: Page): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

async function listen(server: Server, listening: Listening): Promise<void> {
  if ('socketPath' in listening) await unlink(listening.socketPath).catch(() => undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if ('socketPath' in listening) server.listen(listening.socketPath, resolve)
    else server.listen(splitAddress(listening.address), resolve)
  })
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}

function urlOf(server: Server, scheme: string): string | undefined {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') return undefined
  const host = bound.address.includes(':') ? `[${bound.address}]` : bound.address
  return `${scheme}://${host}:${bound.port}`
}
