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

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyMs })
  database.exec('PRAGMA journal_mode = WAL')
  // A pseudonym goes into a log that keeps it for ever, so it must not be forgotten by a power cut.
  database.exec('PRAGMA synchronous = FULL')
  database.exec(
    'CREATE TABLE IF NOT EXISTS subjects (subject TEXT PRIMARY KEY, pseudonym TEXT NOT NULL) STRICT, WITHOUT ROWID',
  )
  return database
}

function subjectsIn(database: DatabaseSync, path: string): Subjects {
  const cache = new Lru<string, string>(cachedMax)
  const insert = database.prepare('INSERT OR IGNORE INTO subjects VALUES (?, ?)')
  const select = database.prepare('SELECT pseudonym FROM subjects WHERE subject = ?')
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
    close: () => database.close(),
  }
}

function unavailable(verb: string, path: string, cause: unknown): IdentityError {
  const message = `could not ${verb} the pseudonyms in ${path}: check that the folder is writable and the disk not full`
  return new IdentityError('IDENTITY_SUBJECTS_UNAVAILABLE', message, { cause })
}
