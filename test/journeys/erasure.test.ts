/** A person is recorded, held, released, erased and comes back, through the whole product while it runs. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Leaf } from '@countersign/record/leaf'
import { main } from '../../packages/gateway/src/cli.ts'
import { captureIo } from '../../packages/gateway/src/cli/testing/captured-io.ts'
import { connectLedger, layoutOf } from '../../packages/gateway/src/ledger.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { curl } from './clients.ts'
import type { Answer } from './clients.ts'
import { openRig } from './rig.ts'
import type { Rig } from './rig.ts'

interface Upstream extends AsyncDisposable {
  readonly port: number
}

async function openUpstream(): Promise<Upstream> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end(`{"seen":"${request.url}"}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const parts = (port: number): Record<string, unknown> => ({
  roles: { support: ['orders.*'] },
  grants: [{ role: 'support', to: 'group:support' }],
  ledger: { checkpointInterval: '50 ms' },
  services: {
    orders: {
      upstream: `http://127.0.0.1:${port}`,
      routes: [
        { match: 'GET /orders/{id}', permission: 'orders.read', record: 'body' },
        { match: 'POST /orders', permission: 'orders.write', record: 'body' },
      ],
    },
  },
})

/** The command line in this process: the gateway is others', and a process for each question would be most of the time. */
async function ask(
  rig: Rig,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const io = captureIo()
  const code = await main([...args, '--config', rig.configFile], io)
  return { code, stdout: io.out(), stderr: io.err() }
}

async function keyOf(rig: Rig, name: string): Promise<string> {
  const options = ['--name', name, '--type', 'user', '--group', 'support']
  const { code, stdout, stderr } = await ask(rig, 'keys', 'create', ...options)
  assert.equal(code, 0, stderr)
  return stdout.trim()
}

/** The record of an answer, as `show --json` gives it. */
async function shown(rig: Rig, answer: Answer): Promise<Shown> {
  const record = answer.headers['countersign-record']?.split(/[ ;,]/)[0] ?? ''
  await publish(rig)
  const { stdout, stderr } = await ask(rig, 'show', record, '--json')
  assert.ok(stdout !== '', stderr)
  return JSON.parse(stdout) as Shown
}

interface Shown {
  readonly records: readonly {
    readonly index: number
    readonly leaf: Leaf
    readonly addenda?: Readonly<Record<string, { readonly actor?: { readonly name: string } }>>
    readonly closed?: readonly {
      readonly name: string
      readonly state: string
      readonly record?: number
    }[]
  }[]
}

/** What was answered is durable already: it only has to be published. */
async function publish(rig: Rig): Promise<void> {
  const { socket } = layoutOf(rig.dataDir)
  const ledger = await connectLedger({ socketPath: socket, clock: systemClock })
  await ledger.publish()
  await ledger.close()
}

const subject = (show: Shown): string => show.records[0]?.leaf.actor?.id ?? ''
const nameIn = (show: Shown): string | undefined =>
  show.records[0]?.addenda?.['request']?.actor?.name

