/**
 * ClickHouse's HTTP interface over chdb, as a process of its own: what a test can have where no server of ClickHouse can be had. Statements
 * and their answers are the real ones; connections, users, TLS and statements ON CLUSTER are this file's.
 *
 * Options are one JSON object in the first argument, see `ClickHouseHttp`. It prints its port when it is ready.
 */
import { timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { createChdbConnection } from 'chdb/connection'

export interface ClickHouseHttp {
  /** Of the data; kept when the process ends. */
  readonly folder: string
  /** 0: any that is free. */
  readonly port?: number
  readonly user?: string
  readonly password?: string
  /** PEM. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** What it says of its version, instead of the truth. */
  readonly version?: string
  /** Statements that begin so are refused, as a user without the right is. */
  readonly denies?: string
  /** The user may only read. */
  readonly readonly?: boolean
  /** It is the one server of a cluster of this name. Without Keeper: nothing is replicated, and nothing is distributed. */
  readonly cluster?: string
  /** Statements that begin so are run and never answered: the connection is lost. */
  readonly losesAnswersOf?: string
}

/** What is no setting among the parameters of a URL. */
const NO_SETTINGS: ReadonlySet<string> = new Set([
  'query',
  'query_id',
  'database',
  'user',
  'password',
  'role',
  'session_id',
  // Of the HTTP interface alone.
  'enable_http_compression',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'wait_end_of_query',
])

const HEADERS_BYTES_MAX = 1_048_576

interface Asked {
  readonly sql: string
  readonly database: string
  readonly settings: readonly (readonly [string, string])[]
  readonly params: readonly (readonly [string, string])[]
}

function run(options: ClickHouseHttp): void {
  // The last connection that goes takes the engine with it.
  const anchor = createChdbConnection({ path: options.folder })
  const listener: RequestListener = (request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      fail(response, exceptionOf(error))
    })
  }
  const limits = { maxHeaderSize: HEADERS_BYTES_MAX }
  const server =
    options.tls === undefined
      ? createServer(limits, listener)
      : createTlsServer({ ...limits, ...options.tls }, listener)
  server.listen(options.port ?? 0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    process.stdout.write(`${port}\n`)
  })
  process.once('SIGTERM', () => {
    server.close(() => void anchor.close())
    server.closeAllConnections()
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ClickHouseHttp,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://clickhouse')
  const body = await bodyOf(request)
  if (url.pathname === '/ping') return void response.end('Ok.\n')
  if (!isLetIn(request, options)) {
    const said = `${userOf(request).user}: Authentication failed: password is incorrect, or there is no user with such name.`
    return fail(response, `Code: 516. DB::Exception: ${said} (AUTHENTICATION_FAILED)`, 403)
  }
  const asked = await askedOf(url, body, request)
  const begins = (words: string | undefined): boolean =>
    words !== undefined && asked.sql.trimStart().startsWith(words)
  if (begins(options.denies)) {
    const said = `${options.user ?? 'default'}: Not enough privileges. To execute this query, it's necessary to have the grant for it.`
    return fail(response, `Code: 497. DB::Exception: ${said} (ACCESS_DENIED)`, 403)
  }
  const rows = await runStatement(asked, options)
  if (begins(options.losesAnswersOf)) return void response.destroy()
  response.setHeader('Content-Type', 'application/x-ndjson')
  response.end(rows)
}

/** A connection of its own each: what one leaves behind is in nobody's answer. */
async function runStatement(asked: Asked, options: ClickHouseHttp): Promise<Buffer> {
  const connection = createChdbConnection({ path: options.folder })
  try {
    const before = [
      `USE \`${asked.database}\``,
      ...asked.settings.map(([name, value]) => `SET ${name} = ${quoted(value)}`),
      ...asked.params.map(([name, value]) => `SET ${name} = ${quoted(value)}`),
      ...(options.readonly === true ? ['SET readonly = 2'] : []),
    ]
    const sql = clusterOfOne(
      options.version === undefined
        ? asked.sql
        : asked.sql.replace('version()', quoted(options.version)),
      options.cluster,
    )
    const { stream } = await connection.exec({ query: `${before.join('; ')}; ${sql}` })
    const pieces: Uint8Array[] = []
    for await (const piece of stream) pieces.push(piece as Uint8Array)
    return Buffer.concat(pieces)
  } finally {
    await connection.close()
  }
}

/** What a cluster of one server without Keeper makes of a statement. */
function clusterOfOne(sql: string, cluster: string | undefined): string {
  if (cluster === undefined) return sql
  const name = quoted(cluster)
  return sql
    .replace(` ON CLUSTER ${name}`, '')
    .replace(/Replicated(\w*MergeTree)\('[^']*', '\{replica\}'(?:, )?/, '$1(')
    .replace(
      / AS \S+\s+ENGINE = Distributed\('[^']*', ('[^']*', '[^']*'), .*\)$/s,
      ' ENGINE = Alias($1)',
    )
    .replaceAll(/cluster(?:AllReplicas)?\('[^']*', (\w+), (\w+)\)/g, '$1.$2')
    .replace(/^SYSTEM SYNC REPLICA.*$/s, 'SELECT 1')
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of request) pieces.push(piece as Uint8Array)
  const body = Buffer.concat(pieces)
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
}

/** The statement is in the URL, with its rows in the body; or it is the body, or a part of it beside parameters. */
async function askedOf(url: URL, body: Buffer, request: IncomingMessage): Promise<Asked> {
  const given = new Map(url.searchParams)
  const type = request.headers['content-type'] ?? ''
  let text = ''
  if (type.startsWith('multipart/form-data')) {
    const parts = await new Response(new Uint8Array(body), {
      headers: { 'content-type': type },
    }).formData()
    for (const [name, value] of parts) if (typeof value === 'string') given.set(name, value)
  } else text = body.toString()
  const inUrl = given.get('query') ?? ''
  return {
    sql: inUrl === '' ? text : text === '' ? inUrl : `${inUrl}\n${text}`,
    database: given.get('database') ?? 'default',
    settings: [...given].filter(([name]) => !name.startsWith('param_') && !NO_SETTINGS.has(name)),
    params: [...given].filter(([name]) => name.startsWith('param_')),
  }
}

function userOf(request: IncomingMessage): { readonly user: string; readonly password: string } {
  const { 'x-clickhouse-user': named, 'x-clickhouse-key': key = '' } = request.headers
  if (named !== undefined) return { user: String(named), password: String(key) }
  const [, basic = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? []
  const [user = '', ...password] = Buffer.from(basic, 'base64').toString().split(':')
  return { user, password: password.join(':') }
}

function isLetIn(request: IncomingMessage, options: ClickHouseHttp): boolean {
  const { user, password } = userOf(request)
  const wanted = Buffer.from(JSON.stringify([options.user ?? 'default', options.password ?? '']))
  const given = Buffer.from(JSON.stringify([user, password]))
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

/** In the words that a server has for it: the client has taken them apart. */
function exceptionOf(error: unknown): string {
  const {
    message = String(error),
    code = '1002',
    type = 'UNKNOWN_EXCEPTION',
  } = error as {
    message?: string
    code?: string
    type?: string
  }
  return `Code: ${code}. DB::Exception: ${message} (${type}) (version over chdb)`
}

function fail(response: ServerResponse, message: string, status = 500): void {
  const [, code = '1002'] = /Code: (\d+)/.exec(message) ?? []
  response.writeHead(status, { 'X-ClickHouse-Exception-Code': code })
  response.end(`${message}\n`)
}

/** A literal of the dialect. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

run(JSON.parse(process.argv[2] ?? '{}') as ClickHouseHttp)
