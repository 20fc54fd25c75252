/** Routes that demand more of a record than durability, through the whole product, with witnesses that come and go. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startCommand } from '../cli/running-command.ts'
import type { RunningCommand } from '../cli/running-command.ts'
import { curl } from './clients.ts'
import { freePort, openRig } from './rig.ts'
import type { Rig } from './rig.ts'

/** An upstream that counts what reaches it. */
async function openUpstream(): Promise<AsyncDisposable & { port: number; seen: () => string[] }> {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(request.url ?? '')
    request.resume().once('end', () => response.end('{"order":1}'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen: () => seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

interface Witness extends AsyncDisposable {
  readonly name: string
  readonly vkey: string
  readonly url: string
  start(): Promise<void>
  stop(): Promise<void>
}

/** A witness that an auditor could run, on a port of its own; not started. */
async function openWitness(rig: Rig, name: string): Promise<Witness> {
  const key = join(rig.dir, `${name}.skey`)
  const made = await rig.command('witness', 'keygen', '--name', `${name}.example`, '--key', key)
  assert.equal(made.code, 0, made.stderr)
  const listen = `127.0.0.1:${await freePort()}`
  const args = ['--key', key, '--state', join(rig.dir, `${name}.state`), '--log', 'log.vkey']
  let running: RunningCommand | undefined
  let created = false
  const stop = async (): Promise<void> => {
    await running?.[Symbol.asyncDispose]()
    running = undefined
  }
  return {
    name,
    vkey: made.stdout.split('\n')[0] ?? '',
    url: `http://${listen}`,
    async start() {
      const create = created ? [] : ['--create']
      running = await startCommand(rig.dir, ['witness', ...args, '--listen', listen, ...create])
      created = true
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(20)
}

test('a route that demands D2 is refused without its quorum, on record, and passes with it', async () => {
  await using upstream = await openUpstream()
  const route = (path: string, acknowledge: string) => ({
    match: `GET ${path}`,
    public: true,
    acknowledge,
  })
  await using rig = await openRig(() => ({
    services: {
      orders: {
        upstream: `http://127.0.0.1:${upstream.port}`,
        routes: [route('/durable', 'D0'), route('/signed', 'D1'), route('/witnessed', 'D2')],
      },
    },
    ledger: { heartbeatInterval: '200 ms', checkpointInterval: '50 ms' },
    witnesses: { policy: './witnesses.policy', timeout: '5 s', grace: '100 ms' },
  }))
  await using one = await openWitness(rig, 'w1')
  await using two = await openWitness(rig, 'w2')
  const lines = [one, two].map(({ name, vkey, url }) => `witness ${name} ${vkey} ${url}`)
  const policy = `${lines.join('\n')}\ngroup both all w1 w2\nquorum both\n`
  await writeFile(join(rig.dir, 'witnesses.policy'), policy)
  await one.start()
  const checked = await rig.command('config', 'check')
  assert.match(checked.stderr, /witnessed \(D2\) when cosigned by all of \(w1, w2\)/)
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}`
  const ask = async (path: string) => curl(`${url}${path}`)

  const refused = await ask('/witnessed')
  assert.deepEqual(
    [refused.status, refused.headers['countersign-decision']],
    [503, 'witnesses_unavailable'],
  )
  assert.match(refused.body, /was not cosigned by enough witnesses in time/)
  assert.equal((await ask('/signed')).status, 200)
  assert.equal((await ask('/durable')).status, 200)
  assert.deepEqual(upstream.seen(), ['/signed', '/durable'])
  const admin = `http://127.0.0.1:${rig.ports.admin}/metrics`
  await until(async () => (await curl(admin)).body.includes('countersign_witness_quorum_up 0'))
  // Said to people, too, once the grace is over.
  await until(async () => /witnesses are out of reach .* w2: /.test(rig.output()))

  await two.start()
  await until(async () => (await ask('/witnessed')).status === 200)
  assert.equal(upstream.seen().at(-1), '/witnessed')
  const metrics = (await curl(admin)).body
  assert.match(metrics, /countersign_witness_quorum_up 1\n/)
  assert.match(metrics, /countersign_witness_failures_total\{witness="w2"\} [1-9]/)
  assert.match(metrics, /countersign_witness_latency_seconds\{witness="w1"\} /)
  assert.match(metrics, /countersign_witnessed_records [1-9]/)

  const passed = await ask('/witnessed')
  const id = passed.headers['countersign-record'] ?? ''
  await until(async () => (await rig.command('show', id)).stdout.includes('outcome'))
  await until(async () => /level {3}D2, witnessed/.test((await rig.command('show', id)).stdout))
  const shown = (await rig.command('show', id)).stdout
  assert.match(shown, /witness w1\.example at 20\d\d-/)
  assert.match(shown, /witness w2\.example at 20\d\d-/)

  // With the signer away nothing reaches D1, and that is said as what it is.
  await rig.kill('signer')
  const unsigned = await ask('/signed')
  assert.deepEqual(
    [unsigned.status, unsigned.headers['countersign-decision']],
    [503, 'signer_unavailable'],
  )
  assert.equal((await ask('/durable')).status, 200)
  await rig.start('signer')
  await until(async () => (await ask('/signed')).status === 200)

  const records = await rig.records()
  const reasons = records.filter(({ phase, outcome }) => phase === 'outcome' && outcome === 'error')
  assert.ok(reasons.some(({ reason }) => reason === 'witnesses_unavailable'))
  assert.ok(reasons.some(({ reason }) => reason === 'signer_unavailable'))
  const alarms = records.flatMap(({ lifecycle }) =>
    lifecycle?.kind === 'alarm' && lifecycle.what === 'witness_quorum' ? [lifecycle.raised] : [],
  )
  assert.deepEqual(alarms.slice(0, 2), [true, false])
  assert.deepEqual(await rig.stopAll(), { gateway: 0, ledger: 0, signer: 0 })
  await rig.check()

  const whole = await rig.command('verify', '--policy', 'witnesses.policy')
  assert.equal(whole.code, 0, whole.stdout)
  assert.match(whole.stdout, /cosigned {4}by w1\.example at 20/)
  assert.match(whole.stdout, /quorum {6}all of \(w1, w2\): it holds/)
  const proved = await rig.command('prove', '0', '-o', 'boot.tlog-proof', '--entry-out', 'boot')
  assert.equal(proved.code, 0, proved.stderr)
  const proof = ['verify', 'boot.tlog-proof', '--entry', 'boot', '--policy']
  const holds = await rig.command(...proof, 'witnesses.policy')
  assert.equal(holds.code, 0, holds.stdout)
  assert.match(holds.stdout, /the quorum holds: all of \(w1, w2\)/)
  // A policy that asks for somebody else is not met by these.
  const third = await openWitness(rig, 'w3')
  const stricter = policy.replace(
    'group both all w1 w2',
    `witness w3 ${third.vkey}\ngroup both all w1 w2 w3`,
  )
  await writeFile(join(rig.dir, 'stricter.policy'), stricter)
  assert.equal((await rig.command(...proof, 'stricter.policy')).code, 1)
  const unmet = await rig.command('verify', '--policy', 'stricter.policy')
  assert.equal(unmet.code, 1)
  assert.match(
    unmet.stdout,
    /QUORUM_UNMET .*all of \(w1, w2, w3\); it is cosigned by w1\.example, w2/,
  )
  assert.ok((await readFile(join(rig.dataDir, 'log/checkpoint'), 'utf8')).includes('w2.example'))
})
