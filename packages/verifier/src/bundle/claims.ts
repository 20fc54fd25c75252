/** What a bundle may claim to be complete in, what that means in words, and whether it is so. */
import type { Completeness } from './report.ts'
import type { Claim, Manifest } from './manifest.ts'
import { runsOf } from './manifest.ts'
import type { LeafRun } from '@countersign/record/leaf-list'
import type { RecordFacts, SessionFacts } from './record-facts.ts'

/** What each claim means, and where it ends: the same words in the bundle's guide, on the page and on a terminal. */
export const CLAIMS: Readonly<Record<Claim, string>> = {
  range:
    'Complete: every record between the first and the last is here, each at its own place in the signed tree; none can be left out unseen.',
  session:
    'Complete: every record of this session is here. Its records are numbered and each names the one before.',
  filtered:
    'Complete within its range: the whole range came along, and all records of this person in it were found again by the check. Records outside the range are not covered.',
  none: 'Not complete by itself: each record here is proven, but nothing here shows that there are no others. To have that proven, ask for the whole range they come from.',
}

/** Judges the claim of a manifest by the records that were found. `isSound`: nothing else was found wrong. */
export function judgeClaim(
  manifest: Manifest,
  facts: RecordFacts,
  { size, isSound }: { size: number; isSound: boolean },
): Completeness {
  const no = (why: string): Completeness => ({ proven: false, says: [why] })
  if (manifest.claim === 'none') return no(CLAIMS.none)
  if (!isSound) return no('Not judged: what is wrong comes first.')
  if (manifest.claim === 'range') return { proven: true, says: [CLAIMS.range] }
  if (manifest.claim === 'filtered') return { proven: true, says: [CLAIMS.filtered] }
  const session = facts.sessions.get(manifest.scope.subject ?? '')
  if (session === undefined) return no('Not complete: no record of this session is here.')
  return judgeSession(session, { manifest, size })
}

function judgeSession(
  session: SessionFacts,
  { manifest, size }: { manifest: Manifest; size: number },
): Completeness {
  const { firstSeq, lastSeq, ended, broken } = session
  if (firstSeq !== 0 || broken)
    return {
      proven: false,
      says: [
        `Not complete: the session is here from its record ${firstSeq} to ${lastSeq}${broken ? ', with a hole' : ''}, not from its first.`,
      ],
    }
  if (ended)
    return {
      proven: true,
      says: [
        CLAIMS.session,
        `It runs from its first record to its shutdown, ${lastSeq + 1} in all.`,
      ],
    }
  const reachesEnd = manifest.carried !== 'receipts' && manifest.carried.to === size - 1
  if (!reachesEnd)
    return {
      proven: false,
      says: [
        `Not complete: the session is here from its first record to its record ${lastSeq}, which is no shutdown, and the log goes on.`,
      ],
    }
  return {
    proven: true,
    says: [
      CLAIMS.session,
      `It has ${lastSeq + 1} records up to the end of the log as it was signed, and had not ended then, or ended in a crash.`,
    ],
  }
}

/** Why the records that a manifest says were asked for are not those that the check found, or nothing. */
export function claimProblem(manifest: Manifest, facts: RecordFacts): string | undefined {
  const runs = runsOf(manifest.records)
  if (manifest.claim === 'filtered') return personProblem(runs, facts.person)
  if (manifest.carried === 'receipts') return undefined
  const { from, to } = manifest.carried
  const outside = runs.find((run) => run.from < from || run.to > to)
  return outside === undefined
    ? undefined
    : `it lists the records ${outside.from} to ${outside.to}, and came with ${from} to ${to}`
}

function personProblem(runs: readonly LeafRun[], found: readonly number[]): string | undefined {
  let at = 0
  for (const { from, to } of runs)
    // Attacker-controlled: a run may be endless, but it ends at the first index that was not found.
    for (let index = from; index <= to; index++, at++)
      if (found[at] !== index) return `it lists record ${index}, which is not about the person`
  const missing = found[at]
  return missing === undefined
    ? undefined
    : `it does not list record ${missing}, which is about the person`
}
