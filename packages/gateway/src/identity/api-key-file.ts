/**
 * The file of API keys that `countersign keys` keeps. Trusted: who can write it can become anyone it names.
 * It holds the SHA-256 of each secret and never a secret. Secrets are 256 random bits, so there is nothing to guess
 * and nothing that a slow, salted hash would protect; what leaks from the file opens no door.
 */
import { hash, randomBytes } from 'node:crypto'
import { open, readFile, stat, unlink } from 'node:fs/promises'
import { parseDocument, stringify } from 'yaml'
import { z } from 'zod'
import { systemClock, writeDurably } from '../platform.ts'
import type { Clock } from '../platform.ts'
import { IdentityError } from './errors.ts'

const entrySchema = z.strictObject({
  id: z.string().regex(/^[a-z2-7]{8}$/),
  name: z.string().min(1).max(256),
  type: z.enum(['user', 'service', 'agent']),
  groups: z.array(z.string().min(1).max(256)).max(256).default([]),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  created: z.iso.datetime(),
  expires: z.iso.datetime().optional(),
  revoked: z.iso.datetime().optional(),
})
const fileSchema = z.strictObject({
  version: z.literal(1),
  keys: z.array(entrySchema).max(100_000),
})

/** One key at rest. Times are ISO 8601, UTC. */
export type ApiKeyEntry = z.output<typeof entrySchema>

/** What a new key stands for. */
export interface ApiKeySpec {
  readonly name: string
  readonly type: ApiKeyEntry['type']
  readonly groups?: readonly string[]
  /** ISO 8601, UTC; without it the key holds until it is revoked, which is noted as `no_exp`. */
  readonly expires?: string
}

/** Where time and randomness come from; tests bring their own. */
export interface ApiKeyMaking {
  readonly clock?: Clock
  readonly random?: (bytes: number) => Uint8Array
}

const fileBytesMax = 64 * 1024 * 1024
const base32 = 'abcdefghijklmnopqrstuvwxyz234567'
const header = '# Kept by `countersign keys`: SHA-256 of the secrets, never the secrets.\n'

/**
 * Makes a key, stores its hash, and returns the key's text, which exists nowhere else.
 * @returns `key`: `csk_`, 8 characters of id, `_`, 43 characters (base64url) of secret.
 * @throws {IdentityError} `IDENTITY_KEY_INVALID`, `IDENTITY_KEYS_BUSY`, `IDENTITY_KEYS_INVALID`, `IDENTITY_KEYS_UNREADABLE`
 */
export async function createApiKey(
  file: string,
  spec: ApiKeySpec,
  { clock = systemClock, random = randomBytes }: ApiKeyMaking = {},
): Promise<{ id: string; key: string }> {
  const secret = Buffer.from(random(32)).toString('base64url')
  return changing(file, async () => {
    const entries = await readOrNone(file)
    const id = freshId(entries, random)
    const candidate = { id, ...spec, sha256: hashSecret(secret), created: isoNow(clock) }
    const entry = entrySchema.safeParse(candidate)
    if (!entry.success)
      throw new IdentityError(
        'IDENTITY_KEY_INVALID',
        `could not make the key: ${firstProblem(entry.error)}`,
      )
    await write(file, [...entries, entry.data])
    return { id, key: `csk_${id}_${secret}` }
  })
}

/**
 * Marks a key as revoked; it stays in the file, so that its use can be told from that of an unknown one.
 * @throws {IdentityError} `IDENTITY_KEY_UNKNOWN`, and as `createApiKey`
 */
export async function revokeApiKey(
  file: string,
  id: string,
  { clock = systemClock }: ApiKeyMaking = {},
): Promise<ApiKeyEntry> {
  return changing(file, async () => {
    const entries = await readApiKeys(file)
    const found = entries.find((entry) => entry.id === id)
    if (found === undefined) {
      throw new IdentityError(
        'IDENTITY_KEY_UNKNOWN',
        `could not revoke key ${id}: ${file} does not have it`,
      )
    }
    const revoked = { ...found, revoked: found.revoked ?? isoNow(clock) }
    await write(
      file,
      entries.map((entry) => (entry.id === id ? revoked : entry)),
    )
    return revoked
  })
}

