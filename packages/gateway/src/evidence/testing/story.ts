/** A log with a story, for tests of evidence: two lives of a gateway, two people, a gap, an erasure, and addenda clear and sealed. */
import { createHash } from 'node:crypto'
import { encodeAddendum, encodeDraft } from '@countersign/record/encode'
import { sealingContext } from '@countersign/record/envelope'
import type { Addendum, Lifecycle, UnstampedLeaf } from '@countersign/record/leaf'
import { encodeHex } from '@countersign/tlog/base64'
import { decodeBundle } from '@countersign/tlog/bundle'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { sealChunked } from '@countersign/tlog/chunked-encryption'
import { parseNote } from '@countersign/tlog/note'
import { inclusionProofAsync } from '@countersign/tlog/proof'
import { nodeFromTile, placeOfNode, TILE_WIDTH, tilePath, tileWidth } from '@countersign/tlog/tile'
import { logKey, SampleLog } from '@countersign/verifier/sample-log.testing'
import { createCipheriv, createHmac } from 'node:crypto'
import { sha256 } from '../../cryptography.ts'
import type { EvidenceAddenda, EvidenceLog, StoredAddendum } from '../log.ts'

export const ALICE = 'a11ce000000000000000000000000000'
export const BOB = 'b0b00000000000000000000000000000'
export const FIRST_SESSION: string = idAt(1_800_000_000_000, 0xa1)
export const SECOND_SESSION: string = idAt(1_800_000_500_000, 0xa2)
export const START_MS = 1_800_000_000_000
export const policy: string = `log ${logKey.vkey}\nquorum none\n`

export interface Story {
  readonly log: EvidenceLog
  readonly addenda: EvidenceAddenda
  /** The signed note of the log when it had half of its records. */
  readonly earlier: Uint8Array
  /** Leaf indexes of Alice's records. */
  readonly alices: readonly number[]
  /** Files of the published log. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** @param transactions how many requests each person makes; every fourth of Alice's is sealed. */
export async function tellStory({
  transactions = 8,
  name = 'alice <b>',
}: { transactions?: number; name?: string } = {}): Promise<Story> {
  const writer = new StoryWriter(name)
  for (const session of [FIRST_SESSION, SECOND_SESSION]) {
    writer.begin(session)
    writer.fact({
      kind: 'boot',
      component: 'gateway',
      version: '0.1.0',
      binary: 'b'.repeat(64),
      clock: { source: 'system', offset_ns: 0 },
    })
    for (let nth = 0; nth < transactions; nth++) {
      writer.request(ALICE, nth % 4 === 0)
      writer.request(BOB, false)
    }
    writer.fact({
      kind: 'gap',
      from: '1800000000000000000',
      to: '1800000001000000000',
      count: 3,
      why: 'the ledger was full',
    })
    if (session === SECOND_SESSION)
      writer.fact({
        kind: 'erasure',
        subject: BOB,
        basis: 'Art. 17',
        by: 'dpo',
        leaves: '3',
        part: 1,
        parts: 1,
      })
    writer.fact({ kind: 'shutdown', component: 'gateway' })
  }
  return writer.publish()
}

class StoryWriter {
  readonly #name: string
  readonly #entries: Uint8Array[] = []
  readonly #stored = new Map<string, StoredAddendum>()
  readonly #alices: number[] = []
  #session = FIRST_SESSION
  #seq = 0
  #prev: string | undefined
  #ms = START_MS

  constructor(name: string) {
    this.#name = name
  }

  begin(session: string): void {
    this.#session = session
    this.#seq = 0
    this.#prev = undefined
  }

  fact(lifecycle: Lifecycle): void {
    const about = {
      class: 'lifecycle',
      action: `lifecycle.${lifecycle.kind}`,
      phase: 'single',
      outcome: 'success',
    } as const
    this.#append({ ...this.#envelope(), ...about, time: this.#time(), lifecycle }, [])
  }

