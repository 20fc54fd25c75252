/**
 * Holds addenda against the records that name them, and tells what was erased lawfully from what is missing. Addenda are no part of
 * the tree, so this is a check of its own, over a log that was verified.
 */
import { decodeEntry } from '@countersign/record/decode'
import { Erasures } from '@countersign/record/erasures'
import { RecordError } from '@countersign/record/errors'
import { Retentions } from '@countersign/record/retention'
import { addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'
import { decodeBundle } from '@countersign/tlog/bundle'
import { TlogError } from '@countersign/tlog/errors'
import { equalBytes, HASH_BYTES } from '@countersign/tlog/hash'
import type { Sha256 } from '@countersign/tlog/hash'
import { TILE_WIDTH, tileWidth } from '@countersign/tlog/tile'

import type { Findings } from './finding.ts'
import { readTile } from './source.ts'
import type { LogSource } from './source.ts'

/** An addendum that a record names; `ordinal` is its place in its record, from 0. */
export interface NamedAddendum {
  readonly entry: number
  readonly ordinal: number
  readonly digest: Uint8Array
}

/** An addendum that is there. */
export interface PresentAddendum {
  readonly entry: number
  readonly ordinal: number
  /** What the digest is of: of a sealed one, the ciphertext. */
  readonly content: Uint8Array
  /**
   * `open`: in the clear, or opened. `sealed`: its key is not at hand. `expired`: the key of its period was destroyed. `damaged`: what
   * lies beside its content is not as it was written.
   */
  readonly state: 'open' | 'sealed' | 'expired' | 'damaged'
  /** Only when `expired`: the day (UTC) up to which it was kept. */
  readonly period?: string
}

/** Where the addenda of a log are. */
export interface AddendaSource {
  /** Those that are there of the ones that the records of one bundle name. */
  readonly present: (
    bundle: number,
    named: readonly NamedAddendum[],
  ) => AsyncIterable<PresentAddendum>
  /** Where one should be, for a finding. */
  readonly pathOf: (named: NamedAddendum) => string
}

/** What was found of the addenda. */
export interface AddendaReport {
  /** Named by records. */
  readonly named: number
  /** There, and what their records name. */
  readonly present: number
  /** Of those: not opened, for want of keys. */
  readonly sealed: number
  /** Of those: covered by an erasure all the same, so their removal is not finished. */
  readonly left: number
  /** Gone, by the record that says so. */
  readonly erased: readonly { readonly record: number; readonly addenda: number }[]
  /** There, and opens no more since it was kept for as long as it had to be, by the record that says so. */
  readonly expired: readonly { readonly record: number; readonly addenda: number }[]
}

export interface AddendaTools {
  readonly source: LogSource
  readonly addenda: AddendaSource
  readonly sha256: Sha256
  readonly findings: Findings
  readonly onProgress?: ((done: number, size: number) => void) | undefined
}

/** Addenda as a published log serves them. Only sealed ones ever are. */
export function servedAddenda(source: LogSource): AddendaSource {
  const pathOf = ({ digest }: NamedAddendum): string => addendumPath(encodeHex(digest))
  return {
    pathOf,
    async *present(_bundle, named) {
      for (let first = 0; first < named.length; first += REQUESTS_AT_ONCE) {
        const some = named.slice(first, first + REQUESTS_AT_ONCE)
        const contents = await Promise.all(some.map(async (one) => source.read(pathOf(one))))
        for (const [at, { entry, ordinal }] of some.entries()) {
          const content = contents[at]
          if (content !== undefined) yield { entry, ordinal, content, state: 'sealed' }
        }
      }
    },
  }
}

const REQUESTS_AT_ONCE = 8

/** Checks the addenda of all records; adds `ADDENDUM_MISSING` and `ADDENDUM_ALTERED` to the findings. */
export async function verifyAddenda(size: number, tools: AddendaTools): Promise<AddendaReport> {
  const erasures = new Erasures()
  const retentions = new Retentions()
  // First, since what an erasure or a retention is about stands before it.
  await eachBundle(size, tools, (_bundle, entries) => {
    for (const [index, entry] of entries) addGone({ erasures, retentions }, index, entry)
  })
  const counts = { named: 0, present: 0, sealed: 0, left: 0 }
  const erased = new Map<number, number>()
  const expired = new Map<number, number>()
  await eachBundle(size, tools, async (bundle, entries) => {
    const named = entries.flatMap(([index, entry]) => namedBy(index, entry))
    counts.named += named.length
    const absent = new Map(named.map((one) => [placeOf(one), one]))
    if (named.length > 0) {
      for await (const found of tools.addenda.present(bundle, named)) {
        const wanted = absent.get(placeOf(found))
        if (wanted === undefined) continue
        absent.delete(placeOf(found))
        if (!isRight(found, wanted, tools)) continue
        counts.present += 1
        if (found.state === 'sealed') counts.sealed += 1
        if (erasures.covering(found.entry) !== undefined) counts.left += 1
        if (found.state === 'expired') countExpired(found, { expired, retentions }, tools)
      }
    }
    for (const missing of absent.values()) {
      const erasure = erasures.covering(missing.entry)
      if (erasure === undefined) addMissing(missing, tools)
      else countOne(erased, erasure.record)
    }
    tools.onProgress?.(Math.min(size, (bundle + 1) * TILE_WIDTH), size)
  })
  return { ...counts, erased: byRecord(erased), expired: byRecord(expired) }
}

function countOne(counted: Map<number, number>, record: number): void {
  counted.set(record, (counted.get(record) ?? 0) + 1)
}

function byRecord(counted: ReadonlyMap<number, number>): { record: number; addenda: number }[] {
  return [...counted]
    .toSorted(([a], [b]) => a - b)
    .map(([record, addenda]) => ({ record, addenda }))
}

/** A key may go only by a record: without one, somebody destroyed what was still to be kept. */
function countExpired(
  { entry, ordinal, period = '' }: PresentAddendum,
  { expired, retentions }: { expired: Map<number, number>; retentions: Retentions },
  { findings, addenda }: AddendaTools,
): void {
  const record = retentions.covering(period)
  if (record !== undefined) return countOne(expired, record)
  findings.add({
    code: 'ADDENDUM_MISSING',
    path: addenda.pathOf({ entry, ordinal, digest: new Uint8Array(HASH_BYTES) }),
    entry,
    message: `addendum ${ordinal} opens no more: the key of what is kept up to ${period} was destroyed, and no retention record says so`,
  })
}

function isRight(
  found: PresentAddendum,
  named: NamedAddendum,
  { sha256, findings, addenda }: AddendaTools,
): boolean {
  const isNamed = equalBytes(sha256(found.content), named.digest)
  if (isNamed && found.state !== 'damaged') return true
  findings.add({
    code: 'ADDENDUM_ALTERED',
    path: addenda.pathOf(named),
    entry: named.entry,
    message: isNamed
      ? `addendum ${named.ordinal} is the one that its record names, and what lies beside it was altered`
      : `addendum ${named.ordinal} is not the one that its record names`,
  })
  return false
}

function addMissing(named: NamedAddendum, { findings, addenda }: AddendaTools): void {
  findings.add({
    code: 'ADDENDUM_MISSING',
    path: addenda.pathOf(named),
    entry: named.entry,
    message: `addendum ${named.ordinal} is missing, and no erasure record covers it`,
  })
}

/** What every lifecycle record has in its bytes: looking for it costs a tenth of decoding. */
const MARK = new TextEncoder().encode('"lifecycle":{"kind":"')
const KINDS = ['erasure"', 'retention"'].map((kind) => new TextEncoder().encode(kind))

function addGone(
  { erasures, retentions }: { erasures: Erasures; retentions: Retentions },
  index: number,
  entry: Uint8Array,
): void {
  const marked = afterMark(entry)
  if (marked < 0 || !KINDS.some((kind) => startsWith(entry, marked, kind))) return
  const record = decoded(entry)
  if (record === undefined) return
  erasures.add(index, record.leaf)
  retentions.add(index, record.leaf)
}

/** Where the kind of a lifecycle record begins; -1 when it is none. */
function afterMark(bytes: Uint8Array): number {
  const [first = 0] = MARK
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (startsWith(bytes, at, MARK)) return at + MARK.length
  }
  return -1
}

