/** A witness, with one system call that fails or in which it is killed; the log that asks it is whole, and tries a fork. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { runWitness } from '../../packages/gateway/src/witness.ts'
import { makeOrigin, makeTree, post } from '../../packages/gateway/src/witness/testing/setup.ts'
import { program } from '../journeys/rig.ts'
import { startCommand, startHeld } from './processes.ts'
import type { Child } from './processes.ts'
import { whyNoStrace } from './strace.ts'
import { runTrials } from './trials.ts'
import type { Stage } from './trials.ts'

const skip = whyNoStrace() ?? false
const log = makeOrigin('log.example.com/witnessed')
/** Where the other history leaves the one that is cosigned first. */
const FORK_AT = 50
const FIRST_SIZE = 100
const ROUNDS = 4

test('a witness at work', { skip, concurrency: true }, async (t) => {
  await runTrials(t, { name: 'witness at work', sample: 1, open: async () => makeStage(false) })
})

test('a witness that starts', { skip, concurrency: true }, async (t) => {
  await runTrials(t, { name: 'witness at start', sample: 1, open: async () => makeStage(true) })
})

async function makeStage(held: boolean): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-fault-'))
  const key = join(dir, 'w1.skey')
  const logFile = join(dir, 'log.vkey')
  const statePath = join(dir, 'w1.state')
  await writeFile(logFile, log.vkeys)
  const keygen = [program, 'witness', 'keygen', '--name', 'witness.example/w1', '--key', key]
  await promisify(execFile)(process.execPath, ['-C', '@countersign/source', ...keygen])
  const keys = await readFile(key, 'utf8')
  const options = {
    keys,
    statePath,
    logs: [log.vkeys],
    listening: { address: '127.0.0.1:0' },
    clock: systemClock,
  }
  // It has cosigned before: what it forgets can be seen.
  const first = await runWitness({ ...options, create: true })
  assert.equal((await post(first.url ?? '', await log.request(0, FIRST_SIZE))).status, 200)
  await first.close()
  const args = [
    'witness',
    '--key',
    key,
    '--state',
    statePath,
    '--log',
    logFile,
    '--listen',
    '127.0.0.1:0',
  ]
  const child = held ? await startHeld(args, logFile) : startCommand(args)
  if (!held) assert.ok(await child.ready)
  const asked: Asked = { cosigned: FIRST_SIZE, highest: FIRST_SIZE }
  return {
    dir,
    child,
    act: async () => {
      await child.go()
      return (await child.ready) && (await work(child, asked))
    },
    end: async () => undefined,
    hold: async () => {
      const witness = await runWitness(options)
      try {
        await hold(witness.url ?? '', asked)
      } finally {
        await witness.close()
      }
    },
    [Symbol.asyncDispose]: async () => rm(dir, { recursive: true, force: true }),
  }
}

interface Asked {
  /** The largest size for which a cosignature was answered. */
  cosigned: number
  /** The largest that was asked for. */
  highest: number
}

/** Cosignature after cosignature, and between them a fork, which is kept as evidence. */
async function work(child: Child, asked: Asked): Promise<boolean> {
  const [, url = ''] = / is ready: (\S+)/.exec(child.said()) ?? []
  let works = false
  for (let round = 0; round < ROUNDS; round++) {
    asked.highest = FIRST_SIZE + 10 * (round + 1)
    const body = await log.request(asked.cosigned, asked.highest)
    const answer = await post(url, body).catch(() => undefined)
    works = answer?.status === 200
    if (works) asked.cosigned = asked.highest
    await refuseFork(url, asked.cosigned)
  }
  return works
}

/** Another history with the log's own signature is not cosigned, whatever happened. */
async function refuseFork(url: string, size: number): Promise<void> {
  const fork = makeTree(FORK_AT)
  for (const claimed of [size, size + 1]) {
    const answer = await post(url, await log.request(size, claimed, fork)).catch(() => undefined)
    assert.notEqual(answer?.status, 200, `a fork of size ${claimed} was cosigned`)
  }
}

async function hold(url: string, asked: Asked): Promise<void> {
  const conflict = await post(url, await log.request(1, asked.highest))
  assert.equal(conflict.status, 409, conflict.text)
  const held = Number(conflict.text)
  assert.ok(
    held >= asked.cosigned && held <= asked.highest,
    `it holds ${held}, and cosigned ${asked.cosigned}`,
  )
  await refuseFork(url, held)
  const next = await post(url, await log.request(held, asked.highest + 10))
  assert.equal(next.status, 200, next.text)
}
