/** A small HTTP server that speaks the shapes of the API, for tests of who asks it: what it answers is what the test says. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { main } from '../../cli.ts'
import type { Output } from '../terminal.ts'
import { captureIo } from './captured-io.ts'

/** A request as it came. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

export interface Answered {
  readonly status?: number
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  /** A text as it is; anything else as JSON; pieces one after the other. */
  readonly body?: unknown
  readonly pieces?: AsyncIterable<string>
}

/** What comes back of a command. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface SmallApi extends AsyncDisposable {
  readonly url: string
  /** A folder whose configuration leads to this API, as that of a running reader does. */
  readonly config: string
  readonly asked: readonly Asked[]
  /** Runs a command that asks this API. */
  run(args: readonly string[], terminal?: Partial<Output>): Promise<Ran>
}

/** What a reader of that boot shows; anything else is not let in. */
const KEY = 'csk_small'

/** @param answer what is answered to what; `status` says that no log is behind unless it does so itself */
export async function openSmallApi(
  answer: (asked: Asked) => Answered | undefined,
): Promise<SmallApi> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '', 'http://small')
      const text = await textOf(request)
      const one: Asked = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      }
      asked.push(one)
      const known = one.headers['x-api-key'] === KEY
      const said: Answered | undefined = known ? (answer(one) ?? usual(one)) : { status: 401 }
      const { status = 200, type = 'application/json', headers = {}, body, pieces } = said ?? none
      response.writeHead(status, { 'content-type': type, ...headers })
      if (pieces !== undefined) for await (const piece of pieces) response.write(piece)
      response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const folder = await mkdtemp(join(tmpdir(), 'countersign-small-'))
  const config = await writeConfig(folder, { api: url, key: KEY })
  return {
    url,
    config,
    asked,
    async run(args, terminal) {
      const io = captureIo(terminal)
      const [command = '', ...rest] = args
      const code = await main([command, ...rest, '--config', config], io)
      return { code, out: io.out(), err: io.err() }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      await rm(folder, { recursive: true })
    },
  }
}

const none: Answered = {
  status: 404,
  type: 'application/problem+json',
  body: { code: 'REPORT_NOT_FOUND', detail: 'could not find it' },
}

function usual({ path }: Asked): Answered | undefined {
  return path === '/v1/status' ? { body: { logs: [], lagMs: 0, ok: true } } : undefined
}

/** A configuration whose data folder says that its reader is there. @returns its path */
export async function writeConfig(folder: string, reader: unknown): Promise<string> {
  const path = join(folder, 'countersign.yaml')
  await writeFile(
    path,
    `origin: audit.example.com/small
data: ./data
signer: { key: ./log.skey, state: ./signer-state }
sequencer: { key: ./sequencer.skey }
fingerprintKey: ./fingerprint.key
listen: { inbound: '127.0.0.1:0' }
services: { orders: { upstream: 'http://127.0.0.1:9', routes: [] } }
`,
  )
  await mkdir(join(folder, 'data/run'), { recursive: true })
  if (reader !== undefined)
    await writeFile(join(folder, 'data/run/reader.json'), JSON.stringify(reader), { mode: 0o600 })
  return path
}

/** A terminal of so many columns, without colours. */
export function terminalOf(columns: number): Partial<Output> {
  return { isTTY: true, columns, hasColors: () => false }
}
