/** What an attempt to write left that was cut off, wherever it was: found, and put in order before anything else is written. */
import type { Engine, Statement } from './engine.ts'
import { OPEN, PROGRESS, TRANSACTIONS } from './schema.ts'
import type { Placement } from './schema.ts'

/** What the tables say of a log. */
export interface Found {
  /** 0-based; the next entry to read. */
  readonly next: number
  /** Leaves at or after `next` whose rows are there already. */
  readonly landed: ReadonlySet<number>
}

interface Tables {
  readonly engine: Engine
  readonly placement: Placement
}

/** Puts a log in order. It may be cut off itself, and is then done again. */
export async function recover(tables: Tables, origin: string): Promise<Found> {
  const { engine, placement } = tables
  const next = await progressOf(engine, origin)
  const landed = new Set<number>()
  for await (const { leaf } of engine.rows(
    `SELECT leaf FROM ${TRANSACTIONS} WHERE origin = {origin:String} AND leaf >= {next:Int64}`,
    { params: { origin, next } },
  ))
    landed.add(Number(leaf))
  // Intents that will be read again: they may end within another batch, and then nobody would mark them.
  await deleteOpen(tables, { origin, next, which: 'leaf >= {next:Int64}', reads: [] })
  // Intents that ended, where the attempt was cut off before it marked them.
  await deleteOpen(tables, {
    origin,
    next,
    // Both rows have one id, so they are on one server: its own table knows.
    which: `leaf IN (SELECT assumeNotNull(intent) FROM ${placement.local(TRANSACTIONS)}
      WHERE origin = {origin:String} AND leaf < {next:Int64} AND isNotNull(intent))`,
    reads: [TRANSACTIONS],
  })
  await sweep(tables)
  return { next, landed }
}

async function progressOf(engine: Engine, origin: string): Promise<number> {
  for await (const row of engine.rows(
    `SELECT max(next) AS next FROM ${PROGRESS} WHERE origin = {origin:String}`,
    { params: { origin } },
  ))
    return Number(row['next'])
  return 0
}

interface Which {
  readonly origin: string
  readonly next: number
  readonly which: string
  /** Tables that `which` reads. */
  readonly reads: readonly string[]
}

async function deleteOpen(tables: Tables, { origin, next, which, reads }: Which): Promise<void> {
  const statement = { params: { origin, next } }
  const where = `origin = {origin:String} AND ${which}`
  if (!(await hasRows(tables.engine, `${OPEN} FINAL WHERE ${where}`, statement))) return
  await remove(tables, { where, reads, statement })
}

interface Removing {
  readonly where: string
  readonly reads: readonly string[]
  readonly statement?: Statement
}

/** Deletes rows of open intents everywhere. */
async function remove(
  { engine, placement }: Tables,
  { where, reads, statement }: Removing,
): Promise<void> {
  const { local, onCluster, reading } = placement
  for (const table of reads) for (const sql of reading.before(table)) await engine.command(sql)
  const settings = reads.length === 0 ? '' : reading.settings
  await engine.command(
    `ALTER TABLE ${local(OPEN)}${onCluster} DELETE WHERE ${where} SETTINGS mutations_sync = 2${settings}`,
    statement,
  )
}

/**
 * Removes marks, and what they mark. First the intents: were a mark gone before its intent, the intent would wait again. A crash
 * between the two leaves marks of nothing.
 */
export async function sweep(tables: Tables): Promise<void> {
  const { engine, placement } = tables
  if (!(await hasRows(engine, `${OPEN} WHERE gone = 1`))) return
  const open = placement.local(OPEN)
  await remove(tables, {
    where: `gone = 0 AND (origin, id, version + 1) IN (SELECT origin, id, version FROM ${open} WHERE gone = 1)`,
    reads: [OPEN],
  })
  await remove(tables, {
    where: `gone = 1 AND (origin, id, version - 1) NOT IN (SELECT origin, id, version FROM ${open} WHERE gone = 0)`,
    reads: [OPEN],
  })
}

async function hasRows(
  engine: Engine,
  from: string,
  statement?: { readonly params: Readonly<Record<string, unknown>> },
): Promise<boolean> {
  for await (const row of engine.rows(`SELECT count() AS rows FROM ${from}`, statement))
    return row['rows'] !== '0'
  return false
}
