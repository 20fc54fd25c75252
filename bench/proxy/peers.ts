/**
 * The upstream, and the three peers with a log of their own. One worker each: nginx `worker_processes 1`, HAProxy
 * `nbthread 1`, Caddy GOMAXPROCS=1, as Countersign has one gateway process. Each keeps connections to the upstream open.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, start } from './proxy.ts'
import type { Route, Running } from './proxy.ts'

export interface Body {
  readonly name: string
  readonly bytes: number
}

export const bodies: readonly Body[] = [
  { name: '100B', bytes: 100 },
  { name: '10KiB', bytes: 10 * 1024 },
  { name: '1MiB', bytes: 1024 * 1024 },
]

/** The folders under which the upstream serves the same files: one a mode of Countersign. */
export const prefixes = ['', '/strict', '/bounded', '/best-effort']

export interface Started {
  readonly route: Route
  readonly running: Running
}

const nginxCommon = (folder: string, name: string): string => `
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder}/${name}.pid;
error_log ${folder}/${name}.error.log warn;
worker_processes 1;
events { worker_connections 4096; }
`

const nginxPaths = (folder: string, name: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${name}.${kind};`)
    .join('\n  ')

const nginx = (config: string, logFile: string): Running =>
  start(['nginx', '-e', `${logFile}.early`, '-c', config], { logFile })

/** A static server that costs as little as one can: files from the page cache, no log. */
export async function startUpstream(folder: string): Promise<Started> {
  for (const prefix of prefixes) {
    await mkdir(join(folder, 'files', prefix), { recursive: true })
    for (const { name, bytes } of bodies) {
      await writeFile(join(folder, 'files', prefix, name), Buffer.alloc(bytes, 'countersign '))
    }
  }
  const port = await freePort()
  const config = join(folder, 'upstream.conf')
  await writeFile(
    config,
    `${nginxCommon(folder, 'upstream')}
http {
  ${nginxPaths(folder, 'upstream')}
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=100 inactive=1h;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  default_type application/octet-stream;
  server { listen 127.0.0.1:${port} backlog=4096; root ${folder}/files; }
}
`,
  )
  const route = { name: 'direct', port, prefix: '', headers: {} }
  return { route, running: nginx(config, join(folder, 'upstream.log')) }
}

export async function startNginx(folder: string, upstreamPort: number): Promise<Started> {
  const port = await freePort()
  const config = join(folder, 'nginx.conf')
  const fields = [
    'time_iso8601',
    'remote_addr',
    'request_method',
    'uri',
    'status',
    'bytes_sent',
    'request_time',
  ]
  const json = fields.map((field) => `"${field}":"$${field}"`).join(',')
  await writeFile(
    config,
    `${nginxCommon(folder, 'nginx')}
http {
  ${nginxPaths(folder, 'nginx')}
  log_format json escape=json '{${json},"upstream":"$upstream_addr","upstream_time":"$upstream_response_time"}';
  access_log ${folder}/nginx.access.log json;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  upstream one { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://one;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`,
  )
  const running = nginx(config, join(folder, 'nginx.log'))
  return { route: { name: 'nginx', port, prefix: '', headers: {}, pid: running.pid }, running }
}

export async function startHaproxy(folder: string, upstreamPort: number): Promise<Started> {
  const port = await freePort()
  const config = join(folder, 'haproxy.cfg')
  await writeFile(
    config,
    `global
  nbthread 1
  maxconn 4096
  log stdout format raw local0 info
defaults
  mode http
  log global
  option httplog
  option forwardfor
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend in
  bind 127.0.0.1:${port} backlog 4096
  default_backend out
backend out
  server one 127.0.0.1:${upstreamPort}
`,
  )
  const logFile = join(folder, 'haproxy.access.log')
  const running = start(['haproxy', '-db', '-f', config], { logFile, stopSignal: 'SIGUSR1' })
  return { route: { name: 'haproxy', port, prefix: '', headers: {}, pid: running.pid }, running }
}

export async function startCaddy(folder: string, upstreamPort: number): Promise<Started> {
  const port = await freePort()
  const config = join(folder, 'Caddyfile')
  await writeFile(
    config,
    `{
  admin off
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  log {
    output file ${folder}/caddy.access.log {
      roll_disabled
    }
    format json
  }
  reverse_proxy 127.0.0.1:${upstreamPort} {
    transport http {
      keepalive_idle_conns_per_host 64
      compression off
    }
  }
}
`,
  )
  const env = { GOMAXPROCS: '1', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  const logFile = join(folder, 'caddy.log')
  const command = ['caddy', 'run', '--config', config, '--adapter', 'caddyfile'] as const
  const running = start(command, { logFile, env })
  return { route: { name: 'caddy', port, prefix: '', headers: {}, pid: running.pid }, running }
}
