/** What one question may take. */
import type { QueryLimits } from '../engine.ts'

/** Unless whoever opens the answers says otherwise: one core is busy for so long, and holds so much, for a question at most. */
export const ANSWER_LIMITS: QueryLimits = {
  rowsMax: 10_000,
  timeMs: 10_000,
  memoryBytesMax: 1024 * 1024 * 1024,
}

/** Values that are proposed for a field. */
export const VALUES_MAX = 20
/** Somebody types meanwhile. */
export const VALUES_TIME_MS = 1000
/** Measures in one aggregate. */
export const MEASURES_MAX = 10
/** Fields that are grouped by. */
export const GROUP_FIELDS_MAX = 8
/** Rows, the newest first, of which values are proposed. */
export const VALUES_SCANNED_MAX = 100_000
