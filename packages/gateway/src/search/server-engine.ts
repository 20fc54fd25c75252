/**
 * ClickHouse elsewhere: a server, or any server of a cluster, over HTTP. Whoever owns it can read what is in the index and make it say
 * anything: the proofs are in the log. What is written and what is asked have connections of their own, so neither waits for the other.
 *
 * When a connection is lost nobody knows what became of its statement: it may still be under way. So nothing else is written before
 * ClickHouse says that it is not, and whoever writes looks at the tables again after that.
 */
import { createClient, ClickHouseLogLevel } from '@clickhouse/client'
import { randomUUID } from 'node:crypto'
import { isAnswered } from './clickhouse-error.ts'
import { clientEngine } from './client-engine.ts'
import type { ClientUse, Patience, Settings } from './client-engine.ts'
import { quoted } from './cluster-placement.ts'
import type { Engine, Statement } from './engine.ts'
import { SearchError } from './errors.ts'

export interface ServerOptions {
  /** `http` or `https`, with its port; no user and no password in it. */
  readonly url: string
  readonly user: string
  readonly password?: string
  /** Made when it is not there. */
  readonly database: string
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: Uint8Array
  /** Name of the cluster, as its servers know it. */
  readonly cluster?: string
  readonly patience?: Partial<Patience>
}

/** Text indexes are there from this version on. */
const VERSION_MIN = [26, 2] as const

/** The server gives up first, and says so. */
const SERVER_FIRST_MS = 5000

const PATIENCE: Patience = {
  commandMs: 600_000,
  insertMs: 60_000,
  queryMs: 60_000,
  graceMs: SERVER_FIRST_MS,
}

/** Questions under way at once; more wait for a connection. */
const QUESTIONS_AT_ONCE = 16
const WRITES_AT_ONCE = 4

/** A socket that idles longer may be closed by ClickHouse while a statement is on its way to it: 3 s in old configurations. */
const IDLE_MS_MAX = 2500

/** Parameters that are longer do not go into the URL. */
const PARAMS_IN_BODY = { use_multipart_params_auto: true } as const

/** One insert is one block: it lands as a whole, and its token is of the whole. */
const ONE_BLOCK: Settings = {
  async_insert: 0,
  insert_deduplicate: 1,
  input_format_parallel_parsing: 0,
  max_insert_block_size: 1_000_000,
  min_insert_block_size_rows: 1_000_000,
  min_insert_block_size_bytes: 2_147_483_648,
}

/**
 * On a cluster an insert returns when most replicas of its shard have it, and a read that follows sees it whichever replica answers:
 * what was read of a log and how far stand or fall together.
 */
const ON_MOST_REPLICAS: Settings = {
  distributed_foreground_insert: 1,
  insert_quorum: 'auto',
  insert_quorum_parallel: 0,
}
const SEES_ALL: Settings = { select_sequential_consistency: 1, skip_unavailable_shards: 0 }

/** A replica that is away makes tables when it is back. What has to be done by all says so itself: `mutations_sync`. */
const ON_THOSE_THERE: Settings = { distributed_ddl_output_mode: 'throw_only_active' }

/** What goes is what retention or an erasure lets go, however much it is. */
const DROPS_ALL: Settings = { max_partition_size_to_drop: 0, max_table_size_to_drop: 0 }

/** Host and port, for messages. */
export function placeOf(url: string): string {
  return new URL(url).host
}

/**
 * Opens ClickHouse on a server.
 * @throws {SearchError} `SEARCH_UNAVAILABLE` when it cannot be reached, does not let us in, or is too old: the message says which.
 */
export async function openServerEngine(options: ServerOptions): Promise<Engine> {
  await prepare(options)
  const tag = `countersign ${randomUUID()}`
  const patience = { ...PATIENCE, ...options.patience }
  const { cluster, database } = options
  const always = { log_comment: tag, ...DROPS_ALL }
  const writing = connect(options, {
    database,
    connections: WRITES_AT_ONCE,
    settings: { ...always, ...(cluster === undefined ? {} : { ...SEES_ALL, ...ON_THOSE_THERE }) },
    insertSettings: {
      ...ONE_BLOCK,
      ...(cluster === undefined ? {} : ON_MOST_REPLICAS),
      max_execution_time: (patience.insertMs - SERVER_FIRST_MS) / 1000,
    },
  })
  const asking = connect(options, { database, connections: QUESTIONS_AT_ONCE })
  const settle = openSettling({ engine: asking, tag, cluster, place: placeOf(options.url) })
  return {
    kind: 'server',
    command: (sql, statement) => settle(() => writing.command(sql, statement)),
    async *rows(sql: string, statement?: Statement) {
      if (statement?.limits !== undefined) return yield* asking.rows(sql, statement)
      await settle(() => Promise.resolve())
      return yield* writing.rows(sql, statement)
    },
    insert: (block, token) => settle(() => writing.insert(block, token)),
    async close() {
      await asking.close()
      await writing.close()
    },
  }
}