  request(person: string, isSealed: boolean): void {
    const base = { ...this.#envelope(), class: 'http.server', action: 'orders.read' } as const
    if (person === ALICE) this.#alices.push(this.#entries.length, this.#entries.length + 1)
    const salt = createHash('sha256').update(base.id).digest().subarray(0, 16)
    const clear = encodeAddendum(
      'request',
      { actor: { name: person === ALICE ? this.#name : 'bob' }, path: `/orders/${this.#seq}` },
      salt,
    )
    const addendum = isSealed ? this.#seal(clear, base.id) : this.#keep(clear)
    this.#append(
      {
        ...base,
        phase: 'intent',
        captured: 'meta',
        time: this.#time(),
        actor: { id: person, type: 'user' },
        http: { method: 'GET', route: '/orders/{id}' },
      },
      [addendum],
    )
    this.#append(
      { ...base, phase: 'outcome', outcome: 'success', time: this.#time(), http: { status: 200 } },
      [],
    )
  }

  async publish(): Promise<Story> {
    const files = new Map<string, Uint8Array>()
    let next = 0
    const sample = new SampleLog(
      (path, bytes) => files.set(path, bytes),
      () => this.#entries[next++] ?? new Uint8Array(),
    )
    sample.append(Math.floor(this.#entries.length / 2))
    const earlier = Buffer.from(await sample.publish())
    sample.append(this.#entries.length - next)
    const note = await sample.publish()
    return {
      log: openLog(files, note),
      addenda: async ({ digest }) => this.#stored.get(encodeHex(digest)),
      earlier,
      alices: this.#alices,
      files,
    }
  }

  #append(leaf: UnstampedLeaf, addenda: readonly Addendum[]): void {
    const stamp = {
      session: this.#session,
      seq: this.#seq,
      ...(this.#prev === undefined ? {} : { prev: this.#prev }),
    }
    this.#entries.push(Uint8Array.from(encodeDraft({ leaf, addenda }, stamp, sha256).entry))
    this.#seq += 1
    this.#prev = leaf.id
    this.#ms += 1000
  }

  #envelope(): Pick<UnstampedLeaf, 'v' | 'id'> {
    return { v: 1, id: idAt(this.#ms, this.#entries.length) }
  }

  #time(): { occurred: string } {
    return { occurred: `${this.#ms}000000` }
  }

  #keep(addendum: Addendum): Addendum {
    this.#stored.set(encodeHex(sha256(addendum.content)), {
      content: addendum.content,
      key: 'clear',
    })
    return addendum
  }

  #seal(addendum: Addendum, id: string): Addendum {
    const key = createHash('sha256').update(`key of ${id}`).digest()
    const salt = createHash('sha256').update(`salt of ${id}`).digest().subarray(0, 24)
    const context = sealingContext({ id, phase: 'intent' }, 0)
    const content = sealChunked(
      addendum.content,
      { key, salt, context },
      {
        hmacSha512: (secret, message) => createHmac('sha512', secret).update(message).digest(),
        aes256GcmSeal: ({ key: secret, nonce, plaintext }, target) => {
          const cipher = createCipheriv('aes-256-gcm', secret, nonce)
          target.set(cipher.update(plaintext))
          cipher.final()
          target.set(cipher.getAuthTag(), plaintext.length)
        },
      },
    )
    this.#stored.set(encodeHex(sha256(content)), { content, key })
    return { ...addendum, content }
  }
}

function openLog(files: ReadonlyMap<string, Uint8Array>, note: string): EvidenceLog {
  const { origin, size, root } = parseCheckpoint(parseNote(note).text)
  const head = { origin, size: Number(size), root, note }
  const tile: EvidenceLog['tile'] = async (wanted) => files.get(tilePath(wanted))
  const bundle: EvidenceLog['bundle'] = async (index) => {
    const width = tileWidth(head.size, 'entries', index)
    return decodeBundle((await tile({ level: 'entries', index, width })) ?? new Uint8Array())
  }
  const readNode = async (level: number, index: number): Promise<Uint8Array> => {
    const place = placeOfNode(level, index)
    const width = tileWidth(head.size, place.level, place.index)
    return nodeFromTile(sha256, (await tile({ ...place, width })) ?? new Uint8Array(), place)
  }
  return {
    head,
    tile,
    bundle,
    proven: async (index) => ({
      entry: (await bundle(Math.floor(index / TILE_WIDTH)))[index % TILE_WIDTH] ?? new Uint8Array(),
      proof: await inclusionProofAsync(index, head.size, { sha256, readNode }),
    }),
  }
}

function idAt(ms: number, number: number): string {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${number.toString(16).padStart(12, '0')}`
}
