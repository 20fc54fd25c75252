/**
 * The open intents of one log by record id, oldest first. Holds as many as its limits allow; those past them are in the index alone, and
 * counted. Lost, it is read from the index again.
 */
import type { Transaction } from '@countersign/record/transaction'

export interface WaitingLimits {
  /** Open intents in memory, at most. */
  readonly waitingMax: number
  /** UTF-16 units of their texts, at most. */
  readonly waitingLengthMax: number
}

export interface Waiting {
  /** Open intents that are in the index alone. */
  readonly spilled: number
  get(id: string): Transaction | undefined
  set(id: string, intent: Transaction): void
  delete(id: string): void
  /** One that was spilled is here again. */
  recall(intent: Transaction): void
  /** Changes some of them in their place. */
  replace(change: (intent: Transaction) => Transaction): void
  /** Lets the oldest go until the rest fits. All must be in the index before any is asked for again. */
  spill(): void
}

export function openWaiting({ waitingMax, waitingLengthMax }: WaitingLimits): Waiting {
  const intents = new Map<string, Transaction>()
  let spilled = 0
  let length = 0
  const remove = (id: string): void => {
    const intent = intents.get(id)
    if (intent === undefined) return
    intents.delete(id)
    length -= lengthOf(intent)
  }
  const set = (id: string, intent: Transaction): void => {
    remove(id)
    intents.set(id, intent)
    length += lengthOf(intent)
  }
  return {
    get spilled() {
      return spilled
    },
    get: (id) => intents.get(id),
    set,
    delete: remove,
    recall(intent) {
      if (intents.has(intent.id)) return
      set(intent.id, intent)
      spilled -= 1
    },
    replace(change) {
      for (const [id, intent] of intents) {
        const changed = change(intent)
        if (changed === intent) continue
        // The same key: its place in the order stays.
        intents.set(id, changed)
        length += lengthOf(changed) - lengthOf(intent)
      }
    },
    spill() {
      for (const id of intents.keys()) {
        if (intents.size <= waitingMax && length <= waitingLengthMax) return
        remove(id)
        spilled += 1
      }
    },
  }
}

/** UTF-16 units of all texts of a transaction. */
export function lengthOf(transaction: Transaction): number {
  let length = 0
  for (const value of Object.values(transaction)) {
    if (typeof value === 'string') length += value.length
    else if (Array.isArray(value)) length += lengthOfList(value)
  }
  return length
}

function lengthOfList(list: readonly unknown[]): number {
  let length = 0
  for (const each of list) if (typeof each === 'string') length += each.length
  return length
}
