/** The state of a witness against torn writes, damage and swapped files: nothing that was cosigned is ever forgotten in silence. */
import { equal, match, rejects } from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { STATE_SLOT_BYTES } from './limits.ts'
import { makeOrigin, post, startWitness } from './testing/setup.ts'
import type { TestOrigin, TestWitness } from './testing/setup.ts'
import { WitnessState } from './witness-state.ts'

const ORIGIN = 'log.example.com/test'
/** Odd, so that all places in a word are met; the slots themselves are cut at every byte in slots.test.ts. */
const STRIDE_BYTES = 311

async function cosigned(
  sizes: readonly number[],
): Promise<{ log: TestOrigin; witness: TestWitness }> {
  const log = makeOrigin(ORIGIN)
  const witness = await startWitness({ logs: [log.vkeys] })
  for (const [at, size] of sizes.entries())
    equal((await post(witness.url, await log.request(sizes[at - 1] ?? 0, size))).status, 200)
  return { log, witness }
}

/** The size that a witness would go on from. */
async function sizeIn(path: string): Promise<bigint | undefined> {
  const state = await WitnessState.open(path, { name: 'witness.example/w1', origins: [ORIGIN] })
  state.close()
  return state.cosigned(ORIGIN)?.size
}

test('a save that is torn at any place leaves what was cosigned before, or what was about to be', async () => {
  const { log, witness } = await cosigned([3])
  await using _ = witness
  const before = await readFile(witness.statePath)
  equal((await post(witness.url, await log.request(3, 900))).status, 200)
  await witness.running.close()
  const after = await readFile(witness.statePath)
  const start = 2 * STATE_SLOT_BYTES
  for (let at = start; at <= after.length; at += STRIDE_BYTES) {
    await writeFile(witness.statePath, Buffer.concat([after.subarray(0, at), before.subarray(at)]))
    const size = await sizeIn(witness.statePath)
    const isWhole = at - start >= STATE_SLOT_BYTES
    equal(size === 900n || (size === 3n && !isWhole), true, `torn at byte ${at}: ${size}`)
  }
})

test('one damaged place anywhere costs nothing of what was cosigned', async () => {
  const { witness } = await cosigned([3, 900])
  await using _ = witness
  await witness.running.close()
  const whole = await readFile(witness.statePath)
  for (let at = 0; at < whole.length; at += STRIDE_BYTES) {
    const damaged = Buffer.from(whole)
    damaged[at] = (damaged[at] ?? 0) ^ 0x10
    await writeFile(witness.statePath, damaged)
    equal(await sizeIn(witness.statePath), 900n, `damaged at byte ${at}`)
  }
})

test('a state of which a record is gone is refused, never taken for a new one', async () => {
  const { witness } = await cosigned([3])
  await using _ = witness
  await witness.running.close()
  const whole = await readFile(witness.statePath)
  const hint = /keep the file, and start over with a new key/
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /its first record cannot be read/],
    [whole.subarray(0, 2 * STATE_SLOT_BYTES), /it should hold 1 logs, and has 0; its end cannot/],
    [Buffer.from(whole).fill(0, 2 * STATE_SLOT_BYTES), /the record of log 1 cannot be read/],
    [Buffer.from(whole).fill(0, 0, 2 * STATE_SLOT_BYTES), /its first record cannot be read/],
  ]
  for (const [bytes, message] of cases) {
    await writeFile(witness.statePath, bytes)
    await rejects(sizeIn(witness.statePath), (error: Error & { code: string; hint: string }) => {
      equal(error.code, 'WITNESS_STATE')
      match(error.message, message)
      match(error.hint, hint)
      return true
    })
  }
})
