/**
 * Serves `log/` read-only over HTTP, as tlog-tiles asks, and sealed addenda at the addresses of tlog-addenda. A path is looked up only
 * when it is the one spelling of a tile or an addendum, so nothing outside can be named.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { parseTilePath, tilePath } from '@countersign/tlog/tile'
import { LedgerError } from './errors.ts'
import { layoutOf } from './layout.ts'
import { digestIn, ServedAddenda } from './served-addenda.ts'

const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const CONNECTIONS_MAX = 1_000
const PATH_BYTES_MAX = 256

/** A log being served. */
export interface ServedLog {
  readonly listening: { readonly address: string; readonly port: number }
  close(): Promise<void>
}

/**
 * Serves the log of a data folder over plain HTTP: GET and HEAD of `/checkpoint`, `/tile/...` and `/addenda/...`.
 * @param options.addenda where the ciphertexts lie: in the packs of a ledger, or as files in the log's folder, as a mirror has them.
 * @param options.address `address:port`; port 0 takes a free one.
 * @param options.prefix serves it under this path too, such as `/<hash>`, as tlog-mirror asks.
 */
export async function serveLog({
  dataDir,
  address,
  prefix,
  addenda = 'packed',
}: {
  dataDir: string
  address: string
  prefix?: string
  addenda?: 'packed' | 'files'
}): Promise<ServedLog> {
  const packs = addenda === 'packed' ? new ServedAddenda(dataDir) : undefined
  const served = { log: layoutOf(dataDir).log, packs, prefix }
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      answer(served, request, response).catch(() => response.destroy())
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  const { host, port } = splitAddress(address)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const bound = server.address()
  if (bound === null || typeof bound === 'string')
    throw new LedgerError('LEDGER_IO', `could not serve the log on ${address}`)
  return {
    listening: { address: bound.address, port: bound.port },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      packs?.close()
    },
  }
}

interface Served {
  readonly log: string
  readonly packs: ServedAddenda | undefined
  readonly prefix: string | undefined
}

async function answer(
  { log, packs, prefix }: Served,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    refuse(response.setHeader('Allow', 'GET, HEAD'), 405)
    return
  }
  const url = request.url ?? ''
  const isBelow = prefix !== undefined && url.startsWith(`${prefix}/`)
  const path = isBelow ? url.slice(prefix.length) : url
  const digest = digestIn(path.slice(1))
  if (digest !== undefined && packs !== undefined) {
    answerAddendum(await packs.read(digest), request, response)
    return
  }
  const found = resolvePath(path)
  const file = found === undefined ? undefined : await openFile(join(log, found.path))
  if (found === undefined || file === undefined) {
    refuse(response, 404)
    return
  }
  const { size } = await file.stat()
  response.writeHead(200, {
    'Content-Type': found.type,
    'Content-Length': size,
    'Cache-Control': found.cache,
    'X-Content-Type-Options': 'nosniff',
    'Access-Control-Allow-Origin': '*',
  })
  if (request.method === 'HEAD' || size === 0) {
    await file.close()
    response.end()
    return
  }
  const body = createReadStream('', { fd: file, end: size - 1 })
  body.on('error', () => response.destroy())
  response.on('close', () => body.destroy())
  body.pipe(response)
}

/** No cache may keep it: it may be erased. */
function answerAddendum(
  served: Awaited<ReturnType<ServedAddenda['read']>>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (served.state === 'later') {
    refuse(response.setHeader('Retry-After', '2'), 503)
    return
  }
  if (served.state === 'none') {
    refuse(response, 404)
    return
  }
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': served.content.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Access-Control-Allow-Origin': '*',
  })
  response.end(request.method === 'HEAD' ? undefined : served.content)
}

interface Found {
  readonly path: string
  readonly type: string
  readonly cache: string
}

const BYTES = 'application/octet-stream'

/** Attacker-controlled: only paths that our own `tilePath` would write are looked up. */
function resolvePath(url: string): Found | undefined {
  if (url.length > PATH_BYTES_MAX || !url.startsWith('/')) return undefined
  const path = url.slice(1)
  if (path === 'checkpoint') return { path, type: 'text/plain; charset=utf-8', cache: 'no-cache' }
  // No cache may keep it: it may be erased.
  if (digestIn(path) !== undefined) return { path, type: BYTES, cache: 'no-store' }
  try {
    const tile = tilePath(parseTilePath(path))
    return { path: tile, type: BYTES, cache: 'public, max-age=31536000, immutable' }
  } catch {
    return undefined
  }
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

const reasons = {
  404: 'not found\n',
  405: 'only GET and HEAD\n',
  503: 'addenda are being indexed: try again\n',
} as const

function refuse(response: ServerResponse, status: keyof typeof reasons): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
  })
  response.end(reasons[status])
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}
