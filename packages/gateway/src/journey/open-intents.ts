/**
 * The transactions whose intent is on record and whose outcome is not. Heartbeats carry the oldest leaf index
 * among them, so that the boot after a crash knows where to start looking. Lost with the process, which is its purpose.
 */
export interface OpenIntents {
  began(id: string, leafIndex: number): void
  ended(id: string): void
  /** The smallest leaf index of an open intent. */
  oldest(): number | undefined
  readonly count: number
}

export function openOpenIntents(): OpenIntents {
  // Leaf indexes are handed out in order, so the first key of the map is the oldest.
  const open = new Map<string, number>()
  return {
    began(id, leafIndex) {
      open.set(id, leafIndex)
    },
    ended(id) {
      open.delete(id)
    },
    oldest() {
      for (const leafIndex of open.values()) return leafIndex
      return undefined
    },
    get count() {
      return open.size
    },
  }
}
