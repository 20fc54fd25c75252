/** The ledger, with one system call that fails or in which it is killed: while it works, and while it starts. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { runSigner } from '../../packages/gateway/src/witness.ts'
import { Evidence } from './evidence.ts'
import { copyOf, makeTemplate } from './scene.ts'
import type { Scene } from './scene.ts'
import { whyNoStrace } from './strace.ts'
import { runTrials } from './trials.ts'
import type { Stage } from './trials.ts'

const skip = whyNoStrace() ?? false
let template: Scene

before(async () => {
  if (skip === false) template = await makeTemplate()
})
after(async () => template?.[Symbol.asyncDispose]())

test('a ledger at work', { skip, concurrency: true }, async (t) => {
  await runTrials(t, { name: 'ledger at work', sample: 2, open: atWork })
})

test('a ledger that starts', { skip, concurrency: true }, async (t) => {
  await runTrials(t, { name: 'ledger at start', sample: 1, open: atStart })
})

async function atWork(): Promise<Stage> {
  const scene = await copyOf(template)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const child = scene.start('ledger')
  assert.ok(await child.ready)
  // What it does first is over; from here on it does what it is asked.
  await evidence.publish()
  return {
    dir: scene.dir,
    child,
    act: async () => work(evidence),
    end: async () => signer.close(),
    hold: async () => evidence.hold(),
    [Symbol.asyncDispose]: async () => scene[Symbol.asyncDispose](),
  }
}

async function atStart(): Promise<Stage> {
  const scene = await copyOf(template)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const child = await scene.startHeld('ledger')
  return {
    dir: scene.dir,
    child,
    act: async () => {
      await child.go()
      return (await child.ready) && (await begin(evidence))
    },
    end: async () => signer.close(),
    hold: async () => evidence.hold(),
    [Symbol.asyncDispose]: async () => scene[Symbol.asyncDispose](),
  }
}

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

async function begin(evidence: Evidence): Promise<boolean> {
  await evidence.publish()
  await evidence.append(makeDraft({ content: Buffer.alloc(12_000) }))
  return (await evidence.publish()) || (await evidence.publish())
}
