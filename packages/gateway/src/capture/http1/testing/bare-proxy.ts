/**
 * A proxy of nothing but the codec: server, `parseHead`, client. And the same of node:http and undici, to measure it by;
 * and the reverse listener, to measure by it.
 * `node -C @countersign/source bare-proxy.ts [--seconds 5] [--rounds 3] [--path /100]` starts nginx as the upstream, runs
 * wrk against each in turn, and against HAProxy, and prints microseconds of CPU (user and system) a request.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { type ParsedHead, parseHead } from '../../canonical-request.ts'
import type { DefectName } from '../../defects.ts'
import { openDoor } from '../../testing/open-door.ts'
import type { ClientCall, ClientHandler, ClientRequest } from '../client-call.ts'
import type { ClientErrorCode } from '../client-errors.ts'
import { type Http1Pool, openHttp1Pool } from '../client.ts'
import { openDeadlines } from '../deadlines.ts'
import type { ResponseHead } from '../response-head.ts'
import type { ExchangeHandler, ServerExchange } from '../server-exchange.ts'
import { openHttp1Server } from '../server.ts'

/** A proxy that is listening on loopback. */
export interface BareProxy {
  readonly port: number
  close(): Promise<void>
}

const wholeBodyBytesMax = 65_536
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
])

const spellings = new Map<string, boolean>()

/** One look-up for each spelling, as in `scanHeaders`. */
function passes(name: string): boolean {
  const known = spellings.get(name)
  if (known !== undefined) return known
  if (spellings.size > 1_000) spellings.clear()
  const verdict = !hopByHop.has(name.toLowerCase())
  spellings.set(name, verdict)
  return verdict
}

/** Everything goes to 127.0.0.1:upstreamPort, through the codec on both sides. */
export async function openCodecProxy(upstreamPort: number): Promise<BareProxy> {
  const deadlines = openDeadlines()
  const pool = openHttp1Pool({ connect: { host: '127.0.0.1', port: upstreamPort }, deadlines })
  const http = openHttp1Server({
    deadlines,
    onRequest: (exchange) => {
      const parsed = parse(exchange.head)
      if (typeof parsed === 'string') answer(exchange, 400, parsed)
      else forward(exchange, parsed, pool)
    },
    onDefect: (refusal) => refusal.answer(400, ['x-defect', refusal.defect], refusal.defect),
  })
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    http.accept(socket),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close()
      http.destroy()
      pool.destroy()
      deadlines.close()
      if (server.listening || http.connections.size > 0) await once(server, 'close')
    },
  }
}

function parse(head: Parameters<typeof parseHead>[0]): ParsedHead | DefectName {
  return parseHead(head, { listener: 'origin', scheme: 'http', bodyBytesMax: 2 ** 30 })
}

function answer(exchange: ServerExchange, status: number, text: string): void {
  const body = Buffer.from(text)
  exchange.keepsAlive = false
  exchange.writeHead(status, ['content-type', 'text/plain'], body.length)
  exchange.end(body)
}

