/** Clocks that step back: order and proofs do not hang on them. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connectLedger, runLedger } from '../../packages/gateway/src/ledger.ts'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { runSigner } from '../../packages/gateway/src/witness.ts'
import { Evidence } from './evidence.ts'
import { noteOutcome } from './outcomes.ts'
import { copyOf, makeTemplate } from './scene.ts'
import type { Scene } from './scene.ts'

const HOUR_NS = 3_600_000_000_000n
const library = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0]
let template: Scene

before(async () => {
  template = await makeTemplate()
})
after(async () => template[Symbol.asyncDispose]())

test('a clock that is passed in and steps back', async () => {
  await using scene = await copyOf(template)
  let backNs = 0n
  const clock = { ...systemClock, nowNs: () => systemClock.nowNs() - backNs }
  const signer = scene.own(await runSigner({ ...scene.signer, clock }))
  const ledger = scene.own(await runLedger({ ...scene.ledger, clock }))
  const evidence = new Evidence(scene)
  for (let step = 0; step < 4; step++) {
    assert.ok(await evidence.append(makeDraft(), 'D1'))
    assert.ok(await evidence.prove())
    assert.ok(await evidence.publish())
    backNs += HOUR_NS << BigInt(step * 3)
  }
  // A session that begins before the one that went before it.
  const other = await connectLedger({ socketPath: ledger.socketPath, clock })
  await other.append(makeDraft())
  await other.close()
  await ledger.close()
  await signer.close()
  await evidence.hold()
  noteOutcome('clock', 'passed in, back', 'carried on')
})

test(
  'the clock of real processes steps back',
  { skip: library === undefined && 'there is no libfaketime on this machine' },
  async () => {
    await using scene = await copyOf(template)
    const offset = join(scene.dir, 'offset')
    const env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    await writeFile(offset, '+0')
    const children = [scene.start('signer', env), scene.start('ledger', env)]
    for (const child of children) assert.ok(await child.ready)
    const evidence = new Evidence(scene)
    for (const step of ['+0', '-1h', '-30d', '+1d', '-10y']) {
      await writeFile(offset, step)
      assert.ok(await evidence.append(makeDraft(), 'D1'), step)
      assert.ok(await evidence.prove(), step)
      assert.ok(await evidence.publish(), step)
    }
    for (const child of children.toReversed()) {
      child.stop()
      const { code, stderr } = await child.exited
      assert.equal(code, 0, stderr)
    }
    await evidence.hold()
    noteOutcome('clock', 'of processes, back', 'carried on')
  },
)
