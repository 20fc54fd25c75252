/**
 * The API's own socket, within the reader: the listener in front has it for its only upstream. Whoever else finds it gets nothing, since
 * only what came through the journey is handled, and once.
 */
import { chmod, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { messageOf, ReaderError } from './errors.ts'
import type { Asked, Desk } from './desk.ts'

export interface ApiSocket {
  readonly path: string
  close(): Promise<void>
}

type Answer = (request: Request, asked: Asked) => Response | Promise<Response>

/** @throws {ReaderError} `READER_IO` */
export async function openApiSocket(path: string, desk: Desk, answer: Answer): Promise<ApiSocket> {
  const server = createAdaptorServer({
    fetch(request: Request) {
      const asked = desk.take(request.headers.get('traceparent'))
      return asked === undefined ? notThroughTheJourney() : answer(request, asked)
    },
  })
  try {
    // Of a process that was killed.
    await rm(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    await chmod(path, 0o600)
  } catch (cause) {
    server.close()
    throw new ReaderError('READER_IO', `could not listen on ${path}: ${messageOf(cause)}`, { cause })
  }
  return { path, close: () => closed(server) }
}

function notThroughTheJourney(): Response {
  return new Response('could not answer: nobody is known here but who came in by the front\n', {
    status: 403,
  })
}

async function closed(server: ReturnType<typeof createAdaptorServer>): Promise<void> {
  if (isHttpServer(server)) server.closeAllConnections()
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
}

function isHttpServer(server: object): server is Server {
  return 'closeAllConnections' in server
}
