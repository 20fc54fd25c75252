/** Which addenda were erased lawfully: what tells them from those that are merely missing. */
import { parseLeafList } from './leaf-list.ts'
import type { Leaf } from './leaf.ts'

/** An erasure that covers a record: the index of the record that says so, and whose key was destroyed. */
export interface Erasure {
  readonly record: number
  readonly subject: string
}

interface Run extends Erasure {
  readonly from: number
  readonly to: number
}

/** Collects erasure records. Holds one run for each that their lists name. */
export class Erasures {
  #runs: Run[] = []
  #isSorted = true
  /** For each run, the one that reaches furthest of all up to and including it. */
  #furthest: Run[] = []

  /** Takes a record when it is an erasure, and leaves all others. @param index its own place in the log. */
  add(index: number, { lifecycle }: Pick<Leaf, 'lifecycle'>): void {
    if (lifecycle?.kind !== 'erasure') return
    for (const { from, to } of parseLeafList(lifecycle.leaves)) {
      // An erasure speaks of the past: otherwise one record could excuse whatever goes missing after it.
      if (to < index) this.#runs.push({ from, to, record: index, subject: lifecycle.subject })
    }
    this.#isSorted = false
  }

  /** The erasure that covers the addenda of a record, or nothing. */
  covering(index: number): Erasure | undefined {
    if (!this.#isSorted) this.#sort()
    const run = this.#furthest[this.#lastFrom(index)]
    return run === undefined || run.to < index
      ? undefined
      : { record: run.record, subject: run.subject }
  }

  #sort(): void {
    this.#runs = this.#runs.toSorted((a, b) => a.from - b.from || a.to - b.to)
    let furthest: Run | undefined
    this.#furthest = this.#runs.map((run) => {
      if (furthest === undefined || run.to > furthest.to) furthest = run
      return furthest
    })
    this.#isSorted = true
  }

  /** The last run that begins at or before an index. */
  #lastFrom(index: number): number {
    let [low, high] = [0, this.#runs.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#runs[middle]?.from ?? 0) <= index) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
