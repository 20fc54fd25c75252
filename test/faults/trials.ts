/** One run of a process with one fault in it, and what must be true afterwards. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Outcome } from './outcomes.ts'
import { pointsAmong, tryPoints } from './points.ts'
import type { Trial } from './points.ts'
import { checkLastWords, KILLED_BY_TEST } from './processes.ts'
import type { Child } from './processes.ts'
import { attach, callsIn, metFault, straceOptions, threadsOf } from './strace.ts'
import type { Point } from './strace.ts'

/** A process, and the world around it. */
export interface Stage extends AsyncDisposable {
  /** Everything that the process reads and writes is below it. */
  readonly dir: string
  readonly child: Child
  /** What it does from now on, under strace. Resolves with whether it works at the end. */
  act(): Promise<boolean>
  /** Ends what the process worked with, once it has ended. */
  end(): Promise<void>
  /** Starts everything cleanly on what is on disk, and holds it against all that was ever answered. */
  hold(): Promise<void>
}

export interface Trials {
  /** For the table: which process, doing what. */
  readonly name: string
  /** How many points of each thread, kind and fault are tried, unless all are wanted. */
  readonly sample: number
  readonly open: () => Promise<Stage>
}

/** Counts the calls of an undisturbed run, and then fails them, one run each. */
export async function runTrials(t: TestContext, { name, sample, open }: Trials): Promise<void> {
  const points = await withStage(open, pointsOf)
  await tryPoints(t, {
    process: name,
    points,
    sample,
    attempt: async (trial) => withStage(open, async (stage) => fail(stage, trial)),
  })
}

async function withStage<T>(open: Trials['open'], use: (stage: Stage) => Promise<T>): Promise<T> {
  await using stage = await open()
  try {
    return await use(stage)
  } finally {
    stage.child.process.kill('SIGKILL')
  }
}

async function pointsOf(stage: Stage): Promise<Point[]> {
  const { child, dir } = stage
  const threads = threadsOf(child.process)
  const log = join(dir, 'strace')
  const strace = await attach([threads.main, threads.pool], straceOptions(log, 'none'))
  assert.ok(await stage.act(), 'it works without a fault')
  child.stop()
  const { code, stderr } = await child.exited
  assert.equal(code, 0, stderr)
  await strace.done
  await stage.end()
  await stage.hold()
  return pointsAmong(callsIn(log), dir, (id) => (id === threads.main ? 'main' : 'pool'))
}

async function fail(stage: Stage, { point, fault }: Trial): Promise<Outcome> {
  const { child, dir } = stage
  const log = join(dir, 'strace')
  const thread = threadsOf(child.process)[point.thread]
  const strace = await attach([thread], straceOptions(log, { ...point, fault }))
  const works = await stage.act()
  child.stop()
  const outcome = await judge(stage, { log, works })
  await strace.done
  await stage.end()
  await stage.hold()
  return outcome
}

async function judge(
  { child, dir }: Stage,
  { log, works }: { log: string; works: boolean },
): Promise<Outcome> {
  const end = await child.exited
  const met = metFault(log)
  assert.ok(!end.stderr.includes(KILLED_BY_TEST), `${end.stderr}\n${met}`)
  if (met === undefined || !met.includes(dir)) return 'not met'
  if (end.code === null) return 'killed'
  if (end.code === 0) {
    assert.ok(works, `it neither works nor stopped: ${end.stderr}\n${met}`)
    return 'carried on'
  }
  checkLastWords(end, { dir, met })
  return 'stopped, said why'
}
