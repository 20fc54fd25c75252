/** Finds the points at which a process can fail, chooses among them, and tries them, some at a time. */
import type { TestContext } from 'node:test'
import { FAULTS, KINDS } from './strace.ts'
import type { Call, Fault, Point, Thread } from './strace.ts'
import { noteOutcome, notePossible } from './outcomes.ts'
import type { Outcome } from './outcomes.ts'

export interface Trial {
  readonly point: Point
  readonly fault: Fault
}

/** More than there are processors: a trial mostly waits, for strace to attach and for a process to give up. Its test says `concurrency`. */
const TRIALS_AT_ONCE = 4

/** Whether every point is wanted. */
export const wantsAll = process.argv.includes('--all')

/** The points among calls: those on files of the log and the signer, one for each thread, kind and number. */
export function pointsAmong(
  calls: readonly Call[],
  dir: string,
  threadOf: (thread: number) => Thread | undefined,
): Point[] {
  return calls
    .filter(({ line }) => line.includes(dir))
    .flatMap(({ thread: id, kind, nth }) => {
      const thread = threadOf(id)
      return thread === undefined ? [] : [{ thread, kind, nth }]
    })
}

/** Tries a sample of the points, or all of them. What `attempt` throws fails the test of its point, and names it. */
export async function tryPoints(
  t: TestContext,
  {
    process: name,
    points,
    sample,
    attempt,
  }: {
    process: string
    /** How many points of each thread, kind and fault are tried, unless all are wanted. */
    sample: number
    points: readonly Point[]
    attempt: (trial: Trial) => Promise<Outcome>
  },
): Promise<void> {
  const trials: Trial[] = []
  for (const fault of FAULTS) {
    for (const kind of KINDS) {
      const ofKind = points.filter((point) => point.kind === kind)
      notePossible(name, rowName(kind, fault), ofKind.length)
      for (const thread of ['main', 'pool'] as const) {
        const choice = ofKind.filter((point) => point.thread === thread)
        trials.push(...spread(choice, sample, fault).map((point) => ({ point, fault })))
      }
    }
  }
  const worker = async (): Promise<void> => {
    for (let trial = trials.shift(); trial !== undefined; trial = trials.shift()) {
      const { point, fault } = trial
      const { kind, nth, thread } = point
      await t.test(`${fault} in ${kind} ${nth} of the ${thread} thread`, async () => {
        noteOutcome(name, rowName(kind, fault), await attemptNear({ point, fault }, attempt))
      })
    }
  }
  await Promise.all(Array.from({ length: TRIALS_AT_ONCE }, worker))
}

/**
 * Numbers are not the same in each run: threads that wake each other write to a pipe, and sockets close. What is not met where
 * it was seen is looked for beside it.
 */
async function attemptNear(
  { point, fault }: Trial,
  attempt: (trial: Trial) => Promise<Outcome>,
): Promise<Outcome> {
  for (const aside of [0, 1, -1, 2, -2, 3, -3, 4]) {
    const nth = point.nth + aside
    const outcome = nth < 1 ? 'not met' : await attempt({ point: { ...point, nth }, fault })
    if (outcome !== 'not met') return outcome
  }
  return 'not met'
}

const rowName = (kind: string, fault: Fault): string => `${kind.padEnd(10)} ${fault}`

/** Some points, evenly; a single one is another for each fault. */
function spread(points: readonly Point[], sample: number, fault: Fault): Point[] {
  if (wantsAll || points.length <= sample) return [...points]
  const place = (FAULTS.indexOf(fault) + 1) / (FAULTS.length + 1)
  return Array.from({ length: sample }, (_, n) => {
    const at = Math.floor(((n + place) * points.length) / sample)
    return points[at]
  }).filter((point) => point !== undefined)
}
