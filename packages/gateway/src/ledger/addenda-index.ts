/**
 * Where the addendum of a digest is: its leaf and ordinal. Held in SQLite, derived from the published entries alone, and made anew
 * whenever it is not there or not sound; nothing is lost with it. It is brought up to date only when somebody asks for an addendum,
 * one bundle in each turn of the event loop, so that a log whose addenda nobody fetches pays nothing.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { decodeAddendaEntry } from '@countersign/tlog/addenda'
import { decodeBundle } from '@countersign/tlog/bundle'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { parseNote } from '@countersign/tlog/note'
import { toTreeSize } from '@countersign/tlog/size'
import { TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import { layoutOf, PRIVATE_FOLDER_MODE } from './layout.ts'

/** The place of an addendum: `ordinal` is from 0 within its leaf. */
export interface AddendumPlace {
  readonly leafIndex: number
  readonly ordinal: number
}

/** Bytes of a digest that are kept: places are checked by hashing what lies there. 6 bytes fit a number. */
const PREFIX_BYTES = 6
const ORDINALS = 256
const CACHE_KIB = 16 * 1024

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -${CACHE_KIB};
  CREATE TABLE IF NOT EXISTS addenda (prefix INTEGER, place INTEGER, PRIMARY KEY (prefix, place)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS indexed (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO indexed VALUES (1, 0);
`

export class AddendaIndex {
  readonly #dataDir: string
  #database: Database | undefined
  #catchingUp: Promise<void> | undefined
  #closed = false

  constructor(dataDir: string) {
    this.#dataDir = dataDir
  }

  /** Places that a digest may be at; none is certain before what lies there was hashed. */
  find(digest: Uint8Array): AddendumPlace[] {
    if (this.#closed) return []
    return this.#guarded(({ select }) =>
      select.all(prefixOf(digest)).map((row) => {
        const place = Number(row['place'])
        return { leafIndex: Math.floor(place / ORDINALS), ordinal: place % ORDINALS }
      }),
    )
  }

  /**
   * Brings the index up to what is published now. Whoever comes meanwhile waits for the same; it goes on when nobody waits any more.
   * @returns true when it was up to date already.
   */
  async catchUp(): Promise<boolean> {
    if (this.#closed) return true
    const size = await publishedSize(this.#dataDir)
    if (this.#indexed() >= size) return true
    this.#catchingUp ??= this.#readOn().finally(() => {
      this.#catchingUp = undefined
    })
    await this.#catchingUp
    return false
  }

  close(): void {
    this.#closed = true
    this.#database?.close()
    this.#database = undefined
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const size = await publishedSize(this.#dataDir)
      if (this.#closed) return
      const from = this.#indexed()
      if (from >= size) return
      try {
        await this.#take(from, size)
      } catch (error) {
        // A publication in the meantime replaced the partial bundle.
        if ((await publishedSize(this.#dataDir)) === size) throw error
      }
      await nextTurn()
    }
  }

  /** Takes the rest of one bundle. A crash leaves all of it or none. */
  async #take(from: number, size: number): Promise<void> {
    const index = Math.floor(from / TILE_WIDTH)
    const width = tileWidth(size, 'entries', index)
    const path = join(layoutOf(this.#dataDir).log, tilePath({ level: 'entries', index, width }))
    const entries = decodeBundle(await readFile(path)).slice(from % TILE_WIDTH, width)
    if (this.#closed) return
    this.#guarded(({ database, insert, setSize }) => {
      database.exec('BEGIN')
      for (const [at, entry] of entries.entries()) {
        // The last byte counts an entry's addenda.
        if (entry.at(-1) === 0) continue
        for (const [ordinal, digest] of decodeAddendaEntry(entry).digests.entries())
          insert.run(prefixOf(digest), (from + at) * ORDINALS + ordinal)
      }
      setSize.run(from + entries.length)
      database.exec('COMMIT')
    })
  }

  #indexed(): number {
    return this.#guarded(({ getSize }) => Number(getSize.get()?.['size']))
  }

  /** An index that SQLite cannot use is made anew at the next question; this one fails. */
  #guarded<T>(work: (database: Database) => T): T {
    try {
      this.#database ??= openDatabase(this.#dataDir)
      return work(this.#database)
    } catch (error) {
      this.#database?.close()
      this.#database = undefined
      removeDatabase(this.#dataDir)
      throw error
    }
  }
}

interface Database {
  readonly database: DatabaseSync
  readonly select: StatementSync
  readonly insert: StatementSync
  readonly getSize: StatementSync
  readonly setSize: StatementSync
  close(): void
}

function pathIn(dataDir: string): string {
  return join(layoutOf(dataDir).addenda, 'index.db')
}

function openDatabase(dataDir: string): Database {
  mkdirSync(layoutOf(dataDir).addenda, { recursive: true, mode: PRIVATE_FOLDER_MODE })
  const database = new DatabaseSync(pathIn(dataDir))
  try {
    database.exec(SCHEMA)
    return {
      database,
      select: database.prepare('SELECT place FROM addenda WHERE prefix = ?'),
      insert: database.prepare('INSERT OR IGNORE INTO addenda VALUES (?, ?)'),
      getSize: database.prepare('SELECT size FROM indexed'),
      setSize: database.prepare('UPDATE indexed SET size = ?'),
      close: () => database.close(),
    }
  } catch (error) {
    database.close()
    throw error
  }
}

function removeDatabase(dataDir: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${pathIn(dataDir)}${end}`, { force: true })
}

function prefixOf(digest: Uint8Array): number {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).readUIntBE(0, PREFIX_BYTES)
}

/** The size that the checkpoint on disk says; it is our own file, and nothing is believed on its word but where to read. */
async function publishedSize(dataDir: string): Promise<number> {
  try {
    const note = await readFile(layoutOf(dataDir).checkpoint)
    return toTreeSize(parseCheckpoint(parseNote(note).text).size)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0
    throw error
  }
}