test('a person is held, released, erased, and comes back as somebody new, while the gateway runs', async () => {
  await using upstream = await openUpstream()
  await using rig = await openRig(() => parts(upstream.port))
  const [aliceKey, bobKey] = [await keyOf(rig, 'alice'), await keyOf(rig, 'bob')]
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}`
  const as = (key: string, path: string): Promise<Answer> =>
    curl('-H', `x-api-key: ${key}`, `${url}${path}`)
  const first = await as(aliceKey, '/orders/1')
  await as(aliceKey, '/orders/2')
  const bobs = await as(bobKey, '/orders/3')
  const stranger = await curl(`${url}/orders/4`)
  const before = await shown(rig, first)
  const alice = subject(before)
  assert.match(alice, /^[0-9a-f]{32}$/)
  assert.equal(nameIn(before), 'alice')
  assert.ok(before.records[1]?.addenda?.['response.headers'])
  await shown(rig, bobs)
  await shown(rig, stranger)

  const why = ['--basis', 'court order', '--by', 'legal']
  const held = await ask(rig, 'hold', '--subject', alice, '--matter', 'case 7', ...why)
  assert.equal(held.code, 0, held.stderr)
  const refused = await ask(rig, 'erase', '--subject', alice, ...why)
  assert.equal(refused.code, 1)
  assert.match(
    refused.stdout,
    /^not erased: [0-9a-f]{32} is under a legal hold\n {2}for case 7, by legal \(record \d+\)/,
  )
  // Neither a state that is lost nor one that is put back lifts it.
  await rm(join(rig.dataDir, 'state', 'erasure.lock'))
  assert.equal((await ask(rig, 'erase', '--subject', alice, ...why)).code, 1)
  assert.equal(nameIn(await shown(rig, first)), 'alice')
  assert.equal(
    (await ask(rig, 'release', '--subject', alice, '--matter', 'case 8', ...why)).code,
    1,
  )
  const released = await ask(rig, 'release', '--subject', alice, '--matter', 'case 7', ...why)
  assert.equal(released.code, 0, released.stderr)

  const oldPacks = join(rig.dir, 'old-packs')
  await cp(join(rig.dataDir, 'addenda'), oldPacks, { recursive: true })
  const record = first.headers['countersign-record']?.split(/[ ;,]/)[0] ?? ''
  const dry = await ask(rig, 'erase', '--record', record, '--dry-run', '--json')
  assert.equal(dry.code, 0, dry.stderr)
  // As an operator would: a process of its own.
  const erased = await rig.command('erase', '--record', record, ...why, '--json')
  assert.equal(erased.code, 0, erased.stderr)
  const said = JSON.parse(erased.stdout) as { records: number[]; addenda: number; subject: string }
  assert.equal(said.subject, alice)
  // Of each request: what identifies, and headers and bodies of both halves as far as there were any.
  assert.ok(said.addenda >= 6, `${said.addenda}`)

  const after = await shown(rig, first)
  assert.deepEqual(after.records[0]?.closed, [
    { name: 'request', state: 'erased', record: said.records[0] },
  ])
  assert.equal(subject(after), alice)
  assert.equal(nameIn(await shown(rig, bobs)), 'bob')
  const back = await shown(rig, await as(aliceKey, '/orders/5'))
  assert.notEqual(subject(back), alice)
  assert.equal(nameIn(back), 'alice')

  const verified = await ask(rig, 'verify', '--json')
  assert.equal(verified.code, 0, verified.stdout)
  const { addenda } = JSON.parse(verified.stdout) as {
    addenda: { erased: { record: number; addenda: number }[]; sealed: number; left: number }
  }
  assert.deepEqual(addenda.erased, [{ record: said.records[0], addenda: said.addenda }])
  assert.deepEqual([addenda.sealed, addenda.left], [0, 0])
  // Over HTTP, where only ciphertexts are: the same answer without a key.
  const served = [
    'verify',
    `http://127.0.0.1:${rig.ports.log}`,
    '--addenda',
    '--json',
    '--vkey',
    rig.vkey,
  ]
  const afar = await ask(rig, ...served)
  assert.equal(afar.code, 0, afar.stdout + afar.stderr)
  const report = JSON.parse(afar.stdout) as {
    addenda: { present: number; sealed: number; erased: unknown }
  }
  assert.ok(report.addenda.present > 0)
  assert.equal(report.addenda.sealed, report.addenda.present)
  assert.deepEqual(report.addenda.erased, addenda.erased)

  // Those whom nobody knows are erased by the day.
  const day = subject(await shown(rig, stranger))
  assert.equal(day, 'anonymous')
  const strangers = stranger.headers['countersign-record']?.split(/[ ;,]/)[0] ?? ''
  const gone = await ask(rig, 'erase', '--record', strangers, ...why, '--json')
  assert.equal(gone.code, 0, gone.stderr)
  assert.match(
    (JSON.parse(gone.stdout) as { subject: string }).subject,
    /^anonymous\/\d{4}-\d{2}-\d{2}$/,
  )
  assert.equal((await shown(rig, stranger)).records[0]?.closed?.[0]?.state, 'erased')

  await rig.stopAll()
  await checkSecrets(rig)
  // Packs from before the erasure, put back: present, named, and not to be opened; verify says that they should be gone.
  await cp(oldPacks, join(rig.dataDir, 'addenda'), { recursive: true })
  const restored = await ask(rig, 'show', record, '--json')
  assert.ok(!restored.stdout.includes('alice'), restored.stdout)
  const left = await ask(rig, 'verify')
  assert.match(left.stdout, /not gone {4}\d+ addenda of an erased person/)
})

