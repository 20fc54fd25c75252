/** A web server that serves the folder of a log, and lies, hangs or babbles when it is told to. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** What the server does with a path: serve it as it is when undefined. */
export type Trick =
  | { readonly kind: 'hang' }
  | { readonly kind: 'endless' }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'body'; readonly bytes: (real: Buffer | undefined) => Uint8Array }

export interface HostileSource extends AsyncDisposable {
  readonly url: string
  /** Paths that were asked for, in order. */
  readonly asked: string[]
  /** The folder that is served, which may be exchanged for another. */
  folder: string
  /** Decides, for each request, what to do. */
  trick: (path: string) => Trick | undefined
}

export async function openHostileSource(folder: string): Promise<HostileSource> {
  const server = createServer((request, response) => {
    answer(source, request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const source: HostileSource = {
    url: `http://127.0.0.1:${port}/`,
    asked: [],
    folder,
    trick: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return source
}

async function answer(
  source: HostileSource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '').slice(1)
  source.asked.push(path)
  const real = await readFile(join(source.folder, path)).catch(() => undefined)
  const trick = source.trick(path)
  switch (trick?.kind) {
    case undefined:
      if (real === undefined) response.writeHead(404)
      response.end(real)
      return
    case 'hang':
      return
    case 'endless':
      babble(response)
      return
    case 'status':
      response.writeHead(trick.status).end()
      return
    case 'body':
      response.end(trick.bytes(real))
  }
}

/** Goes on for as long as somebody listens. */
function babble(response: ServerResponse): void {
  const piece = Buffer.alloc(64 * 1024, 7)
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}
