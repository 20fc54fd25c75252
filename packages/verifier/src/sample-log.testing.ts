/** Writes a log as the publisher does, for tests and the bench: real records, tiles, bundles, and a signed checkpoint. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Draft, UnstampedLeaf } from '@countersign/record/leaf'
import { encodeBundle } from '@countersign/tlog/bundle'
import { formatCheckpoint } from '@countersign/tlog/checkpoint'
import { CompactRange } from '@countersign/tlog/compact-range'
import { hashLeaf } from '@countersign/tlog/hash'
import { formatVkey, keyId, SignatureType } from '@countersign/tlog/key'
import { formatNote, signNote } from '@countersign/tlog/note'
import { TILE_HEIGHT, TILE_WIDTH, tilePath, tilesBetween } from '@countersign/tlog/tile'

import { nodeCrypto } from './node-io.ts'

const ORIGIN = 'log.example.com/test'
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const { sha256 } = nodeCrypto

/** A key pair made from a one-byte seed. */
export function testKey(
  seed: number,
  name: string = ORIGIN,
): { vkey: string; signText: (text: string) => Promise<string> } {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, seed)]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = new Uint8Array(
    createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(12),
  )
  const key = { name, type: SignatureType.ed25519, publicKey }
  const id = keyId(key, sha256)
  return {
    vkey: formatVkey({ ...key, id }),
    signText: async (text) =>
      signNote(text, { name, id, sign: (message) => sign(null, message, privateKey) }),
  }
}

export const logKey: ReturnType<typeof testKey> = testKey(1)

/** Writes to memory or to disk. */
export type WriteFile = (path: string, bytes: Uint8Array) => void

/** A growing log; each `publish` leaves partial tiles behind, as the publisher's would until it removes them. */
export class SampleLog {
  readonly #write: WriteFile
  readonly #range = new CompactRange(sha256)
  readonly #levels: Uint8Array[][] = []
  readonly #entries: Uint8Array[] = []
  readonly #nextEntry: () => Uint8Array
  readonly #origin: string
  #published = 0

  constructor(
    write: WriteFile,
    nextEntry: () => Uint8Array = openEntries(),
    origin: string = ORIGIN,
  ) {
    this.#write = write
    this.#nextEntry = nextEntry
    this.#origin = origin
  }

  append(count: number): void {
    for (let nth = 0; nth < count; nth++) {
      const entry = this.#nextEntry()
      this.#entries.push(entry)
      this.#range.append(hashLeaf(sha256, entry), (level, _index, hash) => {
        if (level % TILE_HEIGHT === 0) (this.#levels[level / TILE_HEIGHT] ??= []).push(hash)
      })
    }
  }

  async publish(key: ReturnType<typeof testKey> = logKey): Promise<string> {
    for (const tile of tilesBetween(this.#published, this.#range.size)) {
      const start = tile.index * TILE_WIDTH
      const end = start + tile.width
      const bytes =
        tile.level === 'entries'
          ? encodeBundle(this.#entries.slice(start, end))
          : Buffer.concat(this.#levels[tile.level]?.slice(start, end) ?? [])
      this.#write(tilePath(tile), bytes)
    }
    this.#published = this.#range.size
    const text = formatCheckpoint({
      origin: this.#origin,
      size: BigInt(this.#range.size),
      root: this.#range.root(),
    })
    const note = formatNote(text, [await key.signText(text)])
    this.#write('checkpoint', Buffer.from(note))
    return note
  }
}

/** Real records: an intent and its outcome in turn, of one session. */
export function openEntries(startMs: number = 1_753_871_234_567): () => Uint8Array {
  let seq = 0
  let prev: string | undefined
  let id = ''
  const ids = openIds({ nowMs: () => startMs + Math.floor(seq / 100) })
  const session = ids()
  return () => {
    const isIntent = seq % 2 === 0
    if (isIntent) id = ids()
    const draft: Draft = {
      leaf: leafOf(id, isIntent),
      addenda: isIntent ? [{ name: 'request', content: Buffer.from(id) }] : [],
    }
    const { entry } = encodeDraft(draft, { session, seq, prev }, sha256)
    prev = id
    seq += 1
    return Uint8Array.from(entry)
  }
}

/** Writes files below a folder. */
export function toDirectory(folder: string): WriteFile {
  return (path, bytes) => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
}

function leafOf(id: string, isIntent: boolean): UnstampedLeaf {
  const common = { v: 1, id, class: 'http.server', action: 'orders.read', crud: 'read' } as const
  const time = { occurred: '1753871234567890123' }
  const trace = { id: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' }
  if (!isIntent) {
    const http = {
      status: 200,
      request_bytes: 0,
      response_bytes: 512,
      duration_ns: 1_234_567,
      first_byte_ns: 1_000_000,
    }
    return { ...common, phase: 'outcome', outcome: 'success', time, trace, http }
  }
  return {
    ...common,
    phase: 'intent',
    captured: 'meta',
    labels: ['pii'],
    time,
    trace,
    request: { id: `req-${id}` },
    actor: {
      id: 'p_0123456789abcdef',
      type: 'user',
      roles: ['support'],
      credential: {
        kind: 'jwt',
        fingerprint: 'f'.repeat(64),
        issuer: 'https://login.example.com/',
        audience: ['orders'],
        expires: 1_753_879_999,
        defects: [],
      },
    },
    destination: {
      service: 'orders',
      host: '127.0.0.1',
      port: 9001,
      registered: true,
      allowed: true,
    },
    decision: {
      allowed: true,
      rule: 'grants[0]',
      reason: 'granted',
      policy: 'c'.repeat(64),
      would_deny: false,
      mode: 'strict',
    },
    service: { name: 'orders', owner: 'orders' },
    http: { method: 'GET', route: '/orders/{id}', route_match: 'declared' },
  }
}
