/**
 * What leaves the index: content that was erased, and rows whose time has come. Both return when no file of the index holds it any
 * more: ClickHouse keeps the parts that it replaced for a while, and is told not to.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { LeafRun } from '@countersign/record/leaf-list'
import { isDropped } from '@countersign/record/retention'
import type { RetentionDrop } from '@countersign/record/retention'
import { columnOf, NEVER, sealedFields } from './columns.ts'
import type { Engine } from './engine.ts'
import { SearchError } from './errors.ts'
import { leavesSql } from './leaves-sql.ts'
import type { Index, Partition } from './rows.ts'
import { OPEN, TRANSACTIONS } from './schema.ts'
import type { Placement } from './schema.ts'

/** How long old files may take to go: a question that reads them keeps them until it ends. */
export const REMOVAL_MS_MAX = 50_000

const LOOK_AGAIN_MS = 200

interface Tables {
  readonly engine: Engine
  readonly placement: Placement
}

const HOLDING_CONTENT = [TRANSACTIONS, OPEN] as const

export function openRemoval(tables: Tables): Pick<Index, 'erase' | 'partitions' | 'drop'> {
  return {
    erase: (origin, leaves) => erase(tables, origin, leaves),
    partitions: () => partitions(tables),
    drop: (origin, retention) => drop(tables, origin, retention),
  }
}

/** A crash anywhere: whoever asked for it has not heard that it is done, and asks again. */
async function erase(tables: Tables, origin: string, leaves: readonly LeafRun[]): Promise<void> {
  const { engine, placement } = tables
  const empty = sealedFields.map((field) => {
    const { name, type } = columnOf(field)
    return `${name} = ${type.startsWith('Array(') ? '[]' : "''"}`
  })
  for (const which of leavesSql(leaves)) {
    for (const table of HOLDING_CONTENT) {
      await engine.command(
        `ALTER TABLE ${placement.local(table)}${placement.onCluster}
          UPDATE ${empty.join(', ')}, content = 'erased'
          WHERE origin = {origin:String} AND ${which} SETTINGS mutations_sync = 2`,
        { params: { origin } },
      )
    }
  }
  for (const table of HOLDING_CONTENT) await removeOldParts(tables, table)
}

async function partitions({ engine, placement }: Tables): Promise<readonly Partition[]> {
  const found: Partition[] = []
  for await (const row of engine.rows(
    `SELECT partition, sum(rows) AS held, sum(bytes_on_disk) AS bytes
      FROM ${placement.parts(TRANSACTIONS, 'each shard')} AND active GROUP BY partition ORDER BY partition`,
  )) {
    const dropAfter = String(row['partition'])
    found.push({
      ...(dropAfter === NEVER ? {} : { dropAfter }),
      rows: Number(row['held']),
      bytes: Number(row['bytes']),
    })
  }
  return found
}

async function drop(tables: Tables, origin: string, retention: RetentionDrop): Promise<number> {
  const { engine, placement } = tables
  let rows = 0
  for (const { day, own, all } of await days(tables, origin)) {
    if (!isDropped(retention, day)) continue
    // A crash here: the others are still there, and the record is read again.
    const local = `ALTER TABLE ${placement.local(TRANSACTIONS)}${placement.onCluster}`
    if (own === all)
      await engine.command(`${local} DROP PARTITION {day:String}`, { params: { day } })
    else
      await engine.command(
        `${local} DELETE WHERE origin = {origin:String} AND drop_after = {day:Date} SETTINGS mutations_sync = 2`,
        { params: { origin, day } },
      )
    rows += own
  }
  rows += await dropOpen(tables, origin, retention)
  for (const table of HOLDING_CONTENT) await removeOldParts(tables, table)
  return rows
}

/** Rows of a log by their last day, and how many of all logs there are: a day of one log alone goes at once. */
async function days(
  { engine }: Tables,
  origin: string,
): Promise<readonly { readonly day: string; readonly own: number; readonly all: number }[]> {
  const found = []
  for await (const row of engine.rows(
    `SELECT toString(drop_after) AS day, countIf(origin = {origin:String}) AS own, count() AS held
      FROM ${TRANSACTIONS} GROUP BY drop_after HAVING own > 0 ORDER BY drop_after`,
    { params: { origin } },
  ))
    found.push({ day: String(row['day']), own: Number(row['own']), all: Number(row['held']) })
  return found
}

/** Intents that never ended. */
async function dropOpen(
  { engine, placement }: Tables,
  origin: string,
  { today, kept }: RetentionDrop,
): Promise<number> {
  const statement = { params: { origin, today, kept } }
  const where = `origin = {origin:String} AND drop_after < {today:Date}
    AND NOT has({kept:Array(String)}, toString(drop_after))`
  let rows = 0
  for await (const row of engine.rows(
    `SELECT count() AS held FROM ${OPEN} FINAL WHERE ${where}`,
    statement,
  ))
    rows = Number(row['held'])
  if (rows === 0) return 0
  await engine.command(
    `ALTER TABLE ${placement.local(OPEN)}${placement.onCluster} DELETE WHERE ${where} SETTINGS mutations_sync = 2`,
    statement,
  )
  return rows
}

/** Waits until the files of parts that are replaced by now are gone. Those of later ones were made of parts without the content. */
async function removeOldParts(tables: Tables, table: string): Promise<void> {
  const { engine, placement } = tables
  let old = await oldParts(tables, table)
  for (let waitedMs = 0; old.size > 0; waitedMs += LOOK_AGAIN_MS) {
    if (waitedMs > REMOVAL_MS_MAX) {
      throw new SearchError(
        'SEARCH_UNAVAILABLE',
        `could not remove old parts of ${table}: ${old.size} are still there`,
        { hint: 'what was erased is in no answer; try again, so that it is in no file' },
      )
    }
    for (const sql of placement.cleanUp(table)) await engine.command(sql)
    const still = await oldParts(tables, table)
    old = new Set([...old].filter((name) => still.has(name)))
    if (old.size > 0) await pause(LOOK_AGAIN_MS)
  }
}

async function oldParts({ engine, placement }: Tables, table: string): Promise<Set<string>> {
  const names = new Set<string>()
  for await (const { name } of engine.rows(
    `SELECT concat(hostName(), ' ', name) AS name FROM ${placement.parts(table, 'each replica')} AND NOT active`,
  ))
    names.add(String(name))
  return names
}
