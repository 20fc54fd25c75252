/** Real programs as clients and upstreams: curl and nginx. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findCommand } from '../setup.ts'

const run = promisify(execFile)

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** curl's own exit code: 0 when the answer came whole. */
  readonly code: number
}

/** Runs curl; the answer's head and body apart. A connection that breaks is a code, not an error. */
export async function curl(...args: readonly string[]): Promise<Answer> {
  const all = ['--silent', '--include', '--max-time', '20', ...args]
  try {
    const { stdout } = await run('curl', all, { maxBuffer: 64 * 1024 * 1024 })
    return read(stdout, 0)
  } catch (error) {
    const { stdout, code } = error as { stdout: string; code: number }
    return read(stdout, code)
  }
}

function read(text: string, code: number): Answer {
  // After `100 Continue` or a proxy's 200 comes the head that counts.
  const heads = /^(?:HTTP\/1\.1 (?:100|200) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n(?=HTTP\/))*/.exec(
    text,
  )
  const rest = text.slice(heads?.[0].length ?? 0)
  const split = rest.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = rest.slice(0, Math.max(split, 0)).split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return {
    status: Number(statusLine.split(' ')[1] ?? 0),
    headers,
    body: split < 0 ? '' : rest.slice(split + 4),
    code,
  }
}

export const hasNginx = findCommand('nginx') !== undefined

/** A running nginx and what it wrote of each request, as JSON. */
export interface Nginx extends AsyncDisposable {
  readonly port: number
  log(): Promise<Record<string, string>[]>
}

/** Starts a real nginx in a folder: files below `www`, uploads accepted at `/orders` and answered with their length. */
export async function openNginx(dir: string, port: number): Promise<Nginx> {
  const accessLog = join(dir, 'nginx-access.log')
  const file = join(dir, 'nginx.conf')
  await writeFile(file, configuration(dir, { port, accessLog }))
  const nginx = findCommand('nginx') ?? 'nginx'
  const child = spawn(nginx, ['-c', file, '-p', dir, '-e', join(dir, 'nginx-error.log')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await accepting(port)
  return {
    port,
    async log() {
      const text = await readFile(accessLog, 'utf8')
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, string>)
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit')
      child.kill('SIGQUIT')
      await exited
    },
  }
}

/** Resolves when something accepts connections on a port of this machine. */
async function accepting(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      // Not listening yet: asked again at once, the refusal itself took its time.
      continue
    } finally {
      socket.destroy()
    }
  }
}

function configuration(dir: string, options: { port: number; accessLog: string }): string {
  return `daemon off; master_process off; worker_processes 1; pid ${dir}/nginx.pid;
events { worker_connections 256; }
http {
  log_format json escape=json '{"method":"$request_method","uri":"$request_uri","host":"$http_host",'
    '"forwarded":"$http_forwarded","traceparent":"$http_traceparent","via":"$http_x_forwarded_for","length":"$request_length",'
    '"msec":"$msec","request_id":"$http_x_request_id","status":"$status"}';
  access_log ${options.accessLog} json;
  client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi; client_max_body_size 64m;
  server {
    listen 127.0.0.1:${options.port};
    root ${dir}/www;
    location /orders/echo { proxy_pass http://127.0.0.1:${options.port}/sink; proxy_http_version 1.1; }
    location /sink { return 201 '{"received":"$http_content_length"}'; }
  }
}
`
}
