/**
 * One bit that changed, in each kind of file. Either somebody says so (recovery, the check, the signer, the witness), or it makes no
 * difference, and then that is shown: the same root is believed, or the file was made whole again.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { parseNote } from '@countersign/tlog/note'
import { checkLedger, LedgerError } from '../../packages/gateway/src/ledger.ts'
import { checkIdentity } from '../../packages/gateway/src/ledger/create.ts'
import { layoutOf } from '../../packages/gateway/src/ledger/layout.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { makeKey, runWitness } from '../../packages/gateway/src/witness.ts'
import { SignerState } from '../../packages/gateway/src/witness/signer-state.ts'
import { makeOrigin, post } from '../../packages/gateway/src/witness/testing/setup.ts'
import { WitnessState } from '../../packages/gateway/src/witness/witness-state.ts'
import { noteOutcome, notePossible } from './outcomes.ts'
import type { Outcome } from './outcomes.ts'
import { wantsAll } from './points.ts'
import { makeTemplate, ORIGIN } from './scene.ts'
import type { Scene } from './scene.ts'

/** Bits of one file that are tried: a sample, or at most so many. */
const BITS = wantsAll ? 20_000 : 80
let scene: Scene

before(async () => {
  scene = await makeTemplate()
})
after(async () => scene[Symbol.asyncDispose]())

/** Changes bits of a file, one at a time, each one back before the next. */
async function flipBits(
  path: string,
  kind: string,
  judge: (whole: Buffer) => Outcome | Promise<Outcome>,
): Promise<void> {
  const whole = readFileSync(path)
  const bits = whole.length * 8
  notePossible('a bit changed', kind, bits)
  for (let n = 0; n < Math.min(BITS, bits); n++) {
    // Spread over the whole file, and over the bits of a byte.
    const bit = Math.min(bits - 1, Math.floor((n * bits) / Math.min(BITS, bits)) + (n % 8))
    const changed = Buffer.from(whole)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    writeFileSync(path, changed)
    try {
      noteOutcome('a bit changed', kind, await judge(whole))
    } catch (error) {
      throw new Error(`bit ${bit} of ${path}`, { cause: error })
    } finally {
      writeFileSync(path, whole)
    }
  }
}

/** Whether re-hashing everything finds it, and names the file; or the one that contradicts it. */
async function check(...names: readonly string[]): Promise<Outcome> {
  try {
    await checkIdentity(layoutOf(scene.dataDir), ORIGIN)
    await checkLedger(scene.dataDir, { vkey: scene.ledger.logVkey ?? '' })
  } catch (error) {
    assert.ok(error instanceof LedgerError || error instanceof SyntaxError, String(error))
    const isNamed = names.some((name) => String(error).includes(name))
    assert.ok(
      error instanceof SyntaxError || isNamed,
      `${String(error)} names none of ${names.join()}`,
    )
    return 'found'
  }
  return 'harmless'
}

const PUBLIC_FILES = [
  ['entry bundle', 'log/tile/entries/000.p/248'],
  ['tile', 'log/tile/0/000.p/248'],
  ['tile of before', 'log/tile/0/000.p/247'],
  ['segment', 'wal/0000000000000002.wal'],
  ['spare segment', 'wal/0000000000000003.wal'],
  ['identity', 'ledger.json'],
] as const

for (const [kind, file] of PUBLIC_FILES) {
  test(`every bit of ${kind} counts`, async () => {
    const path = join(scene.dataDir, file)
    await flipBits(path, kind, async () => {
      // What a bundle should hold, only the root says: `verify` compares it with the tiles, and names it.
      const outcome = await check(path, join(scene.dataDir, 'log/checkpoint'))
      assert.equal(outcome, 'found')
      return outcome
    })
  })
}

test('every bit of a pack counts', async () => {
  // The record is named, and its folder: nothing in a pack says more.
  await flipBits(join(scene.dataDir, 'addenda', '000.pack'), 'pack', async () => {
    const outcome = await check('addenda')
    assert.equal(outcome, 'found')
    return outcome
  })
})

test('a bit of the checkpoint is found, or is in a signature that nobody needed', async () => {
  const path = join(scene.dataDir, 'log/checkpoint')
  await flipBits(path, 'checkpoint', async (whole): Promise<Outcome> => {
    const outcome = await check(path)
    if (outcome === 'found') return outcome
    const [believed, now] = [whole.toString(), readFileSync(path, 'utf8')].map((note) =>
      parseCheckpoint(parseNote(note).text),
    )
    assert.deepEqual(now, believed, 'another tree is believed')
    return 'harmless'
  })
})

test('a bit of the state of the signer is made good from its other slot', async () => {
  const path = join(scene.stateDir, 'signer-state')
  const signed = remembered()
  await flipBits(path, 'signer state', (whole): Outcome => {
    assert.deepEqual(remembered(), signed)
    assert.ok(readFileSync(path).equals(whole), 'it was not made whole again')
    return 'harmless'
  })
})

function remembered(): SignerState['signed'] {
  const state = SignerState.open({ stateDir: scene.stateDir, origin: ORIGIN })
  const { signed } = state
  state.close()
  return signed
}

test('a bit of the state of a witness is made good from its other slot', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bytes-'))
  try {
    const statePath = join(folder, 'state')
    const log = makeOrigin('log.example.com/bytes')
    const name = 'witness.example/bytes'
    const witness = await runWitness({
      keys: makeKey(name, 4).skey,
      statePath,
      create: true,
      logs: [log.vkeys],
      listening: { address: '127.0.0.1:0' },
      clock: systemClock,
    })
    assert.equal((await post(witness.url ?? '', await log.request(0, 10))).status, 200)
    const cosigned = witness.checkpoint(log.origin)
    await witness.close()
    await flipBits(statePath, 'witness state', async (whole): Promise<Outcome> => {
      const state = await WitnessState.open(statePath, { name, origins: [log.origin] })
      assert.equal(state.cosigned(log.origin)?.checkpoint, cosigned)
      state.close()
      assert.ok(readFileSync(statePath).equals(whole), 'it was not made whole again')
      return 'harmless'
    })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('locks hold no bits', () => {
  const locks = [join(scene.dataDir, 'run', 'ledger.lock'), join(scene.stateDir, 'signer.lock')]
  for (const lock of locks) assert.equal(readFileSync(lock).length, 0)
  assert.deepEqual(readdirSync(join(scene.dataDir, 'run', 'tmp')), [])
})