/** The keys of a file, in the order they were made. A file that does not exist yet has none. */
export async function listApiKeys(file: string): Promise<readonly ApiKeyEntry[]> {
  return readOrNone(file)
}

/** @throws {IdentityError} `IDENTITY_KEYS_UNREADABLE`, `IDENTITY_KEYS_INVALID` */
async function readApiKeys(file: string): Promise<ApiKeyEntry[]> {
  const text = await readTrusted(file)
  const parsed = fileSchema.safeParse(parseYaml(file, text))
  if (!parsed.success) throw invalid(file, firstProblem(parsed.error), parsed.error)
  const ids = new Set(parsed.data.keys.map((entry) => entry.id))
  if (ids.size !== parsed.data.keys.length) throw invalid(file, 'an id appears twice')
  return parsed.data.keys
}

/** Strict: no duplicate keys, and no aliases, which the file has no use for. */
function parseYaml(file: string, text: string): unknown {
  try {
    const document = parseDocument(text, { uniqueKeys: true, strict: true, prettyErrors: false })
    const [syntax] = document.errors
    if (syntax !== undefined) throw syntax
    return document.toJS({ maxAliasCount: 0 })
  } catch (error) {
    throw invalid(file, error instanceof Error ? error.message : String(error), error)
  }
}

/** SHA-256 (hex) of a secret's text, which has one spelling: another spelling is another secret. */
function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}

async function readTrusted(file: string): Promise<string> {
  try {
    const { mode, size } = await stat(file)
    if ((mode & 0o022) !== 0) throw new Error(`others can write it; run chmod 600 ${file}`)
    if (size > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax} bytes`)
    return await readFile(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new IdentityError(
      'IDENTITY_KEYS_UNREADABLE',
      `could not read API keys from ${file}: ${why}`,
      { cause: error },
    )
  }
}

async function readOrNone(file: string): Promise<ApiKeyEntry[]> {
  try {
    return await readApiKeys(file)
  } catch (error) {
    if (error instanceof IdentityError && isMissing(error.cause)) return []
    throw error
  }
}

/** One writer at a time, across processes. A crash in between leaves the lock, and the message says what to do. */
async function changing<Result>(file: string, change: () => Promise<Result>): Promise<Result> {
  const lock = `${file}.lock`
  try {
    await (await open(lock, 'wx', 0o600)).close()
  } catch (error) {
    const message = `could not lock ${file}: another command is changing it; if none is running, remove ${lock}`
    throw new IdentityError('IDENTITY_KEYS_BUSY', message, { cause: error })
  }
  try {
    return await change()
  } finally {
    await unlink(lock)
  }
}

async function write(file: string, keys: readonly ApiKeyEntry[]): Promise<void> {
  await writeDurably(file, header + stringify({ version: 1, keys }), { mode: 0o600 })
}

function freshId(entries: readonly ApiKeyEntry[], random: (bytes: number) => Uint8Array): string {
  const taken = new Set(entries.map((entry) => entry.id))
  for (let attempt = 0; attempt < 16; attempt++) {
    const id = [...random(8)].map((byte) => base32[byte % 32]).join('')
    if (!taken.has(id)) return id
  }
  throw new IdentityError(
    'IDENTITY_KEY_INVALID',
    'could not make the key: 16 random ids were all taken',
  )
}

function isoNow(clock: Clock): string {
  return new Date(Number(clock.nowNs() / 1_000_000n)).toISOString()
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function firstProblem(error: z.ZodError): string {
  const [issue] = error.issues
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`
}

function invalid(file: string, why: string, cause?: unknown): IdentityError {
  return new IdentityError(
    'IDENTITY_KEYS_INVALID',
    `could not use the API keys in ${file}: ${why}`,
    { cause },
  )
}
