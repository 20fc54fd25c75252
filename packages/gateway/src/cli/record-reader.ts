/**
 * Opens the addenda that a record names, where they are at hand. Trusted only after hashing: each piece is compared with the
 * digest in its leaf.
 */
import { decodeEntry } from '@countersign/record/decode'
import type { Leaf } from '@countersign/record/leaf'
import { encodeHex } from '@countersign/tlog/base64'
import { equalBytes } from '@countersign/tlog/hash'
import { addendumPath } from '@countersign/tlog/addenda'
import { sha256 } from '../platform.ts'
import { messageOf } from './errors.ts'
import { broken } from '../follow.ts'
import type { LogSource } from '../follow.ts'

/** One addendum of a record. */
export interface OpenedAddendum {
  readonly name: string
  readonly bytes: number
  /** SHA-256, hex, as the leaf has it. */
  readonly digest: string
  /** `absent`: not at hand, elsewhere or erased. `altered`: what is at hand is not what the leaf names. */
  readonly state: 'here' | 'absent' | 'altered'
  /** Only when `here`. */
  readonly content?: Uint8Array
}

export interface OpenedRecord {
  readonly index: number
  readonly leaf: Leaf
  readonly addenda: readonly OpenedAddendum[]
}

/** Finds an addendum, or not: `ordinal` is its place in its record, from 0. */
export type AddendumStore = (wanted: {
  index: number
  ordinal: number
  digest: Uint8Array
}) => Promise<Uint8Array | undefined>

/** Addenda as a published log may serve them. */
export function publishedAddenda(source: LogSource): AddendumStore {
  return ({ digest }) => source.read(addendumPath(encodeHex(digest)))
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
    const content = await store({ index, ordinal, digest })
    const about = { ...named, digest: encodeHex(digest) }
    if (content === undefined) addenda.push({ ...about, state: 'absent' })
    else if (equalBytes(sha256(content), digest)) addenda.push({ ...about, state: 'here', content })
    else addenda.push({ ...about, state: 'altered' })
  }
  return { index, leaf, addenda }
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
