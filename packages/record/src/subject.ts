/**
 * Subjects: under whose key the addenda of a record are sealed, and who can therefore be erased. A person or service is its random
 * pseudonym. Where nobody is known, all of one day share a pseudo-subject, so that they can be erased too.
 */

/** A pseudonym (32 hex digits), or a pseudo-subject such as `anonymous/2026-11-25`. At most 64 characters. */
export const SUBJECT_PATTERN: RegExp = /^(?:[0-9a-f]{32}|(?:anonymous|unknown)\/\d{4}-\d{2}-\d{2})$/

const DAY_NS = 86_400_000_000_000n
const DAY_MS = 86_400_000

/**
 * The subject of a record.
 * @param actorId as in the leaf: a pseudonym, `anonymous` or `unknown`.
 * @param occurredNs nanoseconds since the epoch; the day is in UTC.
 */
export function subjectOf(actorId: string, occurredNs: bigint): string {
  if (actorId !== 'anonymous' && actorId !== 'unknown') return actorId
  return `${actorId}/${new Date(Number(occurredNs / DAY_NS) * DAY_MS).toISOString().slice(0, 10)}`
}
