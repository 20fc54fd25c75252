/**
 * The keys of subjects and of periods, each wrapped by the tenant's, in SQLite. Guarantees that a key is durable before its first use,
 * that whoever has one has it for ever, and that one which was destroyed is never made again. Lost with the file: every sealed
 * addendum. Who owns it and the tenant's key can read them all; who owns it alone can destroy, and read nothing.
 */
import { createSecretKey, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { SealError } from './errors.ts'
import type { TenantKey } from './tenant-key.ts'

/** A key, or what became of it. `record` is the leaf index of the erasure, or of the retention. */
export type StoredKey =
  | { readonly state: 'here'; readonly key: KeyObject }
  | { readonly state: 'destroyed'; readonly record: number }
  | { readonly state: 'unknown' }

export interface KeyStore {
  /** The key of a subject, made on first sight. @throws {SealError} `SEAL_KEYS_UNAVAILABLE`, `SEAL_TENANT_MISMATCH` */
  findOrCreate(subject: string): StoredKey
  /** The key of a subject when there is one. @throws {SealError} as above */
  find(subject: string): StoredKey
  /** The key of what is kept up to a day, made on first sight. @throws {SealError} as above */
  findOrCreatePeriod(period: string): StoredKey
  /** The key of what is kept up to a day when there is one. @throws {SealError} as above */
  findPeriod(period: string): StoredKey
  /** True when another process may have destroyed a key since this was last asked. */
  changed(): boolean
  close(): void
}

export interface KeyStoreOptions {
  readonly stateDir: string
  readonly tenantKey: TenantKey
}

const KEY_BYTES = 32
/** How long to wait for another process that writes, or reads while a checkpoint wants to cut the file. */
const BUSY_MS = 2_000

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS subjects (
    subject TEXT PRIMARY KEY, wrapped BLOB, erased INTEGER, CHECK ((wrapped IS NULL) <> (erased IS NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS periods (
    period TEXT PRIMARY KEY, wrapped BLOB, expired INTEGER, CHECK ((wrapped IS NULL) <> (expired IS NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS store (
    id INTEGER PRIMARY KEY CHECK (id = 1), tenant_check BLOB, destroyed INTEGER NOT NULL
  ) STRICT;
  INSERT OR IGNORE INTO store VALUES (1, NULL, 0);
`

/**
 * Opens the keys for those who seal; made when absent.
 * @throws {SealError} `SEAL_KEYS_UNAVAILABLE`; `SEAL_TENANT_MISMATCH` when they are under another tenant's key.
 */
export async function openKeyStore({ stateDir, tenantKey }: KeyStoreOptions): Promise<KeyStore> {
  const path = pathIn(stateDir)
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    const database = openForWriting(path)
    checkTenant(database, tenantKey, path)
    return storeIn(database, tenantKey, path)
  } catch (cause) {
    throw cause instanceof SealError ? cause : unavailable('open', path, cause)
  }
}

/** Opens the keys for those who only read; undefined when there are none yet. @throws {SealError} as `openKeyStore` */
export function openKeyStoreForReading({
  stateDir,
  tenantKey,
}: KeyStoreOptions): KeyStore | undefined {
  const path = pathIn(stateDir)
  if (!existsSync(path)) return undefined
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS })
    return storeIn(database, tenantKey, path)
  } catch (cause) {
    throw unavailable('open', path, cause)
  }
}

/**
 * Destroys the key of a subject, and keeps that it was: no key is ever made for it again. Doing so twice is as doing it once.
 * @param record leaf index of the erasure that says so; it must be durable already.
 * @throws {SealError} `SEAL_KEYS_UNAVAILABLE`: then it may be destroyed and not yet overwritten, and must be run again.
 */
export async function destroyKey({
  stateDir,
  subject,
  record,
}: {
  stateDir: string
  subject: string
  record: number
}): Promise<void> {
  await destroy(stateDir, { table: subjects, names: [subject], record })
}

/**
 * Destroys the keys of periods, all or none, and keeps that they were. Doing so twice is as doing it once.
 * @param record leaf index of the retention that says so; it must be durable already.
 * @throws {SealError} as `destroyKey`
 */
export async function destroyPeriods({
  stateDir,
  periods: names,
  record,
}: {
  stateDir: string
  periods: readonly string[]
  record: number
}): Promise<void> {
  await destroy(stateDir, { table: periods, names, record })
}

/** The days whose keys are here, ascending: what has not gone yet. @throws {SealError} `SEAL_KEYS_UNAVAILABLE` */
export function listPeriods(stateDir: string): readonly string[] {
  const path = pathIn(stateDir)
  if (!existsSync(path)) return []
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS })
    try {
      if (!hasPeriods(database)) return []
      const rows = database
        .prepare('SELECT period FROM periods WHERE wrapped IS NOT NULL ORDER BY period')
        .all()
      return rows.map(({ period }) => String(period))
    } finally {
      database.close()
    }
  } catch (cause) {
    throw unavailable('list', path, cause)
  }
}

interface Destruction {
  readonly table: Table
  readonly names: readonly string[]
  readonly record: number
}

async function destroy(stateDir: string, { table, names, record }: Destruction): Promise<void> {
  const path = pathIn(stateDir)
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    const database = openForWriting(path)
    try {
      database.exec('BEGIN IMMEDIATE')
      const bury = database.prepare(table.bury)
      for (const name of names) bury.run(name, record)
      database.exec('UPDATE store SET destroyed = destroyed + 1; COMMIT')
      // A crash before this leaves the old page in the write-ahead file of SQLite; running the command again cuts it.
      cutWriteAhead(database)
    } finally {
      database.close()
    }
  } catch (cause) {
    throw unavailable('destroy a key among', path, cause)
  }
}

/** The statements about one kind of keys. */
interface Table {
  readonly find: string
  readonly make: string
  readonly bury: string
}

const subjects: Table = {
  find: 'SELECT wrapped, erased AS gone FROM subjects WHERE subject = ?',
  make: 'INSERT OR IGNORE INTO subjects VALUES (?, ?, NULL)',
  bury: `INSERT INTO subjects VALUES (?, NULL, ?)
    ON CONFLICT (subject) DO UPDATE SET wrapped = NULL, erased = excluded.erased WHERE erased IS NULL`,
}

const periods: Table = {
  find: 'SELECT wrapped, expired AS gone FROM periods WHERE period = ?',
  make: 'INSERT OR IGNORE INTO periods VALUES (?, ?, NULL)',
  bury: `INSERT INTO periods VALUES (?, NULL, ?)
    ON CONFLICT (period) DO UPDATE SET wrapped = NULL, expired = excluded.expired WHERE expired IS NULL`,
}

/** A store that nobody has sealed with since there are periods has none. */
function hasPeriods(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'periods'").get() !== undefined
}

function pathIn(stateDir: string): string {
  return join(stateDir, 'keys.db')
}

function openForWriting(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS })
  database.exec('PRAGMA journal_mode = WAL')
  // What was sealed is in a log for ever: its key must not be forgotten by a power cut.
  database.exec('PRAGMA synchronous = FULL')
  // What is deleted is overwritten with zeros.
  database.exec('PRAGMA secure_delete = ON')
  database.exec(SCHEMA)
  return database
}

/** @throws when somebody reads for longer than `BUSY_MS` */
function cutWriteAhead(database: DatabaseSync): void {
  const row = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
  if (row?.['busy'] !== 0) throw new Error('another process reads it: run the command again')
}

/** The keys of a store are all under one tenant's key; a key of known content tells whether it is this one. */
function checkTenant(database: DatabaseSync, tenantKey: TenantKey, path: string): void {
  const known = Buffer.alloc(KEY_BYTES)
  database
    .prepare('UPDATE store SET tenant_check = ? WHERE tenant_check IS NULL')
    .run(tenantKey.wrap(known))
  const stored = database.prepare('SELECT tenant_check FROM store').get()?.['tenant_check']
  if (!(stored instanceof Uint8Array) || tenantKey.unwrap(stored) === undefined) {
    database.close()
    throw mismatch(path)
  }
}

function storeIn(database: DatabaseSync, tenantKey: TenantKey, path: string): KeyStore {
  const version = database.prepare('PRAGMA data_version')
  const destroyed = database.prepare('SELECT destroyed FROM store')
  let seenVersion: unknown
  let seenDestroyed: unknown
  const guarded = (work: () => StoredKey): StoredKey => {
    try {
      return work()
    } catch (cause) {
      throw cause instanceof SealError ? cause : unavailable('use', path, cause)
    }
  }
  const unwrap = (wrapped: Uint8Array): KeyObject => {
    const key = tenantKey.unwrap(wrapped)
    if (key === undefined) throw mismatch(path)
    return createSecretKey(key)
  }
  const bySubject = keysOf(database, { table: subjects, tenantKey, unwrap })
  const byPeriod = keysOf(database, { table: periods, tenantKey, unwrap })
  return {
    find: (subject) => guarded(() => bySubject.find(subject)),
    findOrCreate: (subject) => guarded(() => bySubject.findOrCreate(subject)),
    findPeriod: (period) =>
      guarded(() => (hasPeriods(database) ? byPeriod.find(period) : { state: 'unknown' })),
    findOrCreatePeriod: (period) => guarded(() => byPeriod.findOrCreate(period)),
    changed() {
      const now = version.get()?.['data_version']
      if (now === seenVersion) return false
      seenVersion = now
      const count = destroyed.get()?.['destroyed']
      const isOther = count !== seenDestroyed
      seenDestroyed = count
      return isOther
    },
    close: () => database.close(),
  }
}

interface KeysOptions {
  readonly table: Table
  readonly tenantKey: TenantKey
  /** @throws {SealError} `SEAL_TENANT_MISMATCH` */
  readonly unwrap: (wrapped: Uint8Array) => KeyObject
}

/** The keys of one table. Statements are made when they are first needed: a reader may not write, and an old store has fewer tables. */
function keysOf(
  database: DatabaseSync,
  { table, tenantKey, unwrap }: KeysOptions,
): Record<'find' | 'findOrCreate', (name: string) => StoredKey> {
  let select: StatementSync | undefined
  let insert: StatementSync | undefined
  const find = (name: string): StoredKey => {
    select ??= database.prepare(table.find)
    const row = select.get(name)
    if (row === undefined) return { state: 'unknown' }
    const { wrapped, gone } = row
    return wrapped instanceof Uint8Array
      ? { state: 'here', key: unwrap(wrapped) }
      : { state: 'destroyed', record: Number(gone) }
  }
  return {
    find,
    findOrCreate(name) {
      const found = find(name)
      if (found.state !== 'unknown') return found
      insert ??= database.prepare(table.make)
      // Another worker may be first; whoever is, both read the same key back.
      insert.run(name, tenantKey.wrap(randomBytes(KEY_BYTES)))
      return find(name)
    },
  }
}

function mismatch(path: string): SealError {
  return new SealError(
    'SEAL_TENANT_MISMATCH',
    `could not use the keys in ${path}: they are under another tenant key than the one that seal.key names`,
  )
}

function unavailable(verb: string, path: string, cause: unknown): SealError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SealError(
    'SEAL_KEYS_UNAVAILABLE',
    `could not ${verb} the keys in ${path}: ${why}; check that the folder is writable and the disk not full`,
    { cause },
  )
}
