/** Requests to the API that ended, by how: what the heartbeats of a reader count. */
import type { Summary } from '../journey.ts'

export interface Counts {
  finished(summary: Summary): void
  malformed(): void
  totals(): Readonly<Record<string, number>>
}

export function openCounts(): Counts {
  const totals = { requests: 0, denied: 0, errors: 0, malformed: 0 }
  return {
    finished({ failure, held }) {
      const outcome = failure ?? held?.observed.outcome ?? 'error'
      totals.requests += 1
      if (outcome === 'denied') totals.denied += 1
      if (outcome === 'error' || failure !== undefined) totals.errors += 1
    },
    malformed() {
      totals.malformed += 1
    },
    totals: () => ({ ...totals }),
  }
}
