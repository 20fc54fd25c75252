/** A witness over real sockets: what it answers, what it remembers, and what it keeps of a fork. */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ADD_CHECKPOINT_BYTES_MAX, TLOG_SIZE_TYPE } from '@countersign/tlog/add-checkpoint'
import { parseVkey } from '@countersign/tlog/key'
import { openNote } from '@countersign/tlog/note'
import type { VerifiedSignature } from '@countersign/tlog/note'
import { ed25519Verify, mlDsa44, sha256, sha256Hex } from '../cryptography.ts'
import { CONNECTIONS_MAX, LOG_KEYS_MAX, LOGS_MAX, SPLITS_PER_LOG_MAX } from './limits.ts'
import { UNPROVEN_PER_LOG_MAX } from './limits.ts'
import { runWitness } from '../witness.ts'
import { get, keptBy, makeOrigin, makeTree, post, startWitness } from './testing/setup.ts'
import type { TestWitness } from './testing/setup.ts'

const ORIGIN = 'log.example.com/test'
const NOW_S = 1_790_000_000n
const clock = { nowNs: () => NOW_S * 1_000_000_000n + 999_999_999n, monotonicNs: () => 0n }

async function opened(note: string, vkeys: readonly string[]): Promise<VerifiedSignature[]> {
  const { verified } = await openNote(note, {
    keys: vkeys.map((vkey) => parseVkey(vkey.trim(), sha256)),
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44: mlDsa44.verify,
  })
  return verified
}

/** The last checkpoint, as a monitor gets it. */
const monitored = async ({ url }: TestWitness, origin = ORIGIN): Promise<string> =>
  (await get(url, `/${sha256Hex(origin)}/checkpoint`)).text

test('a witness answers each status of the specification', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys], clock })
  const { url } = witness
  equal((await get(url, `/${sha256Hex(ORIGIN)}/checkpoint`)).status, 404, 'never cosigned')
  const first = await log.request(0, 5)
  const signed = await post(url, first)
  equal(signed.status, 200)
  equal(signed.text.split('\n').length, 3, 'two lines, each ended by a newline')
  deepEqual(await post(url, first), { status: 409, type: TLOG_SIZE_TYPE, text: '5\n' })
  equal((await post(url, await log.request(5, 5))).status, 200, 'the same again')
  equal((await post(url, await log.request(6, 5))).status, 400, 'it shrinks')
  equal((await post(url, await log.request(4, 5))).status, 409, 'not from where it is')
  equal((await post(url, await log.request(5, 9, makeTree(3)))).status, 422, 'a fork')
  equal((await post(url, await log.request(5, 5, makeTree(3)))).status, 422, 'two roots')
  equal((await post(url, await makeOrigin('other.example').request(0, 5))).status, 404)
  equal((await post(url, await makeOrigin(ORIGIN).request(5, 6))).status, 403, 'another key')
  const forged = (await log.request(5, 6)).replace(
    /(— \S+ \S{20})(\S)/,
    (_, head: string, one) => `${head}${one === 'A' ? 'B' : 'A'}`,
  )
  equal((await post(url, forged)).status, 403, 'a known key, and a signature that fails')
  equal((await post(url, '')).status, 400)
  equal((await post(url, first.replace('old 0', 'old 00'))).status, 400)
  equal((await post(url, new Uint8Array(ADD_CHECKPOINT_BYTES_MAX + 1).fill(0x61))).status, 400)
  equal((await get(url, '/add-checkpoint')).status, 405)
  equal((await fetch(`${url}/evidence`, { method: 'DELETE' })).status, 405)
  equal((await get(url, '/other')).status, 404)
  equal((await post(`${url}/prefix`, first)).status, 404)
  equal((await post(url, await log.request(5, 9))).status, 200, 'none of it did any harm')
})

test('what it answers and serves to monitors is cosigned with both keys, at the time that was passed in', async () => {
  const log = makeOrigin(ORIGIN, [1, 6])
  await using witness = await startWitness({ logs: [log.vkeys], clock })
  const answer = await post(witness.url, await log.request(0, 5))
  const served = await monitored(witness)
  const vkeys = [...log.vkeys.trim().split('\n'), ...witness.vkeys]
  const verified = await opened(served, vkeys)
  deepEqual(
    verified.map(({ key, timestamp }) => [key.name, key.type, timestamp]),
    [
      [ORIGIN, 1, undefined],
      [ORIGIN, 6, 1n],
      ['witness.example/w1', 4, NOW_S],
      ['witness.example/w1', 6, NOW_S],
    ],
  )
  ok(served.endsWith(answer.text))
  equal((await opened((await log.checkpoint(5)) + answer.text, witness.vkeys)).length, 2)
})

test('lines of strangers in a checkpoint are neither kept nor served', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys] })
  const request = await log.request(0, 2)
  equal((await post(witness.url, `${request}— stranger.example AAAAAAAA\n`)).status, 200)
  ok(!(await monitored(witness)).includes('stranger'))
})

