/**
 * Opens the addenda that a record names, where they are at hand. Trusted only after hashing: each piece is compared with the
 * digest in its leaf.
 */
import { decodeEntry } from '@countersign/record/decode'
import type { Leaf } from '@countersign/record/leaf'
import { encodeHex } from '@countersign/tlog/base64'
import { equalBytes } from '@countersign/tlog/hash'
import { addendumPath } from '@countersign/tlog/addenda'
import { sha256 } from '../cryptography.ts'
import type { Unsealed } from '../seal.ts'
import { messageOf } from './thrown.ts'
import { broken } from '../follow.ts'
import type { LogSource } from '../follow.ts'

/** One addendum of a record. */
export interface OpenedAddendum {
  readonly name: string
  /** Of what the leaf names: of a sealed one, the ciphertext. */
  readonly bytes: number
  /** SHA-256, hex, as the leaf has it. */
  readonly digest: string
  /**
   * `here`: in the clear, perhaps opened. `sealed`: at hand, and its key is not. `erased`: lawfully, and a record says so. `expired`: gone
   * by retention, and a record says so. `absent`: not at hand. `altered`: what is at hand is not what the leaf names.
   */
  readonly state: 'here' | 'sealed' | 'erased' | 'expired' | 'absent' | 'altered'
  /** Only when `here`. */
  readonly content?: Uint8Array
  /** Only when `erased`: the index of the record that says so. */
  readonly erasure?: number
  /** Only when `expired`: the index of the record that says so. */
  readonly retention?: number
}

export interface OpenedRecord {
  readonly index: number
  readonly leaf: Leaf
  readonly addenda: readonly OpenedAddendum[]
}

/** Which addendum: `ordinal` is its place in its record, from 0. */
export interface WantedAddendum {
  readonly index: number
  readonly ordinal: number
  readonly digest: Uint8Array
}

/** An addendum as it was found, and not yet compared with its digest. Without an envelope, a sealed one cannot be opened. */
export interface FoundAddendum {
  readonly content: Uint8Array
  readonly isSealed: boolean
  readonly envelope?: Uint8Array | undefined
}

/** Where addenda are, and what opens them. */
export interface AddendumStore {
  find(wanted: WantedAddendum): Promise<FoundAddendum | undefined>
  /** Opens a sealed one whose digest is right. */
  open(sealed: SealedAddendum): Unsealed
  /** The index of the erasure record that covers a record's addenda, if any. */
  erasure(index: number): Promise<number | undefined>
  close(): void
}

/** A sealed addendum in its place. */
export interface SealedAddendum {
  readonly leaf: Leaf
  readonly ordinal: number
  readonly found: FoundAddendum
}

/** Addenda as a published log may serve them: ciphertexts, without what would open them. */
export function publishedAddenda(source: LogSource): AddendumStore {
  return {
    async find({ digest }) {
      const content = await source.read(addendumPath(encodeHex(digest)))
      return content === undefined ? undefined : { content, isSealed: true }
    },
    open: () => ({ state: 'sealed', why: 'a published log has no keys' }),
    // Whether it was erased is in the whole of the log, which is too much to fetch for one record: `verify --addenda` says.
    erasure: async () => undefined,
    close: () => undefined,
  }
}

/**
 * The record in an entry, with its addenda.
 * @throws {FollowError} `FOLLOW_BROKEN` when the entry is no record
 */
export async function openRecord(
  entry: Uint8Array,
  { index, store }: { index: number; store: AddendumStore },
): Promise<OpenedRecord> {
  const { leaf, digests } = decode(entry, index)
  const addenda: OpenedAddendum[] = []
  for (const [ordinal, digest] of digests.entries()) {
    const named = leaf.addenda?.[ordinal]
    if (named === undefined) continue
    const about = { ...named, digest: encodeHex(digest) }
    addenda.push({ ...about, ...(await openAddendum({ index, ordinal, digest }, leaf, store)) })
  }
  return { index, leaf, addenda }
}

async function openAddendum(
  wanted: WantedAddendum,
  leaf: Leaf,
  store: AddendumStore,
): Promise<Pick<OpenedAddendum, 'state' | 'content' | 'erasure' | 'retention'>> {
  const found = await store.find(wanted)
  if (found === undefined) {
    const erasure = await store.erasure(wanted.index)
    return erasure === undefined ? { state: 'absent' } : { state: 'erased', erasure }
  }
  const { content, isSealed } = found
  if (!equalBytes(sha256(content), wanted.digest)) return { state: 'altered' }
  if (!isSealed) return { state: 'here', content }
  const opened = store.open({ leaf, ordinal: wanted.ordinal, found })
  switch (opened.state) {
    case 'open':
      return { state: 'here', content: opened.content }
    case 'erased':
      return { state: 'erased', erasure: opened.record }
    case 'expired':
      return { state: 'expired', retention: opened.record }
    case 'sealed':
      return { state: 'sealed' }
    default:
      return opened satisfies never
  }
}

/** The name of the actor, from the addendum `request`. */
export function actorName({ addenda }: OpenedRecord): string | undefined {
  const request = addendumJson(addenda.find(({ name }) => name === 'request'))
  if (typeof request !== 'object' || request === null || !('actor' in request)) return undefined
  const { actor } = request
  if (typeof actor !== 'object' || actor === null || !('name' in actor)) return undefined
  return typeof actor.name === 'string' && actor.name !== '' ? actor.name : undefined
}

/** The JSON in an addendum; nothing when it is not at hand or is no JSON (a body, for example). */
export function addendumJson(addendum: OpenedAddendum | undefined): unknown {
  if (addendum?.content === undefined) return undefined
  try {
    return JSON.parse(Buffer.from(addendum.content).toString('utf8')) as unknown
  } catch {
    // Bodies may be anything: then there is nothing to show in words.
    return undefined
  }
}

function decode(entry: Uint8Array, index: number): ReturnType<typeof decodeEntry> {
  try {
    return decodeEntry(entry)
  } catch (cause) {
    throw broken(`record ${index} is malformed: ${messageOf(cause)}`, cause)
  }
}