function startsWith(bytes: Uint8Array, at: number, mark: Uint8Array): boolean {
  return equalBytes(bytes.subarray(at, at + mark.length), mark)
}

function namedBy(entry: number, bytes: Uint8Array): NamedAddendum[] {
  // The last byte counts them; most records of a busy log have some, and the rest need not be decoded.
  if (bytes.at(-1) === 0) return []
  const digests = decoded(bytes)?.digests ?? []
  return digests.map((digest, ordinal) => ({ entry, ordinal, digest }))
}

function placeOf({ entry, ordinal }: { entry: number; ordinal: number }): number {
  return (entry % TILE_WIDTH) * 256 + ordinal
}

/** A record that is malformed has its finding already. */
function decoded(entry: Uint8Array): ReturnType<typeof decodeEntry> | undefined {
  try {
    return decodeEntry(entry)
  } catch (error) {
    if (!(error instanceof RecordError)) throw error
    return undefined
  }
}

async function eachBundle(
  size: number,
  { source }: AddendaTools,
  visit: (bundle: number, entries: [index: number, entry: Uint8Array][]) => Promise<void> | void,
): Promise<void> {
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = tileWidth(size, 'entries', index)
    const bytes = await readTile(source, { level: 'entries', index, width })
    const entries = bytes === undefined ? [] : entriesOf(bytes)
    await visit(
      index,
      entries.slice(0, width).map((entry, at) => [index * TILE_WIDTH + at, entry]),
    )
  }
}

/** A bundle that is missing or unreadable has its finding already. */
function entriesOf(bundle: Uint8Array): Uint8Array[] {
  try {
    return decodeBundle(bundle)
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    return []
  }
}
