/** Reads entries by index, published or only durable. */
import { entryEnd } from './entries.ts'
import { LedgerError } from './errors.ts'
import { ENTRIES_BYTES_MAX } from './limits.ts'
import { skipEntries } from './sequencer.ts'
import type { TileStore } from './tile-store.ts'
import { readFrames } from './wal-reader.ts'
import type { Wal } from './wal.ts'

const WIDTH = 256

export interface RecordSources {
  readonly tiles: TileStore
  readonly wal: Wal
  readonly sizes: () => { readonly published: number; readonly durable: number }
}

/**
 * Up to `count` entries from `from` on, in bundle encoding; fewer at a boundary of files or past `ENTRIES_BYTES_MAX`, none
 * only at the end of the log or when `count` is 0.
 */
export async function readEntries(
  sources: RecordSources,
  from: number,
  count: number,
): Promise<Buffer> {
  for (;;) {
    const { published, durable } = sources.sizes()
    const to = Math.min(durable, from + count)
    if (to <= from) return Buffer.alloc(0)
    try {
      return from < published
        ? await fromBundle(sources.tiles, { from, to: Math.min(to, published), published })
        : await fromWal(sources.wal, { from, to })
    } catch (error) {
      // A publication in the meantime moved them from the write-ahead log to a bundle, or replaced the partial bundle.
      if (sources.sizes().published === published) throw error
    }
  }
}

interface Range {
  readonly from: number
  readonly to: number
}

async function fromBundle(
  tiles: TileStore,
  { from, to, published }: Range & { published: number },
): Promise<Buffer> {
  const index = Math.floor(from / WIDTH)
  const bundle = await tiles.readBundle(index, Math.min(WIDTH, published - index * WIDTH))
  const start = skipEntries(bundle, from % WIDTH)
  const count = Math.min(to, (index + 1) * WIDTH) - from
  return bundle.subarray(start, cut(bundle, start, count))
}

async function fromWal(wal: Wal, { from, to }: Range): Promise<Buffer> {
  const places = wal.placesFrom(from)
  for await (const { firstIndex, count, entries } of readFrames(places, { from, to })) {
    const start = skipEntries(entries, Math.max(0, from - firstIndex))
    const here = Math.min(to, firstIndex + count) - from
    return entries.subarray(start, cut(entries, start, here))
  }
  throw new LedgerError('LEDGER_RANGE', `could not find record ${from}`)
}

/** Where to stop: after `count` entries, or after the one that passes the limit of bytes. */
function cut(entries: Buffer, start: number, count: number): number {
  let at = start
  for (let n = 0; n < count && at - start < ENTRIES_BYTES_MAX; n++) at = entryEnd(entries, at)
  return at
}