/** What was sealed is nowhere in clear, and no key is in what the processes said or in what is published. */
async function checkSecrets(rig: Rig): Promise<void> {
  const secrets = await Promise.all(
    ['tenant.key', 'fingerprint.key'].map((file) =>
      readFile(join(rig.dir, 'secrets', file), 'utf8'),
    ),
  )
  for (const secret of secrets) assert.ok(!rig.output().includes(secret.trim()))
  assert.ok(!rig.output().includes('"alice"'))
  const files = await readdir(rig.dataDir, { recursive: true, withFileTypes: true })
  for (const file of files.filter((one) => one.isFile())) {
    const path = join(file.parentPath, file.name)
    const bytes = await readFile(path)
    // Names are where pseudonyms are given, and nowhere else.
    if (!file.name.startsWith('subjects.db'))
      for (const word of ['"alice"', '/orders/1', 'user-agent', 'user_agent'])
        assert.ok(!bytes.includes(word), `${path} holds ${word}`)
    for (const secret of secrets)
      for (const form of [secret.trim(), Buffer.from(secret.trim(), 'hex')])
        assert.ok(!bytes.includes(form), `${path} holds a key`)
  }
}

test('damage to packs is told from lawful erasure, and each is named', async () => {
  await using upstream = await openUpstream()
  await using rig = await openRig(() => parts(upstream.port))
  const key = await keyOf(rig, 'alice')
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}`
  const answer = await curl('-H', `x-api-key: ${key}`, `${url}/orders/1`)
  await shown(rig, answer)
  await rig.stopAll()
  const good = await ask(rig, 'verify')
  assert.equal(good.code, 0, good.stdout)
  const pack = join(rig.dataDir, 'addenda', '000.pack')
  const whole = await readFile(pack)
  const flipped = Buffer.from(whole)
  flipped[whole.length - 20] = (flipped[whole.length - 20] ?? 0) ^ 1
  await writeFile(pack, flipped)
  const altered = await ask(rig, 'verify')
  assert.equal(altered.code, 1)
  assert.match(
    altered.stdout,
    /ADDENDUM_ALTERED {2}addenda\/, entry \d+: addendum \d+ is not the one that its record names/,
  )
  await writeFile(pack, Buffer.alloc(0))
  const missing = await ask(rig, 'verify')
  assert.equal(missing.code, 1)
  assert.match(
    missing.stdout,
    /ADDENDUM_MISSING {2}addenda\/, entry \d+: addendum 0 is missing, and no erasure record covers it/,
  )
  await writeFile(pack, whole)
  // Without the tenant's key things are sealed, which is no finding.
  await rm(join(rig.dir, 'secrets', 'tenant.key'))
  const closed = await ask(rig, 'verify')
  assert.equal(closed.code, 0, closed.stdout)
  assert.match(closed.stdout, /of them sealed, their keys not at hand/)
  const record = answer.headers['countersign-record']?.split(/[ ;,]/)[0] ?? ''
  const { stdout } = await ask(rig, 'show', record)
  assert.match(stdout, /addendum 'request' is sealed, and its key is not at hand/)
  const tail = await ask(rig, 'tail', '--once', '--from', '0')
  assert.match(tail.stdout, /user \[sealed\]/)
})

test('a gateway that cannot seal refuses, and records nothing in clear', async () => {
  await using upstream = await openUpstream()
  await using rig = await openRig(() => parts(upstream.port))
  const key = await keyOf(rig, 'alice')
  await rig.start('signer')
  await rig.start('ledger')
  await writeFile(join(rig.dir, 'secrets', 'tenant.key'), 'no key at all\n')
  await assert.rejects(rig.start('gateway'), /could not use the tenant key/)
  await writeFile(join(rig.dir, 'secrets', 'tenant.key'), `${'5'.repeat(64)}\n`)
  await rig.start('gateway')
  const url = `http://127.0.0.1:${rig.ports.inbound}`
  assert.equal((await curl('-H', `x-api-key: ${key}`, `${url}/orders/1`)).status, 200)
  await rig.kill('gateway')
  await writeFile(join(rig.dir, 'secrets', 'tenant.key'), `${'6'.repeat(64)}\n`)
  await assert.rejects(rig.start('gateway'), /they are under another tenant key/)
})
