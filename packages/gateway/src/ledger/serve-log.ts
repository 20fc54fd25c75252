/**
 * Serves `log/` read-only over HTTP, as tlog-tiles asks. Everything in it is public; a path is looked up only when it is the
 * one spelling of a tile, so nothing outside can be named.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { addendumPath } from '@countersign/tlog/addenda'
import { parseTilePath, tilePath } from '@countersign/tlog/tile'
import { LedgerError } from './errors.ts'
import { layoutOf } from './layout.ts'

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
 * Serves the log of a data folder over plain HTTP: GET and HEAD of `/checkpoint`, `/tile/...`, and of `/addenda/...` where they
 * lie beside them.
 * @param options.address `address:port`; port 0 takes a free one.
 * @param options.prefix serves it under this path too, such as `/<hash>`, as tlog-mirror asks.
 */
export async function serveLog({
  dataDir,
  address,
  prefix,
}: {
  dataDir: string
  address: string
  prefix?: string
}): Promise<ServedLog> {
  const { log } = layoutOf(dataDir)
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      answer({ log, prefix }, request, response).catch(() => response.destroy())
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
    },
  }
}

async function answer(
  { log, prefix }: { log: string; prefix: string | undefined },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    refuse(response.setHeader('Allow', 'GET, HEAD'), 405)
    return
  }
  const url = request.url ?? ''
  const isBelow = prefix !== undefined && url.startsWith(`${prefix}/`)
  const found = resolvePath(isBelow ? url.slice(prefix.length) : url)
  const file = found === undefined ? undefined : await openFile(join(log, found.path))
  if (found === undefined || file === undefined) {
    refuse(response, 404)
    return
  }
  const { size } = await file.stat()
  response.writeHead(200, {
    'Content-Type': found.type,
    'Content-Length': size,
    'Cache-Control': found.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
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

const IMMUTABLE = { type: 'application/octet-stream', immutable: true }
const ADDENDUM = /^addenda\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9a-f]{64})$/

interface Found {
  readonly path: string
  readonly type: string
  readonly immutable: boolean
}

/** Attacker-controlled: only paths that our own `tilePath` would write are looked up. */
function resolvePath(url: string): Found | undefined {
  if (url.length > PATH_BYTES_MAX || !url.startsWith('/')) return undefined
  const path = url.slice(1)
  if (path === 'checkpoint') return { path, type: 'text/plain; charset=utf-8', immutable: false }
  const [, digest] = ADDENDUM.exec(path) ?? []
  if (digest !== undefined && addendumPath(digest) === path) return { path, ...IMMUTABLE }
  try {
    return { path: tilePath(parseTilePath(path)), ...IMMUTABLE }
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

function refuse(response: ServerResponse, status: 404 | 405): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
  })
  response.end(status === 404 ? 'not found\n' : 'only GET and HEAD\n')
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}
