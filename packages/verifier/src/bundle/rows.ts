/** The records of a checked bundle, read again as they are looked at: a large bundle is never in memory as a whole. */
import { decodeEntry } from '@countersign/record/decode'
import type { Leaf } from '@countersign/record/leaf'
import { addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'

import { readAddendum } from './addenda.ts'
import type { AddendaTools } from './addenda.ts'
import type { AddendumKey } from './addenda-keys.ts'
import { runsOf } from './manifest.ts'
import type { RecordFacts } from './record-facts.ts'

export interface RowAddendum {
  readonly name: string
  readonly bytes: number
  /** Hexadecimal. */
  readonly digest: string
  /** `absent`: it did not come along. `erased`: lawfully, says record `erasedBy`. `altered`: it is not what the record names. */
  readonly state: 'opened' | 'sealed' | 'erased' | 'absent' | 'altered'
  readonly erasedBy?: number
  /** When opened. */
  readonly content?: Uint8Array
}

/** A record that is in the signed tree; without `leaf`, one that could not be shown to be. */
export interface Row {
  readonly index: number
  readonly leaf?: Leaf
  readonly addenda: readonly RowAddendum[]
}

/** The entry of a record that is proven to be in the tree, or nothing. */
export type ProvenEntry = (index: number) => Promise<Uint8Array | undefined>

export interface RowTools extends AddendaTools {
  readonly facts: RecordFacts
  readonly keys: ReadonlyMap<string, AddendumKey>
  readonly proven: ProvenEntry
}

export class BundleRows {
  readonly #runs: readonly { readonly from: number; readonly to: number }[]
  readonly #tools: RowTools
  readonly count: number

  /** @param records leaf indexes, as the manifest spells them. */
  constructor(records: string, tools: RowTools) {
    this.#runs = runsOf(records)
    this.#tools = tools
    this.count = this.#runs.reduce((sum, { from, to }) => sum + to - from + 1, 0)
  }

  /** Rows `start` to `start + count`, fewer at the end. */
  async read(start: number, count: number): Promise<Row[]> {
    const rows: Row[] = []
    for (let at = start; at < Math.min(this.count, start + count); at++)
      rows.push(await this.#row(this.#indexAt(at)))
    return rows
  }

  async #row(index: number): Promise<Row> {
    const entry = await this.#tools.proven(index)
    if (entry === undefined) return { index, addenda: [] }
    const { leaf, digests } = decodeEntry(entry)
    const addenda: RowAddendum[] = []
    for (const [ordinal, digest] of digests.entries()) {
      const about = leaf.addenda?.[ordinal]
      if (about !== undefined) addenda.push(await this.#addendum(index, encodeHex(digest), about))
    }
    return { index, leaf, addenda }
  }

  async #addendum(
    index: number,
    digest: string,
    about: { name: string; bytes: number },
  ): Promise<RowAddendum> {
    const { files, facts, keys } = this.#tools
    const named = facts.named.get(digest)
    if (named === undefined || !files.has(addendumPath(digest))) {
      const erasure = facts.erased.covering(index)
      return erasure === undefined
        ? { ...about, digest, state: 'absent' }
        : { ...about, digest, state: 'erased', erasedBy: erasure.record }
    }
    const key = keys.get(digest)
    const content = await readAddendum(digest, { named, key }, this.#tools)
    if (content === undefined) return { ...about, digest, state: 'altered' }
    return key === undefined
      ? { ...about, digest, state: 'sealed' }
      : { ...about, digest, state: 'opened', content }
  }

  #indexAt(position: number): number {
    let left = position
    for (const { from, to } of this.#runs) {
      if (left <= to - from) return from + left
      left -= to - from + 1
    }
    return -1
  }
}
