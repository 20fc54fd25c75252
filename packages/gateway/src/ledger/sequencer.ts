/**
 * Gives each record its place, and makes it durable: the commit path. What it says is durable has been synced; what was not
 * synced when the process ends was never acknowledged.
 */
import { entryEnd } from './entries.ts'
import type { Sections } from './entries.ts'
import { LedgerError } from './errors.ts'
import { frameBytes, putFrameEnd, putFrameHeader } from './frame.ts'
import { UNPUBLISHED_BYTES_MAX, UNPUBLISHED_MAX } from './limits.ts'
import type { Recovered } from './recovery.ts'
import type { Tree } from './tree.ts'
import type { Wal } from './wal.ts'

/** Draft sections of one message, and who waits for them. */
export interface Group extends Sections {
  /** Told of the index of the first record once all of the group are durable. */
  readonly committed: (firstIndex: number) => void
}

/** What is durable: `root` is that of the first `size` records. */
export interface Durable {
  readonly size: number
  readonly root: Uint8Array
}

export interface SequencerLimits {
  readonly batchBytesMax: number
  readonly unpublishedMax?: number | undefined
  readonly unpublishedBytesMax?: number | undefined
}

export class Sequencer {
  readonly tree: Tree
  readonly wal: Wal
  readonly #limits: Required<{ [K in keyof SequencerLimits]: number }>
  #durable: Durable
  #buffer: Buffer = Buffer.alloc(0)

  constructor({ tree, wal }: Pick<Recovered, 'tree' | 'wal'>, limits: SequencerLimits) {
    this.tree = tree
    this.wal = wal
    this.#limits = {
      batchBytesMax: limits.batchBytesMax,
      unpublishedMax: limits.unpublishedMax ?? UNPUBLISHED_MAX,
      unpublishedBytesMax: limits.unpublishedBytesMax ?? UNPUBLISHED_BYTES_MAX,
    }
    this.#durable = { size: tree.size, root: tree.root() }
  }

  get durable(): Durable {
    return this.#durable
  }

  /** Why no more records are taken now: too much waits for publication. Undefined when there is room. */
  fullness(publishedSize: number): string | undefined {
    const { unpublishedMax, unpublishedBytesMax } = this.#limits
    const waiting = this.#durable.size - publishedSize
    if (waiting >= unpublishedMax)
      return `${waiting} records wait for publication, and ${unpublishedMax} may`
    const bytes = this.wal.bytes
    if (bytes > unpublishedBytesMax)
      return `${bytes} bytes wait for publication, and ${unpublishedBytesMax} may`
    return undefined
  }

  /**
   * Commits groups in order, in as few frames as their limit allows; each frame is synced before the next is begun, so only
   * the last one can ever be torn.
   * @throws {LedgerError} `LEDGER_IO`: fatal.
   */
  commit(groups: readonly Group[]): void {
    for (let from = 0; from < groups.length;) {
      const to = this.#frameEnd(groups, from)
      this.#commitFrame(groups.slice(from, to))
      from = to
    }
  }

  #frameEnd(groups: readonly Group[], from: number): number {
    let bytes = 0
    let to = from
    for (const group of groups.slice(from)) {
      bytes += group.entries.length + group.addenda.length
      if (to > from && bytes > this.#limits.batchBytesMax) break
      to += 1
    }
    return to
  }

  #commitFrame(groups: readonly Group[]): void {
    const firstIndex = this.tree.size
    const { frame, root } = this.#assemble(groups, firstIndex)
    // A crash before the sync inside loses nothing that was acknowledged; after it, recovery finds the whole frame.
    this.wal.commit(frame, firstIndex)
    this.#durable = { size: this.tree.size, root }
    let index = firstIndex
    for (const group of groups) {
      group.committed(index)
      index += group.count
    }
  }

  /** Appends the groups to the tree, and returns their frame and the root after them. Sections are copied once, and never parsed again. */
  #assemble(groups: readonly Group[], firstIndex: number): { frame: Buffer; root: Uint8Array } {
    let [count, entriesBytes, addendaBytes] = [0, 0, 0]
    for (const group of groups) {
      count += group.count
      entriesBytes += group.entries.length
      addendaBytes += group.addenda.length
    }
    const bytes = frameBytes(entriesBytes, addendaBytes)
    const marker = this.wal.markerFor(bytes)
    if (this.#buffer.length < bytes) this.#buffer = Buffer.allocUnsafeSlow(bytes * 2)
    const frame = this.#buffer.subarray(0, bytes)
    let at = putFrameHeader(frame, { marker, firstIndex, count, entriesBytes, addendaBytes })
    for (const group of groups) {
      group.entries.copy(frame, at)
      this.tree.apply(group.entries)
      at += group.entries.length
    }
    for (const group of groups) at += group.addenda.copy(frame, at)
    const root = this.tree.root()
    putFrameEnd(frame, at, root)
    return { frame, root }
  }
}

/** Where, within a section, the entry number `count` starts. @throws {LedgerError} `LEDGER_CORRUPT` past its end. */
export function skipEntries(entries: Buffer, count: number, from = 0): number {
  let at = from
  for (let n = 0; n < count; n++) at = entryEnd(entries, at)
  if (at > entries.length)
    throw new LedgerError(
      'LEDGER_CORRUPT',
      'could not read a frame: it holds fewer entries than it says',
    )
  return at
}
