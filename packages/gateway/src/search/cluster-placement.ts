/**
 * Where tables lie on servers of ClickHouse. On one server they are as in this process. On a cluster each server has a local table,
 * replicated within its shard, and a Distributed one above it that is read and written by the plain name.
 *
 * All rows of a record id are on one shard: an intent, its mark and the transaction that it became. So FINAL sees all of them, and a
 * server can tell by its own tables which intents ended. Ids are random and not of the caller's making: shards fill evenly.
 */
import { LEASES, OPEN, PROGRESS, singlePlacement, TRANSACTIONS } from './schema.ts'
import type { Placement } from './schema.ts'

/** Inserts of which one server remembers the tokens. One writer has one insert under way, and tries it again at once. */
const TOKENS_REMEMBERED = 1000

/** One server: what is inserted twice with one token, by a connection that was lost, is there once. */
export const serverPlacement: Placement = {
  ...singlePlacement,
  tableSettings: `, non_replicated_deduplication_window = ${TOKENS_REMEMBERED}`,
}

export interface ClusterOptions {
  /** Its name as the servers know it. */
  readonly cluster: string
  readonly database: string
}

/**
 * A cluster: DDL runs ON CLUSTER, tables are replicated by the macros `{shard}` and `{replica}` of each server, and there is a
 * Distributed one above each.
 */
export function clusterPlacement({ cluster, database }: ClusterOptions): Placement {
  const onCluster = ` ON CLUSTER ${quoted(cluster)}`
  const local = (table: string): string => `${table}_local`
  return {
    onCluster,
    engine: (table, engine) => replicated(engine, `${database}/${local(table)}`),
    above: (table) => [
      `CREATE TABLE IF NOT EXISTS ${table}${onCluster} AS \`${database}\`.${local(table)}
        ENGINE = Distributed(${quoted(cluster)}, ${quoted(database)}, ${quoted(local(table))}, ${shardingKey(table)})`,
    ],
    local,
    // What is erased is to be gone within a minute, and replicas clean up in their own time.
    tableSettings: `, cleanup_delay_period = 1, cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 5`,
    parts: (table, of) =>
      `${of === 'each shard' ? 'cluster' : 'clusterAllReplicas'}(${quoted(cluster)}, system, parts)
        WHERE database = ${quoted(database)} AND table = ${quoted(local(table))}`,
    // Each replica computes the condition for itself, so each has to have all rows first.
    reading: {
      before: (table) => [`SYSTEM SYNC REPLICA${onCluster} \`${database}\`.${local(table)}`],
      settings: ', allow_nondeterministic_mutations = 1',
    },
    cleanUp: () => [],
  }
}

/** `ReplacingMergeTree(version)` -> `ReplicatedReplacingMergeTree('path', '{replica}', version)`. */
function replicated(engine: string, name: string): string {
  const [, kind = '', args = ''] = /^(\w+)\((.*)\)$/.exec(engine) ?? []
  const path = quoted(`/clickhouse/tables/{shard}/${name}`)
  return `Replicated${kind}(${path}, '{replica}'${args === '' ? '' : `, ${args}`})`
}

function shardingKey(table: string): string {
  switch (table) {
    case TRANSACTIONS:
    case OPEN:
      return 'cityHash64(origin, id)'
    case PROGRESS:
      return 'cityHash64(origin)'
    case LEASES:
      // All of them in one place, where one server says what was first.
      return 'cityHash64(name)'
    default:
      return 'intHash64(version)'
  }
}

/** Names of clusters and databases are checked by the configuration; quoted all the same. */
export function quoted(name: string): string {
  return `'${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
