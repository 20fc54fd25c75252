/** The signer, with one system call that fails or in which it is killed; the ledger that asks it is whole. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runLedger } from '../../packages/gateway/src/ledger.ts'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
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

test('a signer at work', { skip, concurrency: true }, async (t) => {
  await runTrials(t, { name: 'signer at work', sample: 1, open: atWork })
})

test('a signer that starts', { skip, concurrency: true }, async (t) => {
  await runTrials(t, { name: 'signer at start', sample: 1, open: atStart })
})

async function atWork(): Promise<Stage> {
  const scene = await copyOf(template)
  const child = scene.start('signer')
  assert.ok(await child.ready)
  const { evidence, ledger } = await open(scene)
  await evidence.publish()
  return {
    dir: scene.dir,
    child,
    act: async () => work(evidence),
    end: async () => ledger.close(),
    hold: async () => evidence.hold(),
    [Symbol.asyncDispose]: async () => scene[Symbol.asyncDispose](),
  }
}

async function atStart(): Promise<Stage> {
  const scene = await copyOf(template)
  const child = await scene.startHeld('signer')
  const { evidence, ledger } = await open(scene)
  return {
    dir: scene.dir,
    child,
    act: async () => {
      await child.go()
      return (await child.ready) && (await work(evidence))
    },
    end: async () => ledger.close(),
    hold: async () => evidence.hold(),
    [Symbol.asyncDispose]: async () => scene[Symbol.asyncDispose](),
  }
}

/** The ledger in this process: only the signer is to be disturbed. */
async function open(
  scene: Scene,
): Promise<{ evidence: Evidence; ledger: { close(): Promise<void> } }> {
  const fatal = (error: Error): never => assert.fail(error)
  const ledger = scene.own(await runLedger({ ...scene.ledger, onFatal: fatal }))
  return { evidence: new Evidence(scene), ledger }
}

/** Signature after signature, each of a larger tree. */
async function work(evidence: Evidence): Promise<boolean> {
  let works = false
  for (let round = 0; round < 4; round++) {
    await evidence.append(makeDraft(), 'D1')
    works = await evidence.prove()
  }
  return works
}
