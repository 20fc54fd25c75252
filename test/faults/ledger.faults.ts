/** The ledger, with one system call that fails or in which it is killed: while it works, and while it starts. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { runSigner } from '../../packages/gateway/src/witness.ts'
import { Evidence } from './evidence.ts'
import type { Outcome } from './outcomes.ts'
import { pointsAmong, tryPoints } from './points.ts'
import type { Trial } from './points.ts'
import { checkLastWords, copyOf, makeTemplate } from './scene.ts'
import type { Child, Scene } from './scene.ts'
import { attach, callsIn, metFault, straceOptions, threadsOf, whyNoStrace } from './strace.ts'
import type { Point } from './strace.ts'

const skip = whyNoStrace() ?? false
let template: Scene

before(async () => {
  template = await makeTemplate()
})
after(async () => template[Symbol.asyncDispose]())

test('a ledger at work', { skip }, async (t) => {
  await tryPoints(t, {
    process: 'ledger at work',
    points: await pointsAtWork(),
    attempt: failAtWork,
  })
})

test('a ledger that starts', { skip }, async (t) => {
  await tryPoints(t, {
    process: 'ledger at start',
    points: await pointsAtStart(),
    attempt: failAtStart,
  })
})

/** Groups that roll to the next segment and cross 256 records, signatures, receipts, publications. */
async function work(evidence: Evidence): Promise<boolean> {
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 3; n++)
      await evidence.append(makeDraft({ content: Buffer.alloc(12_000, n) }))
    await evidence.append(makeDraft(), 'D1')
    await evidence.prove()
    await evidence.publish()
  }
  // What failed once has been tried again by now.
  return await evidence.publish()
}

async function pointsAtWork(): Promise<Point[]> {
  await using scene = await copyOf(template)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const child = scene.start('ledger')
  assert.ok(await child.ready)
  await evidence.publish()
  const threads = threadsOf(child.process)
  const log = join(scene.dir, 'strace')
  const strace = await attach([threads.main, threads.pool], straceOptions(log, 'none'))
  assert.ok(await work(evidence), 'it works without a fault')
  child.stop()
  assert.equal((await child.exited).code, 0)
  await strace.done
  await signer.close()
  await evidence.hold()
  const threadOf = (id: number) => (id === threads.main ? 'main' : 'pool')
  return pointsAmong(callsIn(log), scene.dir, threadOf)
}

async function failAtWork({ point, fault }: Trial): Promise<Outcome> {
  await using scene = await copyOf(template)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const child = scene.start('ledger')
  assert.ok(await child.ready)
  await evidence.publish()
  const log = join(scene.dir, 'strace')
  const thread = threadsOf(child.process)[point.thread]
  const strace = await attach([thread], straceOptions(log, { ...point, fault }))
  const works = await work(evidence)
  child.stop()
  const outcome = await judge(scene, { child, log, works })
  await strace.done
  await signer.close()
  await evidence.hold()
  return outcome
}

async function pointsAtStart(): Promise<Point[]> {
  await using scene = await copyOf(template)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const log = join(scene.dir, 'strace')
  const child = scene.start('ledger', underStrace(straceOptions(log, 'none')))
  assert.ok(await child.ready)
  assert.ok(await evidence.publish())
  child.stop()
  assert.equal((await child.exited).code, 0)
  await signer.close()
  await evidence.hold()
  const calls = callsIn(log)
  const main = calls[0]?.thread
  // A number counts in both threads: a call that fails in one may fail in the other, too.
  return pointsAmong(calls, scene.dir, (id) => (id === main ? 'main' : 'pool'))
}

async function failAtStart({ point, fault }: Trial): Promise<Outcome> {
  await using scene = await copyOf(template)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const log = join(scene.dir, 'strace')
  const child = scene.start('ledger', underStrace(straceOptions(log, { ...point, fault })))
  let works = false
  if (await child.ready) {
    await evidence.publish()
    await evidence.append(makeDraft({ content: Buffer.alloc(12_000) }))
    // What fails once is tried again.
    works = (await evidence.publish()) || (await evidence.publish())
    child.stop()
  }
  const outcome = await judge(scene, { child, log, works })
  await signer.close()
  await evidence.hold()
  return outcome
}

function underStrace(options: readonly string[]): string[] {
  return ['strace', '-f', '--seccomp-bpf', '-qq', ...options]
}

async function judge(
  scene: Scene,
  { child, log, works }: { child: Child; log: string; works: boolean },
): Promise<Outcome> {
  const end = await child.exited
  const met = metFault(log)
  if (met === undefined || !met.includes(scene.dir)) return 'not met'
  if (end.code === null) {
    assert.equal(end.stderr.includes('killed by the test'), false, `${end.stderr}\n${met}`)
    return 'killed'
  }
  if (end.code === 0) {
    assert.ok(works, `it neither works nor stopped: ${end.stderr}\n${met}`)
    return 'carried on'
  }
  try {
    checkLastWords(end, scene.dir)
  } catch (error) {
    throw new Error(`after ${met}`, { cause: error })
  }
  return 'stopped, said why'
}
