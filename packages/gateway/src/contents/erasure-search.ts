/** Finds the erasure that covers a record. It reads the whole log once, and only when an addendum is not there. */
import { decodeEntry } from '@countersign/record/decode'
import { Erasures } from '@countersign/record/erasures'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { readBundle, readHead, readProven } from '../follow.ts'
import type { Head, PublishedLog } from '../follow.ts'

/** Erasures of one log. */
export interface ErasureSearch {
  /** The index of the record, proven to be in the log, that covers the addenda of `index`. */
  covering(index: number): Promise<number | undefined>
}

/** What every erasure has in its bytes: looking for it costs a tenth of decoding. */
const MARK = Buffer.from('"lifecycle":{"kind":"erasure"')

export function openErasures(log: PublishedLog): ErasureSearch {
  const erasures = new Erasures()
  let read = 0
  const readOn = async (head: Head): Promise<void> => {
    // From the last bundle again: it may have grown.
    const first = Math.floor(read / TILE_WIDTH)
    for (let bundle = first; bundle * TILE_WIDTH < head.size; bundle++) {
      for (const [at, entry] of (await readBundle(log, head, bundle)).entries()) {
        const index = bundle * TILE_WIDTH + at
        if (
          index >= read &&
          Buffer.from(entry.buffer, entry.byteOffset, entry.length).includes(MARK)
        )
          erasures.add(index, decodeEntry(entry).leaf)
      }
    }
    read = head.size
  }
  return {
    async covering(index) {
      const head = await readHead(log)
      if (head.size > read) await readOn(head)
      const found = erasures.covering(index)
      if (found === undefined) return undefined
      // The search itself proves nothing: what it found must be in the signed tree, and say what it says.
      const { entry } = await readProven(log, head, found.record)
      const proven = new Erasures()
      proven.add(found.record, decodeEntry(entry).leaf)
      return proven.covering(index)?.record
    },
  }
}