test('an empty tree has one root, and needs no proof', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys] })
  const { url } = witness
  const empty = makeTree()
  equal(
    (await post(url, await log.request(0, 0, { ...empty, root: () => empty.root(1) }))).status,
    422,
  )
  equal((await post(url, await log.request(0, 0))).status, 200)
  match(await monitored(witness), /\n0\n/)
  const proven = { ...empty, proof: () => [empty.root(1)] }
  equal((await post(url, await log.request(0, 3, proven))).status, 422, 'a proof from nothing')
  equal((await post(url, await log.request(0, 3))).status, 200)
  const [piece] = await keptBy(witness)
  equal(piece?.kind, 'split')
  equal(piece?.held, undefined)
})

test('a log may be signed by either of its keys, and by no key of another log', async () => {
  const [both, other] = [makeOrigin(ORIGIN, [6]), makeOrigin('other.example', [1])]
  await using witness = await startWitness({ logs: [both.vkeys + other.vkeys] })
  equal((await post(witness.url, await both.request(0, 3))).status, 200)
  equal((await post(witness.url, await other.request(0, 4))).status, 200)
  const crossed = (await both.request(3, 4)).replaceAll(ORIGIN, 'other.example')
  equal((await post(witness.url, crossed)).status, 403)
  match(await monitored(witness, 'other.example'), /\n4\n/)
})

test('what was cosigned is remembered over a restart, also of a log that is left out for a while', async () => {
  const [one, two] = [makeOrigin(ORIGIN), makeOrigin('two.example')]
  await using witness = await startWitness({ logs: [one.vkeys] })
  equal((await post(witness.url, await one.request(0, 5))).status, 200)
  await witness.restart({ logs: [two.vkeys] })
  equal((await post(witness.url, await one.request(5, 6))).status, 404)
  equal((await post(witness.url, await two.request(0, 2))).status, 200)
  await witness.restart({ logs: [one.vkeys, two.vkeys] })
  equal((await post(witness.url, await one.request(0, 5))).text, '5\n')
  equal((await post(witness.url, await two.request(0, 5))).text, '2\n')
  equal((await post(witness.url, await one.request(5, 6))).status, 200)
})

test('both sides of a fork are kept, in the order seen, once each, and convict the log by its own key', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys], clock })
  await post(witness.url, await log.request(0, 5))
  const fork = makeTree(3)
  equal((await post(witness.url, await log.request(5, 9, fork))).status, 422)
  equal((await post(witness.url, await log.request(5, 5, fork))).status, 422)
  equal((await post(witness.url, await log.request(5, 5, fork))).status, 422)
  // Answered 409, since it does not start where the witness is; two roots for one size all the same.
  equal((await post(witness.url, await log.request(2, 5, makeTree(2)))).status, 409)
  await witness.restart()
  equal((await post(witness.url, await log.request(5, 5, fork))).status, 422)
  const pieces = await keptBy(witness)
  deepEqual(
    pieces.map(({ number, kind }) => [number, kind]),
    [
      [1, 'unproven'],
      [2, 'split'],
      [3, 'split'],
    ],
  )
  for (const [at, { held = '', seen }] of pieces.entries()) {
    equal((await opened(held, [log.vkeys, ...witness.vkeys])).length, 3, 'as it was cosigned')
    equal((await opened(seen, [log.vkeys])).length, 1)
    equal((await get(witness.url, `/evidence/${at + 1}/held`)).text, held)
    equal((await get(witness.url, `/evidence/${at + 1}/seen`)).text, seen)
  }
  equal((await get(witness.url, '/evidence/4/seen')).status, 404)
  const listed = (await get(witness.url, '/evidence')).text.trim().split('\n')
  equal(listed.length, 3)
  deepEqual(
    witness.events.flatMap((event) => (event.kind === 'fork' ? [event.kept] : [])),
    [1, 2, 'known', 3, 'known'],
  )
})

test('evidence has a limit for each log, and wrong proofs do not crowd out forks', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys], types: [4] })
  await post(witness.url, await log.request(0, 200))
  const kept = async (count: number, make: (n: number) => Promise<string>): Promise<unknown> => {
    for (let n = 0; n < count; n++) equal((await post(witness.url, await make(n))).status, 422)
    const last = witness.events.at(-1)
    return last?.kind === 'fork' ? last.kept : undefined
  }
  const later = async (n: number): Promise<string> => log.request(200, 201 + n, makeTree(1))
  equal(await kept(UNPROVEN_PER_LOG_MAX, later), UNPROVEN_PER_LOG_MAX)
  equal(await kept(UNPROVEN_PER_LOG_MAX + 1, later), 'full')
  const other = async (n: number): Promise<string> => log.request(200, 200, makeTree(n))
  equal(await kept(SPLITS_PER_LOG_MAX, other), UNPROVEN_PER_LOG_MAX + SPLITS_PER_LOG_MAX)
  equal(await kept(SPLITS_PER_LOG_MAX + 1, other), 'full')
})

