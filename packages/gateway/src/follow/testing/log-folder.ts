/** Writes published logs for tests: entries, tiles and a signed checkpoint, as a ledger would, into a temporary folder. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { encodeDraft } from '@countersign/record/encode'
import type { Draft, UnstampedLeaf } from '@countersign/record/leaf'
import { encodeBundle } from '@countersign/tlog/bundle'
import { formatCheckpoint } from '@countersign/tlog/checkpoint'
import { CompactRange } from '@countersign/tlog/compact-range'
import { hashLeaf } from '@countersign/tlog/hash'
import { keyId, SignatureType } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { formatNote, signNote } from '@countersign/tlog/note'
import { tilePath, tilesForSize, TILE_WIDTH } from '@countersign/tlog/tile'
import { ed25519PublicKey, ed25519Sign, sha256 } from '../../cryptography.ts'
import { openLogSource } from '../log-source.ts'
import type { PublishedLog } from '../published-log.ts'

const ORIGIN = 'test.example/log'
const seed = new Uint8Array(32).fill(7)
const SESSION = '01900000-0000-7000-8000-000000000000'

export interface LogFolder extends AsyncDisposable {
  readonly folder: string
  readonly key: VerifierKey
  readonly log: PublishedLog
  /** Adds entries and publishes. */
  publish(entries: readonly Uint8Array[]): Promise<void>
}

export async function openLogFolder(): Promise<LogFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-log-'))
  const unnamed = { name: ORIGIN, type: SignatureType.ed25519, publicKey: ed25519PublicKey(seed) }
  const key: VerifierKey = { ...unnamed, id: keyId(unnamed, sha256) }
  const all: Uint8Array[] = []
  const source = await openLogSource(folder)
  return {
    folder,
    key,
    log: { source, keys: [key] },
    async publish(entries) {
      all.push(...entries)
      await writeLog(folder, key, all)
    },
    async [Symbol.asyncDispose]() {
      source.close()
      await rm(folder, { recursive: true })
    },
  }
}

async function writeLog(
  folder: string,
  key: VerifierKey,
  entries: readonly Uint8Array[],
): Promise<void> {
  const hashes = new Map<string, Uint8Array>()
  const range = new CompactRange(sha256)
  for (const entry of entries) {
    range.append(hashLeaf(sha256, entry), (level, index, hash) =>
      hashes.set(`${level}/${index}`, hash),
    )
  }
  for (const tile of tilesForSize(entries.length)) {
    const at = tile.index * TILE_WIDTH
    const bytes =
      tile.level === 'entries'
        ? encodeBundle(entries.slice(at, at + tile.width))
        : Buffer.concat(
            Array.from(
              { length: tile.width },
              (_, n) => hashes.get(`${Number(tile.level) * 8}/${at + n}`) ?? new Uint8Array(),
            ),
          )
    await mkdir(dirname(join(folder, tilePath(tile))), { recursive: true })
    await writeFile(join(folder, tilePath(tile)), bytes)
  }
  const text = formatCheckpoint({
    origin: ORIGIN,
    size: BigInt(entries.length),
    root: range.root(),
  })
  const line = await signNote(text, { name: key.name, id: key.id, sign: ed25519Sign(seed) })
  await writeFile(join(folder, 'checkpoint'), formatNote(text, [line]))
}

/** A UUIDv7 of a millisecond and a number. */
export function idAt(ms: number, number = 0): string {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${number.toString(16).padStart(12, '0')}`
}

/** The entry of a small record. */
export function entryOf(id: string, phase: 'intent' | 'outcome', seq: number): Uint8Array {
  const occurred = '1800000000000000000'
  const leaf: UnstampedLeaf =
    phase === 'intent'
      ? { v: 1, id, class: 'http.server', action: 'orders.read', phase, time: { occurred } }
      : {
          v: 1,
          id,
          class: 'http.server',
          action: 'orders.read',
          phase,
          outcome: 'success',
          time: { occurred },
        }
  const draft: Draft = { leaf, addenda: [] }
  return encodeDraft(draft, { session: SESSION, seq }, sha256).entry
}