interface Connecting extends ClientUse {
  readonly database: string
  readonly connections: number
}

function connect(options: ServerOptions, { database, connections, ...use }: Connecting): Engine {
  const { url, user, password = '', ca } = options
  const patience = { ...PATIENCE, ...options.patience }
  const client = createClient({
    ...PARAMS_IN_BODY,
    url,
    username: user,
    password,
    database,
    application: 'countersign',
    // What it would print goes into our errors.
    log: { level: ClickHouseLogLevel.OFF },
    max_open_connections: connections,
    keep_alive: { enabled: true, idle_socket_ttl: IDLE_MS_MAX },
    compression: { request: true, response: true },
    // Ours are shorter, and know what they wait for.
    request_timeout: Math.max(...Object.values(patience)) + SERVER_FIRST_MS,
    ...(ca === undefined ? {} : { tls: { ca_cert: Buffer.from(ca) } }),
  })
  return clientEngine(client, 'server', { ...use, patience, place: placeOf(url) })
}

/** Whether we are let in, by a version that knows all we ask for, and where the tables may be made. */
async function prepare(options: ServerOptions): Promise<void> {
  const { database, cluster } = options
  // It is always there, and everybody may use it.
  const engine = connect(options, {
    database: 'system',
    connections: 1,
    ...(cluster === undefined ? {} : { settings: ON_THOSE_THERE }),
  })
  try {
    await checkVersion(engine, placeOf(options.url))
    if (cluster === undefined && (await isThere(engine, database))) return
    const onCluster = cluster === undefined ? '' : ` ON CLUSTER ${quoted(cluster)}`
    await engine.command(`CREATE DATABASE IF NOT EXISTS \`${database}\`${onCluster}`)
  } finally {
    await engine.close()
  }
}

async function checkVersion(engine: Engine, place: string): Promise<void> {
  let version = ''
  for await (const row of engine.rows('SELECT version() AS version'))
    version = String(row['version'])
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin, minorMin] = VERSION_MIN
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return
  // Attacker-controlled: shown only as far as it is a version.
  const shown = /^[\d.]{1,40}/.exec(version)?.[0] ?? 'none'
  throw new SearchError(
    'SEARCH_UNAVAILABLE',
    `could not use ClickHouse at ${place}: it is of version ${shown}, and the index needs ${VERSION_MIN.join('.')} or newer`,
    { hint: 'update it, or leave out reader.index: the reader then keeps the index itself' },
  )
}

async function isThere(engine: Engine, database: string): Promise<boolean> {
  const sql = 'SELECT name FROM system.databases WHERE name = {name:String}'
  for await (const { name } of engine.rows(sql, { params: { name: database } }))
    return name === database
  return false
}

interface Settling {
  readonly engine: Engine
  /** Of every statement that writes. */
  readonly tag: string
  readonly cluster: string | undefined
  readonly place: string
}

/** @returns runs work; after one whose end nobody knows, only when nothing of ours is under way any more */
function openSettling(settling: Settling): <T>(work: () => Promise<T>) => Promise<T> {
  let isUnsettled = false
  return async (work) => {
    if (isUnsettled) {
      await refuseWhileRunning(settling)
      isUnsettled = false
    }
    try {
      return await work()
    } catch (error) {
      if (error instanceof SearchError && !isAnswered(error)) isUnsettled = true
      throw error
    }
  }
}

async function refuseWhileRunning({ engine, tag, cluster, place }: Settling): Promise<void> {
  if ((await runningOf(engine, { tag, cluster })) === 0) return
  throw new SearchError(
    'SEARCH_UNAVAILABLE',
    `could not use ClickHouse at ${place}: a statement whose connection was lost is still under way there`,
    { hint: 'the reader goes on by itself when it has ended' },
  )
}

/** Statements under way with a tag, on any server. */
export async function runningOf(
  engine: Engine,
  { tag, cluster }: { readonly tag: string; readonly cluster: string | undefined },
): Promise<number> {
  const processes =
    cluster === undefined
      ? 'system.processes'
      : `clusterAllReplicas(${quoted(cluster)}, system, processes)`
  const sql = `SELECT count() AS running FROM ${processes} WHERE Settings['log_comment'] = {tag:String}`
  for await (const { running } of engine.rows(sql, { params: { tag } })) return Number(running)
  return 0
}
