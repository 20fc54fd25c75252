/**
 * Brings the tables to the version that this program knows. Each statement may run again, and beside itself in another process: a
 * migration that was cut off, or made by two at once, is simply made again.
 */
import { columnOf, fieldNames } from './columns.ts'
import { oneRow } from './engine.ts'
import type { Engine } from './engine.ts'
import { SearchError } from './errors.ts'
import { migrations, structureOf, TRANSACTIONS, versionColumns, VERSIONS } from './schema.ts'
import type { Migration, Placement } from './schema.ts'

/** @throws {SearchError} `SEARCH_SCHEMA` when the index is of a newer version, or its tables are not ours */
export async function migrate(
  engine: Engine,
  placement: Placement,
  known: readonly Migration[] = migrations,
): Promise<void> {
  for (const sql of versionsTable(placement)) await engine.command(sql)
  const version = await versionOf(engine)
  const newest = Math.max(...known.map((each) => each.version))
  if (version > newest) {
    throw new SearchError(
      'SEARCH_SCHEMA',
      `could not open the index: it is of version ${version}, and this program knows ${newest}`,
      { hint: "use the newer program, or let 'countersign reindex' make the index anew" },
    )
  }
  for (const migration of known) {
    if (migration.version <= version) continue
    // A crash among these: the version is not there, and all of them run again.
    for (const sql of migration.statements(placement)) await engine.command(sql)
    await engine.insert(oneRow(VERSIONS, { version: migration.version }))
  }
  await checkColumns(engine)
}

function versionsTable({ onCluster, engine, local, above }: Placement): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${local(VERSIONS)}${onCluster}
      (${structureOf(versionColumns)}, made DateTime DEFAULT now())
      ENGINE = ${engine(VERSIONS, 'ReplacingMergeTree(made)')} ORDER BY version`,
    ...above(VERSIONS),
  ]
}

async function versionOf(engine: Engine): Promise<number> {
  for await (const row of engine.rows(`SELECT max(version) AS version FROM ${VERSIONS}`))
    return Number(row['version'])
  return 0
}

/** Tables of that name that somebody else made, or a catalogue that grew without a migration: better no index than a wrong one. */
async function checkColumns(engine: Engine): Promise<void> {
  const there = new Map<unknown, unknown>()
  for await (const row of engine.rows(
    `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '${TRANSACTIONS}'`,
  ))
    there.set(row['name'], row['type'])
  const wrong = fieldNames.map(columnOf).find(({ name, type }) => there.get(name) !== type)
  if (wrong === undefined) return
  throw new SearchError(
    'SEARCH_SCHEMA',
    `could not open the index: its column ${wrong.name} is not ${wrong.type}`,
    { hint: "'countersign reindex' makes it anew" },
  )
}
