/**
 * Which API keys are on record already: what the key files say is compared with it, so that each key made or
 * revoked becomes a record, also when that happened while the gateway was down. If the file is lost, every key
 * is recorded once more as created; nothing else depends on it.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { IdentityError } from './errors.ts'

/** A key, by its public id, and what became of it. */
export interface KeyChange {
  readonly key: string
  readonly change: 'created' | 'revoked'
}

export interface KnownKeys {
  /** What is not on record yet. @param current ids in the key files, and whether each still counts. */
  changes(current: ReadonlyMap<string, boolean>): KeyChange[]
  /** These are on record now. */
  recorded(changes: readonly KeyChange[]): void
  close(): void
}

/** How long to wait for another worker that writes. */
const busyMs = 2_000

/** @throws {IdentityError} `IDENTITY_SUBJECTS_UNAVAILABLE` */
export async function openKnownKeys(stateDir: string): Promise<KnownKeys> {
  const path = join(stateDir, 'known-keys.db')
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    return knownIn(openDatabase(path))
  } catch (cause) {
    const message = `could not open ${path}: check that the folder is writable and the disk not full`
    throw new IdentityError('IDENTITY_SUBJECTS_UNAVAILABLE', message, { cause })
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyMs })
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(
    'CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, active INTEGER NOT NULL) STRICT, WITHOUT ROWID',
  )
  return database
}

function knownIn(database: DatabaseSync): KnownKeys {
  const select = database.prepare('SELECT id, active FROM keys')
  const upsert = database.prepare(
    'INSERT INTO keys VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET active = excluded.active',
  )
  return {
    changes(current) {
      const known = new Map(select.all().map((row) => [String(row['id']), row['active'] === 1]))
      const changes: KeyChange[] = []
      for (const [key, active] of current) {
        if (!known.has(key)) changes.push({ key, change: 'created' })
        if (!active && known.get(key) !== false) changes.push({ key, change: 'revoked' })
      }
      // A key that was taken out of its file counts as little as a revoked one.
      for (const [key, active] of known) {
        if (active && !current.has(key)) changes.push({ key, change: 'revoked' })
      }
      return changes
    },
    recorded(changes) {
      for (const { key, change } of changes) upsert.run(key, change === 'created' ? 1 : 0)
    },
    close: () => database.close(),
  }
}
