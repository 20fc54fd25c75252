/**
 * Kills ledger, signer and gateway in turn, without warning, while clients keep asking. What a client was given is
 * a promise: its record is at the leaf it was told, with an outcome, in a tree that verifies.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type Server, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeEntry } from '@countersign/record/decode'
import { parseVkey } from '@countersign/tlog/key'
import { verifyReceipt } from '@countersign/tlog/receipt'
import { type Ledger, connectLedger } from '../../packages/gateway/src/ledger.ts'
import { ed25519Verify, sha256 } from '../../packages/gateway/src/cryptography.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { type Part, type Rig, openRig } from './rig.ts'

const kills = Number(process.env['COUNTERSIGN_KILLS'] ?? 200)
const clients = 6
const parts: readonly Part[] = ['gateway', 'ledger', 'signer']

interface Acknowledged {
  readonly id: string
  readonly leaf: number
}

test(`every acknowledged record survives ${kills} kills`, { timeout: 900_000 }, async (t) => {
  await using upstream = await openUpstream()
  await using rig = await openRig(() => ({
    services: {
      orders: {
        upstream: `http://127.0.0.1:${upstream.port}`,
        routes: [{ match: 'GET /orders/{id}', public: true }],
      },
    },
    ledger: {
      heartbeatInterval: '1 s',
      checkpointInterval: '100 ms',
      batchBytesMax: '256 KiB',
      segmentBytes: '8 MiB',
    },
  }))
  await rig.startAll()
  const shift: Shift = { over: false, up: Promise.resolve() }
  const acknowledged: Acknowledged[] = []
  const working = Array.from({ length: clients }, () =>
    client(rig.ports.inbound, shift, acknowledged),
  )
  for (let kill = 0; kill < kills; kill += 1) {
    const part = parts[kill % parts.length] ?? 'gateway'
    // The next kill falls at another point of the work each time: after so many more answers.
    await more(acknowledged, 1 + ((kill * 7) % 23))
    const { promise, resolve } = Promise.withResolvers<void>()
    shift.up = promise
    await rig.kill(part)
    await rig.start(part)
    resolve()
    if (kill % 50 === 49) t.diagnostic(`${kill + 1} kills, ${acknowledged.length} acknowledged`)
  }
  await more(acknowledged, 50)
  shift.over = true
  await Promise.all(working)
  const proofs = await receipts(rig, acknowledged)
  assert.deepEqual(await rig.stopAll(), { gateway: 0, ledger: 0, signer: 0 })

  await rig.check()
  const verified = await rig.command('verify', rig.dataDir, '--vkey', rig.vkey)
  assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  await checkPromises(rig, acknowledged, proofs)
})

interface Shift {
  over: boolean
  /** Resolves when the part that was killed last is back. */
  up: Promise<void>
}

/** Asks until the shift is over, and keeps what it was promised: id and leaf of answers that came whole. */
async function client(port: number, shift: Shift, kept: Acknowledged[]): Promise<void> {
  let number = 0
  while (!shift.over) {
    number += 1
    const answer = await ask(port, `/orders/${number}`)
    if (answer === undefined) {
      await shift.up
      continue
    }
    kept.push(answer)
    progress?.()
  }
}

function ask(port: number, path: string): Promise<Acknowledged | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      const { 'countersign-record': id, 'countersign-leaf': leaf } = response.headers
      response.resume()
      response.on('end', () => {
        const whole = response.complete && response.statusCode === 200
        resolve(whole ? { id: String(id), leaf: Number(leaf) } : undefined)
      })
      response.on('error', () => resolve(undefined))
    })
    asked.on('error', () => resolve(undefined))
    asked.end()
  })
}

let progress: (() => void) | undefined

/** Resolves when `count` more answers have come. */
function more(acknowledged: readonly Acknowledged[], count: number): Promise<void> {
  const wanted = acknowledged.length + count
  return new Promise((resolve) => {
    progress = () => {
      if (acknowledged.length < wanted) return
      progress = undefined
      resolve()
    }
  })
}

/** Receipts at D1 for a sample, asked of the ledger itself. */
async function receipts(
  rig: Rig,
  acknowledged: readonly Acknowledged[],
): Promise<Map<number, string>> {
  const ledger = await openLedger(rig)
  const proofs = new Map<number, string>()
  const step = Math.max(1, Math.floor(acknowledged.length / 100))
  for (let at = 0; at < acknowledged.length; at += step) {
    const leaf = acknowledged[at]?.leaf
    if (leaf !== undefined)
      proofs.set(leaf, await ledger.prove(leaf as Parameters<Ledger['prove']>[0]))
  }
  await ledger.close()
  return proofs
}

function openLedger(rig: Rig): Promise<Ledger> {
  const socketPath = join(rig.dataDir, 'run', 'ledger.sock')
  return connectLedger({ socketPath, clock: systemClock })
}

async function checkPromises(
  rig: Rig,
  acknowledged: readonly Acknowledged[],
  proofs: ReadonlyMap<number, string>,
): Promise<void> {
  await rig.start('signer')
  await rig.start('ledger')
  const ledger = await openLedger(rig)
  const entries: Uint8Array[] = []
  for (;;) {
    const page = await ledger.entries(entries.length, 1024)
    if (page.length === 0) break
    entries.push(...page)
  }
  await ledger.close()
  await rig.stopAll()
  const leaves = entries.map((entry) => decodeEntry(entry).leaf)
  const succeeded = new Set(
    leaves
      .filter(({ phase, outcome }) => phase === 'outcome' && outcome === 'success')
      .map(({ id }) => id),
  )
  for (const { id, leaf } of acknowledged) {
    assert.deepEqual([leaves[leaf]?.id, leaves[leaf]?.phase], [id, 'intent'], `leaf ${leaf}`)
    assert.ok(succeeded.has(id), `${id} was answered whole and has no outcome`)
  }
  const intents = new Set(leaves.filter(({ phase }) => phase === 'intent').map(({ id }) => id))
  const outcomes = leaves.filter(({ phase }) => phase === 'outcome').map(({ id }) => id)
  assert.deepEqual(intents, new Set(outcomes), 'every intent has an outcome')
  assert.equal(new Set(outcomes).size, outcomes.length, 'no intent has two')
  const keys = [parseVkey(rig.vkey, sha256)]
  for (const [leaf, receipt] of proofs) {
    const entry = entries[leaf]
    assert.ok(entry !== undefined)
    await verifyReceipt({ receipt, entry, keys, sha256, verify: ed25519Verify })
  }
  assert.ok(acknowledged.length > kills)
}

async function openUpstream(): Promise<{ port: number } & AsyncDisposable> {
  const server: Server = createServer((_request: IncomingMessage, response) => {
    response.end('{"order":"a small one"}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
