import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeEntry } from '@countersign/record/decode'
import { checkLedger } from '../../packages/gateway/src/ledger.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import {
  openAnswers,
  openEmbeddedEngine,
  openIndex,
  parseQuestion,
} from '../../packages/gateway/src/search.ts'
import { launchProcess, startProcess, urlIn } from './running-process.ts'
import { setUp } from './running-up.ts'

const KILLS = 50
/** A reader is ready after about a second: it is killed while it starts, reads, writes and answers. */
const LIVES_MS_MAX = 1_800
const CLIENTS = 4
const CAUGHT_UP_MS_MAX = 60_000

test(`a reader that is killed ${KILLS} times during traffic loses and doubles nothing`, async (t) => {
  await using setup = await setUp()
  const upstream = createServer((_, response) => response.end('here\n')).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.after(() => upstream.close().closeAllConnections())
  const { port } = upstream.address() as AddressInfo
  await setup.change((text) =>
    text
      .replace('127.0.0.1:9001', `127.0.0.1:${port}`)
      .replace('to: group:support', 'to: user:alice'),
  )
  const { stdout: key } = setup.countersign('keys', 'create', '--name', 'alice', '--type', 'user')
  const data = join(setup.folder, 'countersign-data')
  {
    await using running = new AsyncDisposableStack()
    running.use(await startProcess(setup.folder, 'signer'))
    running.use(await startProcess(setup.folder, 'ledger'))
    const gateway = running.use(await startProcess(setup.folder, 'gateway'))
    const traffic = startTraffic(urlIn(gateway.ready, 'inbound'), key.trim())
    for (let kill = 0; kill < KILLS; kill++) {
      const reader = launchProcess(setup.folder, 'reader')
      await Promise.race([reader.exit, pause(randomInt(LIVES_MS_MAX))])
      assert.equal(reader.child.exitCode, null, reader.stderr())
      reader.child.kill('SIGKILL')
      await reader.exit
    }
    const answered = await traffic.stop()
    t.diagnostic(`${answered} requests answered`)
    assert.ok(answered > KILLS, 'there was traffic all the while')
    running.use(await startProcess(setup.folder, 'reader'))
    await caughtUp(data)
  }
  const vkey = await readFile(join(setup.folder, 'log.vkey'), 'utf8')
  const { entries } = await checkLedger(data, { vkey })
  const { next, records, byOutcome } = await indexed(data)
  assert.equal(records, next)
  // What ended after the reader had stopped to read is in the log alone.
  assert.deepEqual(byOutcome, outcomesOf(entries.slice(0, next)))
})

/** Clients that ask one after the other until they are told to stop. */
function startTraffic(url: string, key: string): { stop(): Promise<number> } {
  const agent = new Agent({ keepAlive: true })
  const over = new AbortController()
  let answered = 0
  const ask = async (path: string): Promise<void> => {
    const headers = { 'x-api-key': key }
    const asked = request(`${url}${path}`, { agent, headers }).end()
    const [response] = await once(asked, 'response')
    for await (const _ of response);
    answered += 1
  }
  const client = async (number: number): Promise<void> => {
    for (let count = 0; !over.signal.aborted; count++)
      await ask(count % 3 === 0 ? '/refused' : `/orders/${number}${count}`)
  }
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
  return {
    async stop() {
      over.abort()
      await clients
      agent.destroy()
      return answered
    },
  }
}

/** Waits until the reader has all that was in the log when it was asked first. */
async function caughtUp(data: string): Promise<void> {
  const { api, key } = JSON.parse(await readFile(join(data, 'run/reader.json'), 'utf8')) as {
    api: string
    key: string
  }
  const published = await readFile(join(data, 'log/checkpoint'), 'utf8')
  const size = Number(published.split('\n')[1])
  const until = performance.now() + CAUGHT_UP_MS_MAX
  for (;;) {
    const response = await fetch(`${api}/v1/logs`, { headers: { 'x-api-key': key } })
    const told = (await response.json()) as { logs: { next: number }[] }
    if ((told.logs[0]?.next ?? 0) >= size) return
    assert.ok(performance.now() < until, `the reader is not through: ${JSON.stringify(told)}`)
    await pause(50)
  }
}

async function indexed(
  data: string,
): Promise<{ next: number; records: number; byOutcome: Record<string, number> }> {
  const index = await openIndex({
    engine: await openEmbeddedEngine(join(data, 'index')),
    answers: (engine) => openAnswers(engine, { clock: systemClock }),
  })
  try {
    const [log] = await index.logs()
    assert.ok(log !== undefined)
    const groups = await index.aggregate(
      {
        question: parseQuestion('', 0n),
        by: ['outcome'],
        measures: [{ kind: 'count' }],
        limit: 100,
      },
      { scope: { kind: 'all' }, unmasked: true },
    )
    const byOutcome = groups.map(({ by, measures }) => [String(by.outcome), Number(measures[0])])
    return { next: log.next, records: log.records, byOutcome: Object.fromEntries(byOutcome) }
  } finally {
    await index.close()
  }
}

/** Transactions of a log by how they ended, counted from its entries alone. */
function outcomesOf(entries: readonly Uint8Array[]): Record<string, number> {
  const outcomes = new Map<string, string>()
  for (const entry of entries) {
    const { leaf } = decodeEntry(entry)
    if (leaf.phase !== 'intent' || !outcomes.has(leaf.id))
      outcomes.set(leaf.id, leaf.phase === 'intent' ? 'open' : (leaf.outcome ?? ''))
  }
  const counts: Record<string, number> = {}
  for (const outcome of outcomes.values()) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}
