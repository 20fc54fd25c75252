/**
 * ClickHouse in this process (chdb): holds one data folder, which no other process may open meanwhile. Lost, it is made again from the
 * log. What it holds is in clear: it is as private as the keys that opened it.
 *
 * Two sets of connections, so that what is written never waits for the questions that are asked. Statements with parameters run one
 * after the other whatever their connection, so what is written while questions are asked has none.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, unlink, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { createChdbConnection } from 'chdb/connection'
import { takeLock } from '../platform.ts'
import type { Lock } from '../platform.ts'
import { errorOf } from './clickhouse-error.ts'
import { clientEngine } from './client-engine.ts'
import { embeddedConnections } from './embedded-connections.ts'
import type { Connection } from './embedded-connections.ts'
import type { Engine } from './engine.ts'
import { SearchError } from './errors.ts'
import { rowBinary } from './row-binary.ts'
import { structureOf, typedColumns } from './schema.ts'

/** Whoever holds the lock of this file in the folder of an index has it open. */
export const INDEX_LOCK = 'reader.lock'

/** The client and chdb each declare this same interface, and the compiler takes them for two. */
function isConnection(value: unknown): value is Connection {
  return typeof value === 'object' && value !== null && 'query' in value && 'exec' in value
}

/**
 * Opens ClickHouse on a folder of this machine.
 * @param folder made when absent, for this user alone
 * @throws {SearchError} `SEARCH_IN_USE` when another process has it open
 */
export async function openEmbeddedEngine(folder: string): Promise<Engine> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lock = await lockFolder(folder)
  try {
    const path = join(folder, 'clickhouse')
    await mkdir(path, { recursive: true, mode: 0o700 })
    return twoConnections(path, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

function twoConnections(path: string, lock: Lock): Engine {
  const writing = clientEngine(createClient({ connection: connect(path) }), 'embedded')
  const asking = clientEngine(createClient({ connection: connect(path) }), 'embedded')
  return {
    kind: 'embedded',
    command: (sql, statement) => writing.command(sql, statement),
    rows: (sql, statement) =>
      (statement?.limits === undefined ? writing : asking).rows(sql, statement),
    // One process and no replicas: an insert has landed or failed when it returns, and needs no token.
    async insert({ table, columns, rows }) {
      const typed = typedColumns(table, columns)
      const bytes = rowBinary(typed, rows)
      if (bytes.length === 0) return
      await inNamelessFile(path, bytes, (name) =>
        writing.command(
          `INSERT INTO ${table} (${columns.join(', ')}) SELECT * FROM file('${name}', 'RowBinary', '${structureOf(typed)}')`,
        ),
      )
    },
    async close() {
      await asking.close()
      await writing.close()
      lock.release()
    },
  }
}

/**
 * chdb reads rows from a file in less time than rows in a statement, or handed over as bytes. The file is in the folder of the index and
 * has no name there: whatever happens to this process, no row of it stays.
 */
async function inNamelessFile(
  folder: string,
  bytes: Uint8Array,
  use: (name: string) => Promise<void>,
): Promise<void> {
  let file: FileHandle | undefined
  try {
    const named = join(folder, `inserting-${randomUUID()}`)
    file = await open(named, 'wx', 0o600)
    await unlink(named)
    // By place, so that the file is read from its start wherever a name of its descriptor shares that.
    for (let at = 0; at < bytes.length;)
      at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten
    await use(`/dev/fd/${file.fd}`)
  } catch (cause) {
    throw errorOf(cause)
  } finally {
    await file?.close()
  }
}

function connect(path: string): Connection {
  return embeddedConnections(() => {
    const connection: unknown = createChdbConnection({ path })
    assert(isConnection(connection))
    return connection
  })
}

/** chdb would wait for ever, or spoil the folder. A lock of the kernel is gone with its process; the pid beside it is for people. */
async function lockFolder(folder: string): Promise<Lock> {
  const pidFile = join(folder, 'reader.pid')
  const lock = takeLock(join(folder, INDEX_LOCK))
  if (lock === undefined) {
    const pid = await readFile(pidFile, 'utf8').catch(() => '')
    throw new SearchError(
      'SEARCH_IN_USE',
      `could not open the index: process ${/^\d+$/.test(pid) ? pid : 'unknown'} has it open`,
      { hint: 'one reader an index: stop the other one, or give this one a folder of its own' },
    )
  }
  await writeFile(pidFile, String(process.pid))
  return lock
}
