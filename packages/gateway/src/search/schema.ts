/**
 * The tables of the index, by version. A migration that was released is never changed: a later one follows it. Where tables lie
 * (one server, replicas, shards) is the placement's; the statements are the same.
 */
import assert from 'node:assert/strict'
import { rowColumns, wordsSql } from './columns.ts'
import type { Column } from './columns.ts'

/** How tables are made. */
export interface Placement {
  /** ` ON CLUSTER name`, or nothing. */
  readonly onCluster: string
  /** The engine of a table that merges as `engine` says, such as `MergeTree()` or `ReplacingMergeTree(version, gone)`. */
  readonly engine: (table: string, engine: string) => string
  /** Statements that make what lies above a table, such as a Distributed one; and the name by which it is read and written. */
  readonly above: (table: string) => readonly string[]
  /** The name of the table that holds the rows of `table` on each server. */
  readonly local: (table: string) => string
  /** Settings of tables beside those that all have, each with a comma before it. */
  readonly tableSettings: string
  /** What follows FROM to list the parts of `table`: of one replica of each shard, or of all replicas. */
  readonly parts: (table: string, of: 'each shard' | 'each replica') => string
  /** Statements that have to run before a mutation of `table` whose condition reads tables; and its settings, with a comma before them. */
  readonly reading: {
    readonly before: (table: string) => readonly string[]
    readonly settings: string
  }
  /** Statements that make ClickHouse remove old parts of `table` now; none where it does so soon enough. */
  readonly cleanUp: (table: string) => readonly string[]
}

/** This process. */
export const singlePlacement: Placement = {
  onCluster: '',
  engine: (_table, engine) => engine,
  above: () => [],
  local: (table) => table,
  tableSettings: '',
  parts: (table) => `system.parts WHERE database = currentDatabase() AND table = '${table}'`,
  reading: { before: () => [], settings: '' },
  // Dropping a partition that is not there makes ClickHouse clean up now, and not when its own turn comes.
  cleanUp: (table) => [`ALTER TABLE ${table} DROP PARTITION ID 'none'`],
}

/** Leaf of the first record of a transaction: it stays when an open one ends, so a row has one place in the order of time for ever. */
export const FIRST_LEAF = 'first_leaf'

/** Ended transactions; one row each. */
export const TRANSACTIONS = 'transactions'
/** Intents whose outcome is not read yet: read with FINAL. A row whose transaction is in `transactions` does not count. */
export const OPEN = 'open_intents'
/** How far each log is read. */
export const PROGRESS = 'progress'
/** Which migrations were made. */
export const VERSIONS = 'schema_versions'
/** On a server: which reader writes. */
export const LEASES = 'reader_leases'

export const openColumns: readonly Column[] = [
  ...rowColumns,
  { name: 'version', type: 'UInt64' },
  { name: 'gone', type: 'UInt8' },
]
const progressColumns: readonly Column[] = [
  { name: 'origin', type: 'String' },
  { name: 'next', type: 'UInt64' },
]
export const versionColumns: readonly Column[] = [{ name: 'version', type: 'UInt32' }]

const INSERTED: Readonly<Record<string, readonly Column[]>> = {
  [TRANSACTIONS]: rowColumns,
  [OPEN]: openColumns,
  [PROGRESS]: progressColumns,
  [VERSIONS]: versionColumns,
}

/** Those of the columns of a table that are inserted, with their types; others are what ClickHouse makes of these. */
export function typedColumns(table: string, names: readonly string[]): readonly Column[] {
  return names.map((wanted) => {
    const column = INSERTED[table]?.find(({ name }) => name === wanted)
    assert(column !== undefined, `${table} has a column ${wanted}`)
    return column
  })
}

/** As ClickHouse writes them: names and types. */
export function structureOf(columns: readonly Column[]): string {
  return columns.map(({ name, type }) => `${name} ${type}`).join(', ')
}

/**
 * Free space at which nothing more is inserted: for the log, which may share the disk and goes first, and for merges. One that meets a
 * disk without any space has been seen to leave a part that nobody can read.
 */
export const FREE_BYTES_MIN: number = 256 * 1024 * 1024

/** Uncompressed bytes from which each column of a part has files of its own; up to there, as for most inserts, they have one. */
const WIDE_BYTES_MIN = 48 * 1024 * 1024

/**
 * What is acknowledged survives a loss of power: parts are on disk before the progress that stands on them is, also merged ones,
 * so that the parts they replace may go at once, and with them what was erased from them. Costs 2 ms an insert.
 *
 * A page takes a row here and one there, and all columns of each. So granules and blocks are small, and each column has few streams: half
 * the time of the defaults.
 */
const DURABLE = `min_free_disk_bytes_to_perform_insert = ${FREE_BYTES_MIN}, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
  min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 1, min_bytes_for_wide_part = ${WIDE_BYTES_MIN}, index_granularity = 1024,
  string_serialization_version = 'single_stream', ratio_of_defaults_for_sparse_serialization = 1,
  min_compress_block_size = 16384, max_compress_block_size = 65536`

export interface Migration {
  readonly version: number
  readonly statements: (placement: Placement) => readonly string[]
}

export const migrations: readonly Migration[] = [{ version: 1, statements: firstTables }]

function firstTables(placement: Placement): string[] {
  const { onCluster, engine, local, above, tableSettings } = placement
  const settings = `SETTINGS ${DURABLE}${tableSettings}`
  const firstLeaf = `${FIRST_LEAF} Int64 DEFAULT ifNull(intent, leaf)`
  const create = (table: string, body: string): string[] => [
    `CREATE TABLE IF NOT EXISTS ${local(table)}${onCluster} ${body}`,
    ...above(table),
  ]
  return [
    ...create(
      TRANSACTIONS,
      `(${structureOf(rowColumns)}, ${firstLeaf},
      INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1,
      INDEX by_trace trace TYPE bloom_filter(0.001) GRANULARITY 1,
      INDEX by_actor_id actor_id TYPE bloom_filter(0.01) GRANULARITY 1,
      INDEX by_actor actor TYPE bloom_filter(0.01) GRANULARITY 1,
      INDEX by_leaf leaf TYPE minmax GRANULARITY 1,
      INDEX by_words ${wordsSql('open')} TYPE text(tokenizer = 'splitByNonAlpha') GRANULARITY 1,
      INDEX by_sealed_words ${wordsSql('sealed')} TYPE text(tokenizer = 'splitByNonAlpha') GRANULARITY 1
    ) ENGINE = ${engine(TRANSACTIONS, 'MergeTree()')} PARTITION BY drop_after ORDER BY (time, origin, ${FIRST_LEAF}) ${settings}`,
    ),
    ...create(
      OPEN,
      `(${structureOf(openColumns)}, ${firstLeaf}
    ) ENGINE = ${engine(OPEN, 'ReplacingMergeTree(version, gone)')} ORDER BY (origin, id) ${settings}`,
    ),
    ...create(
      PROGRESS,
      `(${structureOf(progressColumns)}) ENGINE = ${engine(PROGRESS, 'ReplacingMergeTree(next)')} ORDER BY origin ${settings}`,
    ),
  ]
}