function forward(exchange: ServerExchange, parsed: ParsedHead, pool: Http1Pool): void {
  const { method, path, query, host, headers, body } = parsed.request
  const target = query === undefined ? path : `${path}?${query}`
  let head = `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n`
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`
  if (body.framing === 'chunked') head += 'transfer-encoding: chunked\r\n'
  else if (body.framing === 'length') head += `content-length: ${body.bytes}\r\n`
  head += '\r\n'
  const { framing } = exchange.head
  if (parsed.expectsContinue) exchange.writeContinue()
  const whole =
    typeof framing === 'number' && framing <= wholeBodyBytesMax ? exchange.takeBody() : undefined
  const forwarding = new Forwarding(exchange)
  exchange.handler = forwarding
  forwarding.begin(pool, { head, method, ...bodyOf(framing, whole) })
}

function bodyOf(
  framing: ServerExchange['head']['framing'],
  whole: Buffer | undefined,
): Pick<ClientRequest, 'body'> {
  if (framing === 0) return {}
  if (whole !== undefined) return { body: whole }
  return { body: typeof framing === 'number' ? { bytes: framing } : 'chunked' }
}

/** One request through the proxy: both sides' handler. */
class Forwarding implements ExchangeHandler, ClientHandler {
  readonly #exchange: ServerExchange
  #call: ClientCall | undefined
  #last: Buffer | undefined
  #reading = false

  constructor(exchange: ServerExchange) {
    this.#exchange = exchange
  }

  begin(pool: Http1Pool, request: ClientRequest): void {
    this.#call = pool.dispatch(request, this)
  }

  onReady(call: ClientCall): void {
    this.#call = call
    if (this.#reading) this.#exchange.resumeBody()
    this.#reading = true
    this.#exchange.readBody()
  }

  onBody(piece: Buffer): void {
    if (this.#call?.write(piece) === false) this.#exchange.pauseBody()
  }

  onBodyEnd(): void {
    this.#call?.end()
  }

  onBodyFailure(): void {
    this.#call?.abort()
    this.#exchange.destroy()
  }

  onDrain(): void {
    this.#call?.resume()
  }

  onGone(): void {
    this.#call?.abort()
  }

  onHead({ status, rawHeaders, framing, contentLength }: ResponseHead): void {
    const headers: string[] = []
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const name = rawHeaders[at] ?? ''
      if (passes(name)) headers.push(name, rawHeaders[at + 1] ?? '')
    }
    this.#exchange.writeHead(
      status,
      headers,
      typeof framing === 'number' && framing > 0 ? framing : contentLength,
    )
  }

  onData(piece: Buffer): boolean {
    const before = this.#last
    this.#last = piece
    return before === undefined || this.#exchange.write(before)
  }

  onEnd(): void {
    this.#exchange.end(this.#last)
  }

  onError(code: ClientErrorCode): void {
    if (this.#exchange.headWritten) this.#exchange.destroy()
    else answer(this.#exchange, 502, code)
  }
}

/** The same with node:http and undici's dispatch. */
export async function openNodeProxy(upstreamPort: number): Promise<BareProxy> {
  const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 64, pipelining: 1 })
  const server = createHttpServer({ noDelay: true, requireHostHeader: false })
  server.on('request', (request, response) => {
    const parsed = parse(request)
    if (typeof parsed === 'string') {
      response.writeHead(400)
      response.end(parsed)
      return
    }
    const { method, path, query, host, body } = parsed.request
    const target = query === undefined ? path : `${path}?${query}`
    const headers = ['host', host, ...parsed.request.headers.flat()]
    let controller: { resume(): void; pause(): void } | undefined
    let last: Buffer | undefined
    response.on('drain', () => controller?.resume())
    pool.dispatch(
      { method, path: target, headers, body: body.framing === 'none' ? null : request },
      {
        onRequestStart: (started) => {
          controller = started
        },
        onResponseStart: (_controller, status, from) => {
          const kept: string[] = []
          for (const name in from) {
            const value = from[name]
            if (typeof value === 'string' && (!hopByHop.has(name) || name === 'content-length'))
              kept.push(name, value)
          }
          response.writeHead(status, kept)
        },
        onResponseData: (_controller, chunk) => {
          if (last !== undefined && !response.write(last)) controller?.pause()
          last = chunk
        },
        onResponseEnd: () => {
          if (last === undefined) response.end()
          else if (last.length > 16_384) response.end(last)
          else response.end(last.toString('latin1'), 'latin1')
        },
        onResponseError: () => void response.destroy(),
      },
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await pool.destroy()
    },
  }
}

/** nginx with static answers of 100 bytes, 10 KiB and 1 MiB under /100, /10k and /1m; POST is answered 200. */
export async function openNginx(): Promise<BareProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-http1-'))
  for (const [name, bytes] of Object.entries({ '100': 100, '10k': 10_240, '1m': 1_048_576 }))
    await writeFile(join(folder, name), Buffer.alloc(bytes, 'countersign '))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ')
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} pid ${folder}/pid; error_log stderr warn;
worker_processes 1; events { worker_connections 1024; }
http { ${temporary} access_log off; sendfile on; tcp_nopush on; open_file_cache max=10 inactive=1h;
keepalive_requests 1000000000; keepalive_timeout 1h; default_type text/plain; error_page 405 =200 $uri;
server { listen 127.0.0.1:${port}; root ${folder}; location = /none { return 204; } } }`,
  )
  const nginx = spawn('nginx', ['-e', 'stderr', '-c', join(folder, 'nginx.conf')], {
    stdio: 'ignore',
  })
  await answers(port)
  return {
    port,
    close: async () => {
      nginx.kill('SIGTERM')
      await once(nginx, 'exit')
      await rm(folder, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

async function answers(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      await fetch(`http://127.0.0.1:${port}/none`)
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
  throw new Error('nginx does not answer')
}

function openProxy(kind: string, upstreamPort: number): Promise<BareProxy> {
  if (kind === 'capture') return openDoor(upstreamPort)
  return kind === 'codec' ? openCodecProxy(upstreamPort) : openNodeProxy(upstreamPort)
}

/** Runs as a process of its own: prints its port, and on every line it reads the CPU time it has used. */
async function serve(kind: string, upstreamPort: number): Promise<void> {
  const proxy = await openProxy(kind, upstreamPort)
  process.stdout.write(`${proxy.port}\n`)
  process.stdin.on('data', () => {
    const { user, system } = process.cpuUsage()
    process.stdout.write(`${user + system} ${user}\n`)
  })
  await once(process.stdin, 'end')
  await proxy.close()
}

/** HAProxy on one thread, without a log, to set the figures beside. */
async function startHaproxy(upstreamPort: number): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-http1-'))
  const port = await freePort()
  const config = join(folder, 'haproxy.cfg')
  await writeFile(
    config,
    `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
listen all
  bind 127.0.0.1:${port}
  server upstream 127.0.0.1:${upstreamPort}
`,
  )
  const child = spawn('haproxy', ['-db', '-f', config], { stdio: 'ignore' })
  await answers(port)
  return {
    kind: 'haproxy',
    port,
    cpu: async () => {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const [user = 0, system = 0] = fields.slice(11, 13).map(Number)
      return [(user + system) * 10_000, user * 10_000]
    },
    end: () => void child.kill('SIGTERM'),
  }
}

interface Served {
  readonly kind: string
  readonly port: number
  cpu(): Promise<readonly number[]>
  end(): void
}

async function start(kind: string, upstreamPort: number): Promise<Served> {
  const args = [...process.execArgv, import.meta.filename, '--serve', kind, '--upstream']
  const child = spawn(process.execPath, [...args, String(upstreamPort)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const line = async (): Promise<readonly number[]> => {
    const [chunk] = await once(child.stdout, 'data')
    return String(chunk).trim().split(' ').map(Number)
  }
  const [port = 0] = await line()
  return {
    kind,
    port,
    cpu: () => {
      child.stdin.write('\n')
      return line()
    },
    end: () => void child.stdin.end(),
  }
}

async function measure(served: Served, path: string, seconds: number): Promise<string> {
  const before = await served.cpu()
  const { stdout } = spawnSync(
    'wrk',
    ['-t1', '-c32', `-d${seconds}`, `http://127.0.0.1:${served.port}${path}`],
    { encoding: 'utf8' },
  )
  const after = await served.cpu()
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  const cpuUs = ((after[0] ?? 0) - (before[0] ?? 0)) / requests
  const userUs = ((after[1] ?? 0) - (before[1] ?? 0)) / requests
  const failed = /Non-2xx.*|Socket errors.*/.exec(stdout)?.[0] ?? ''
  return `${served.kind}: ${cpuUs.toFixed(1)} us CPU a request (${userUs.toFixed(1)} user), ${Math.round(requests / seconds)} requests/s ${failed}`
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      serve: { type: 'string' },
      upstream: { type: 'string', default: '0' },
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '3' },
      path: { type: 'string', default: '/100' },
    },
  })
  if (values.serve !== undefined) return serve(values.serve, Number(values.upstream))
  const nginx = await openNginx()
  const all = [
    await startHaproxy(nginx.port),
    await start('node:http and undici', nginx.port),
    await start('codec', nginx.port),
    await start('capture', nginx.port),
  ]
  for (const served of all) await measure(served, values.path, 2)
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const served of all)
      process.stdout.write(`${await measure(served, values.path, Number(values.seconds))}\n`)
  }
  for (const served of all) served.end()
  await nginx.close()
}

if (import.meta.main) await main()