test('of two requests at the same time one extends, and the state never goes back', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys], types: [4] })
  let size = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 6 }),
      async (steps) => {
        const bodies = await Promise.all(steps.map(async (step) => log.request(size, size + step)))
        const answers = await Promise.all(bodies.map(async (body) => post(witness.url, body)))
        const served = Number((await monitored(witness)).split('\n')[1])
        const grown = answers.filter(({ status }, at) => status === 200 && steps[at] !== 0)
        ok(grown.length <= 1, 'two extended one state')
        for (const { status, text } of answers) {
          ok(status === 200 || status === 409)
          if (status === 409) ok(Number(text) > size && Number(text) <= served)
        }
        ok(served >= size)
        size = served
      },
    ),
    { numRuns: 25 },
  )
})

test('a state is made once and on demand, and belongs to one witness and one process', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys] })
  const { options, folder } = witness
  await rejects(runWitness(options), { code: 'WITNESS_IN_USE' })
  await rejects(runWitness({ ...options, statePath: join(folder, 'other') }), {
    code: 'WITNESS_STATE',
    message: /there is no state/,
  })
  await rejects(runWitness({ ...options, statePath: join(folder, 'no', 'other') }), {
    code: 'WITNESS_STATE',
  })
  await witness.running.close()
  await rejects(runWitness({ ...options, create: true }), {
    code: 'WITNESS_STATE',
    message: /is there already/,
  })
  await using stranger = await startWitness({ logs: [log.vkeys], name: 'witness.example/w2' })
  await rejects(runWitness({ ...options, keys: stranger.options.keys }), {
    code: 'WITNESS_STATE',
    message: /is the state of witness.example\/w1, not of witness.example\/w2/,
  })
  equal((await stat(witness.statePath)).mode & 0o777, 0o600)
})

test('keys that do not belong together are refused, and no message holds one', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys] })
  const { options } = witness
  const [first = '', second = ''] = options.keys.split('\n')
  const asLog = makeOrigin('witness.example/w1').skeys
  const cases: Record<string, Partial<typeof options>> = {
    'there is none': { keys: '\n' },
    'two are of the same type': { keys: `${first}\n${first}` },
    'over 2': { keys: `${first}\n${second}\n${first}` },
    'another of': {
      keys: first + '\n' + second.replace('/w1', '/w2').replace(/\+[0-9a-f]{8}\+/, '+00000000+'),
    },
    'type 0x01': { keys: asLog },
    'private key': { keys: first.slice(0, -8) },
    "a witness's": { logs: witness.vkeys },
    'key of a log': { logs: ['log.example+00000000+AAAA'] },
  }
  for (const [what, changed] of Object.entries(cases)) {
    await rejects(runWitness({ ...options, ...changed }), (error: Error & { code: string }) => {
      equal(error.code, 'WITNESS_KEY', what)
      ok(!error.message.includes(first.slice(-20)), what)
      return true
    })
  }
  const keys = Array.from({ length: LOG_KEYS_MAX + 1 }, () => makeOrigin(ORIGIN).vkeys)
  await rejects(runWitness({ ...options, logs: keys }), { code: 'WITNESS_LIMIT' })
  const logs = Array.from({ length: LOGS_MAX + 1 }, (_, n) => makeOrigin(`log.example/${n}`).vkeys)
  await rejects(runWitness({ ...options, logs }), { code: 'WITNESS_LIMIT' })
})

test('as many logs as fit one state are cosigned, and their checkpoints fit at their largest', async () => {
  const long = 'l'.repeat(255)
  const log = makeOrigin(long, [6, 6, 6, 6])
  await using witness = await startWitness({ logs: [log.vkeys], name: 'w'.repeat(255) })
  equal((await post(witness.url, await log.request(0, 3))).status, 200)
  const others = Array.from({ length: LOGS_MAX - 1 }, (_, n) => makeOrigin(`log.example/${n}`))
  await witness.restart({ logs: [log.vkeys, ...others.map(({ vkeys }) => vkeys)] })
  equal((await post(witness.url, await log.request(0, 3))).text, '3\n')
  const last = others.at(-1)
  ok(last !== undefined)
  equal((await post(witness.url, await last.request(0, 3))).status, 200)
  await witness.running.close()
  await rejects(runWitness({ ...witness.options, logs: [makeOrigin('one.more.example').vkeys] }), {
    code: 'WITNESS_LIMIT',
    message: /at most 256 fit/,
  })
})

test('connections past the limit are closed, and the others still served', async () => {
  const log = makeOrigin(ORIGIN)
  await using witness = await startWitness({ logs: [log.vkeys] })
  const { port } = new URL(witness.url)
  const open = Array.from({ length: CONNECTIONS_MAX }, () => connect(Number(port), '127.0.0.1'))
  await Promise.all(open.map((socket) => once(socket, 'connect')))
  const surplus = connect(Number(port), '127.0.0.1').resume()
  surplus.on('error', () => undefined)
  await once(surplus, 'close')
  open.pop()?.destroy()
  for (;;) {
    const answer = await post(witness.url, await log.request(0, 3)).catch(() => undefined)
    if (answer !== undefined) break
  }
  for (const socket of open) socket.destroy()
  equal((await readFile(witness.statePath)).length, 4 * 32 * 1024)
})
