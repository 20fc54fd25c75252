/**
 * Pseudonyms. Holds one random 128-bit name for each subject, in SQLite, with a bounded cache in front.
 * Guarantees that a subject keeps its pseudonym, also across crashes and between workers of one machine.
 * If the file is lost, people get new pseudonyms and old records can no longer be joined to them by name:
 * no proof breaks. Who owns the file can tell whom a pseudonym in the log means.
 */
import { mkdir } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { IdentityError } from './errors.ts'
import { Lru } from '../platform.ts'

export interface Subjects {
  /**
   * The pseudonym of a subject (32 hex digits), made on first sight and durable before it is returned.
   * @throws {IdentityError} `IDENTITY_SUBJECTS_UNAVAILABLE`
   */
  pseudonym(subjectKey: string): string
  /** True when somebody was forgotten since this was last asked, by whatever process: whoever holds pseudonyms lets go of them. */
  forgotten(): boolean
  close(): void
}

/** Subjects kept in memory: about 20 MB. */
const cachedMax = 100_000
/** How long to wait for another worker that writes. */
const busyMs = 2_000

/** @throws {IdentityError} `IDENTITY_SUBJECTS_UNAVAILABLE` */
export async function openSubjects(stateDir: string): Promise<Subjects> {
  const path = join(stateDir, 'subjects.db')
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    return subjectsIn(openDatabase(path), path)
  } catch (error) {
    throw unavailable('open', path, error)
  }
}

/**
 * Forgets whom a pseudonym means: nobody can tell any more, and the same person gets a new one. Doing so twice is as doing it once.
 * @throws {IdentityError} `IDENTITY_SUBJECTS_UNAVAILABLE`: then it may be forgotten and not yet overwritten, and must be run again.
 */
export async function forgetSubject({
  stateDir,
  pseudonym,
}: {
  stateDir: string
  pseudonym: string
}): Promise<void> {
  const path = join(stateDir, 'subjects.db')
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    const database = openDatabase(path)
    try {
      database.exec('BEGIN IMMEDIATE')
      database.prepare('DELETE FROM subjects WHERE pseudonym = ?').run(pseudonym)
      database.exec('UPDATE forgotten SET count = count + 1; COMMIT')
      // A crash before this leaves the name in the write-ahead file of SQLite; running it again cuts it.
      const row = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
      if (row?.['busy'] !== 0) throw new Error('another process reads it: run the command again')
    } finally {
      database.close()
    }
  } catch (error) {
    throw unavailable('forget one of', path, error)
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyMs })
  database.exec('PRAGMA journal_mode = WAL')
  // What is deleted is overwritten with zeros.
  database.exec('PRAGMA secure_delete = ON')
  // A pseudonym goes into a log that keeps it for ever, so it must not be forgotten by a power cut.
  database.exec('PRAGMA synchronous = FULL')
  database.exec(
    'CREATE TABLE IF NOT EXISTS subjects (subject TEXT PRIMARY KEY, pseudonym TEXT NOT NULL) STRICT, WITHOUT ROWID',
  )
  database.exec(
    `CREATE TABLE IF NOT EXISTS forgotten (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL) STRICT;
     INSERT OR IGNORE INTO forgotten VALUES (1, 0)`,
  )
  return database
}

function subjectsIn(database: DatabaseSync, path: string): Subjects {
  const cache = new Lru<string, string>(cachedMax)
  const insert = database.prepare('INSERT OR IGNORE INTO subjects VALUES (?, ?)')
  const select = database.prepare('SELECT pseudonym FROM subjects WHERE subject = ?')
  const forgotten = openForgotten(database)
  const stored = (subjectKey: string): string | undefined => {
    const text = select.get(subjectKey)?.['pseudonym']
    return typeof text === 'string' ? text : undefined
  }
  const findOrCreate = (subjectKey: string): string => {
    const known = stored(subjectKey)
    if (known !== undefined) return known
    // Another worker may be first; whoever is, both read the same name back.
    insert.run(subjectKey, randomBytes(16).toString('hex'))
    const made = stored(subjectKey)
    if (made === undefined) throw new Error('the row that was just written is not there')
    return made
  }
  return {
    pseudonym(subjectKey) {
      const known = cache.get(subjectKey)
      if (known !== undefined) return known
      try {
        const pseudonym = findOrCreate(subjectKey)
        cache.set(subjectKey, pseudonym)
        return pseudonym
      } catch (error) {
        throw unavailable('use', path, error)
      }
    },
    forgotten() {
      if (!forgotten()) return false
      cache.clear()
      return true
    },
    close: () => database.close(),
  }
}

/** Asks at most once a turn of the event loop, and then one counter of SQLite's: a request pays less than a microsecond. */
function openForgotten(database: DatabaseSync): () => boolean {
  const version = database.prepare('PRAGMA data_version')
  const count = database.prepare('SELECT count FROM forgotten')
  const read = (): { version: unknown; count: unknown } => ({
    version: version.get()?.['data_version'],
    count: count.get()?.['count'],
  })
  let seen = read()
  let hasLooked = false
  return () => {
    if (hasLooked) return false
    hasLooked = true
    setImmediate(() => {
      hasLooked = false
    })
    // It changes with every commit of another process, and most of those forget nobody.
    if (version.get()?.['data_version'] === seen.version) return false
    const before = seen.count
    seen = read()
    return seen.count !== before
  }
}

function unavailable(verb: string, path: string, cause: unknown): IdentityError {
  const message = `could not ${verb} the pseudonyms in ${path}: check that the folder is writable and the disk not full`
  return new IdentityError('IDENTITY_SUBJECTS_UNAVAILABLE', message, { cause })
}
