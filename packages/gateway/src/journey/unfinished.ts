/**
 * Finds the intents that a crash left without an outcome. It reads the log backwards to the last two
 * heartbeats (or the boot) of the session before, then forwards: the tail of a log, never the whole of it.
 */
import { decodeEntry } from '@countersign/record/decode'
import type { Leaf } from '@countersign/record/leaf'

/** The part of a ledger this needs. */
export interface TailReader {
  /** Entries from a 0-based index, at most `count`, also those not yet published. */
  entries(from: number, count: number): Promise<readonly Uint8Array[]>
}

type Component = 'gateway' | 'reader'

/** Only a reader writes records of reads, and it writes no others that have two phases. */
function writerOf(leaf: Leaf): Component {
  return leaf.class === 'read' ? 'reader' : 'gateway'
}

const chunk = 1024

/**
 * @param size the log's durable size.
 * @param component whose: a reader runs beside the gateway, and each closes what its own predecessor left.
 * @returns the intents without an outcome, oldest first.
 */
export async function unfinished(
  ledger: TailReader,
  size: number,
  component: Component = 'gateway',
): Promise<Leaf[]> {
  const start = await searchStart(ledger, size, component)
  const open = new Map<string, Leaf>()
  for (let from = start; from < size; from += chunk) {
    for (const leaf of await leaves(ledger, from, Math.min(chunk, size - from))) {
      if (leaf.phase === 'intent' && writerOf(leaf) === component) open.set(leaf.id, leaf)
      else if (leaf.phase === 'outcome') open.delete(leaf.id)
    }
  }
  return [...open.values()]
}

/**
 * A heartbeat is only built after the one before it was durable, and drafts keep their order. So an intent
 * that lies before the last heartbeat but one was acknowledged when the last was built: it is either ended,
 * or at or after that heartbeat's `open_from`. A boot stands behind all that it had to close.
 */
async function searchStart(
  ledger: TailReader,
  size: number,
  component: Component,
): Promise<number> {
  let openFrom = Number.POSITIVE_INFINITY
  let heartbeats = 0
  for (let to = size; to > 0; to -= chunk) {
    const from = Math.max(0, to - chunk)
    const read = await leaves(ledger, from, to - from)
    for (let at = read.length - 1; at >= 0; at -= 1) {
      const fact = read[at]?.lifecycle
      const index = from + at
      if (fact?.kind === 'boot' && fact.component === component) return Math.min(openFrom, index)
      if (fact?.kind !== 'heartbeat' || (fact.component ?? 'gateway') !== component) continue
      if (heartbeats === 1) return Math.min(openFrom, index)
      heartbeats = 1
      openFrom = fact.open_from ?? Number.POSITIVE_INFINITY
    }
  }
  return 0
}

async function leaves(ledger: TailReader, from: number, count: number): Promise<Leaf[]> {
  const read: Leaf[] = []
  while (read.length < count) {
    const entries = await ledger.entries(from + read.length, count - read.length)
    if (entries.length === 0)
      throw new Error(`could not read entry ${from + read.length}: the ledger answered none`)
    for (const entry of entries) read.push(decodeEntry(entry).leaf)
  }
  return read
}
