/** Requests in, through the whole product, with real clients and a real upstream. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { type Server, type ServerResponse, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Leaf } from '@countersign/record/leaf'
import { curl, hasNginx, openNginx } from './clients.ts'
import { type Rig, freePort, openRig } from './rig.ts'

const orders = (port: number, more: object = {}) => ({
  upstream: `http://127.0.0.1:${port}`,
  routes: [
    { match: 'GET /orders/{id}', permission: 'orders.read', labels: ['pii'], ...more },
    { match: 'POST /orders/echo', permission: 'orders.write', ...more },
    { match: 'GET /public/{name}', public: true, ...more },
  ],
})
const access = {
  roles: { support: ['orders.read'], clerk: ['orders.*'] },
  grants: [
    { role: 'support', to: 'group:support' },
    { role: 'clerk', to: 'user:carol' },
  ],
}

async function key(rig: Rig, ...args: string[]): Promise<string> {
  const created = await rig.command('keys', 'create', ...args)
  assert.equal(created.code, 0, created.stderr)
  return created.stdout.trim()
}

const transaction = (records: readonly Leaf[], id: string | undefined) =>
  records.filter((leaf) => leaf.id === id)

test(
  'a real nginx behind the gateway is reached by those who may, and every attempt is on record',
  {
    skip: hasNginx ? false : 'no nginx here',
  },
  async () => {
    const upstream = await freePort()
    await using rig = await openRig(() => ({ ...access, services: { orders: orders(upstream) } }))
    const large = randomBytes(5_000_000)
    await mkdir(join(rig.dir, 'www/orders'), { recursive: true })
    await writeFile(join(rig.dir, 'www/orders/1'), '{"order":1}')
    await writeFile(join(rig.dir, 'www/orders/large'), large)
    await writeFile(join(rig.dir, 'upload'), large)
    await using nginx = await openNginx(rig.dir, upstream)
    const alice = await key(rig, '--name', 'alice', '--type', 'user', '--group', 'support')
    const carol = await key(rig, '--name', 'carol', '--type', 'user')
    await rig.startAll()
    const url = `http://127.0.0.1:${rig.ports.inbound}`
    const as = (secret: string) => ['-H', `Authorization: Bearer ${secret}`]

    const allowed = await curl(...as(alice), `${url}/orders/1?email=a%40example.com`)
    assert.deepEqual([allowed.status, allowed.body], [200, '{"order":1}'])
    const streamed = await curl(...as(alice), '-o', join(rig.dir, 'got'), `${url}/orders/large`)
    assert.equal(streamed.code, 0)
    const uploaded = await curl(
      ...as(carol),
      '--data-binary',
      `@${join(rig.dir, 'upload')}`,
      `${url}/orders/echo`,
    )
    assert.deepEqual([uploaded.status, uploaded.body], [201, `{"received":"${large.length}"}`])
    const wrongRole = await curl(...as(alice), '-d', 'x', `${url}/orders/echo`)
    assert.deepEqual(
      [wrongRole.status, wrongRole.headers['countersign-decision']],
      [403, 'no_grant'],
    )
    const nobody = await curl(`${url}/orders/1`)
    assert.deepEqual(
      [nobody.status, nobody.headers['countersign-decision']],
      [401, 'no_credential'],
    )
    const forged = await curl(...as(`${alice}x`), `${url}/orders/1`)
    assert.deepEqual(
      [forged.status, forged.headers['countersign-decision']],
      [401, 'bad_credential'],
    )
    const undeclared = await curl(...as(alice), `${url}/etc/passwd`)
    assert.equal(undeclared.headers['countersign-decision'], 'no_route')

    // What nginx saw is what was allowed, and nothing else.
    const seen = (await nginx.log()).filter(({ uri }) => uri !== '/sink')
    assert.deepEqual(
      seen.map(({ method, uri }) => `${method} ${uri}`),
      ['GET /orders/1?email=a%40example.com', 'GET /orders/large', 'POST /orders/echo'],
    )
    assert.match(String(seen[0]?.['forwarded']), /for=/)
    const records = await rig.records()
    const [intent, outcome] = transaction(records, allowed.headers['countersign-record'])
    assert.equal(intent?.http?.route, '/orders/{id}')
    assert.deepEqual(
      [intent?.phase, outcome?.phase, outcome?.outcome, outcome?.http?.status],
      ['intent', 'outcome', 'success', 200],
    )
    assert.deepEqual(intent?.labels, ['pii'])
    assert.ok(String(seen[0]?.['traceparent']).includes(intent?.trace?.id ?? 'none'))
    const sized = records.find((leaf) => leaf.http?.response_bytes === large.length)
    assert.equal(sized?.outcome, 'success')
    const sent = records.find((leaf) => leaf.http?.request_bytes === large.length)
    assert.equal(sent?.http?.status, 201)
    for (const answer of [wrongRole, nobody, forged, undeclared]) {
      const [attempt, refusal] = transaction(records, answer.headers['countersign-record'])
      assert.deepEqual([attempt?.decision?.allowed, refusal?.outcome], [false, 'denied'])
    }
    // The leaf is for ever, so nothing in it says who or what exactly.
    const text = JSON.stringify(records)
    for (const revealing of ['alice', 'example.com"', 'a%40', '/orders/1', alice]) {
      assert.ok(!text.includes(revealing), revealing)
    }
    await rig.stopAll()
    await rig.check()
  },
)

test('an answer streams through whole, and its digest is that of the upstream', async () => {
  const body = randomBytes(3_000_000)
  await using upstream = await openUpstream((response) => {
    response.write(body.subarray(0, 1_000_000))
    response.end(body.subarray(1_000_000))
  })
  await using rig = await openRig(() => ({ services: { orders: orders(upstream.port) } }))
  await rig.startAll()
  const digest = createHash('sha256')
  const request = get({ port: rig.ports.inbound, host: '127.0.0.1', path: '/public/x' })
  const [response] = (await once(request, 'response')) as [AsyncIterable<Buffer>]
  for await (const chunk of response) digest.update(chunk)
  assert.equal(digest.digest('hex'), createHash('sha256').update(body).digest('hex'))
  await rig.stopAll()
  await rig.check()
})

test('without a ledger strict mode forwards nothing, and what was tried is on record afterwards', async () => {
  await using upstream = await openUpstream((response) => response.end('ok'))
  await using rig = await openRig(() => ({ services: { orders: orders(upstream.port) } }))
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}/public/x`
  assert.equal((await curl(url)).status, 200)
  await rig.kill('ledger')
  const down = await curl(url)
  assert.deepEqual(
    [down.status, down.headers['countersign-decision'], down.headers['retry-after']],
    [503, 'ledger_unavailable', '1'],
  )
  assert.equal(upstream.requests(), 1)
  assert.equal((await curl(`http://127.0.0.1:${rig.ports.admin}/readyz`)).status, 503)

  await rig.start('ledger')
  await ready(rig)
  assert.equal((await curl(url)).status, 200)
  assert.equal(upstream.requests(), 2)
  const records = await rig.records()
  const late = records.filter((leaf) => leaf.reason === 'ledger_unavailable')
  assert.deepEqual(
    late.map(({ phase, outcome }) => [phase, outcome]),
    [['outcome', 'error']],
  )
  assert.equal(transaction(records, late[0]?.id)[0]?.phase, 'intent')
  await rig.stopAll()
  await rig.check()
})

test('best-effort goes on without a ledger, and counts what it could not keep as a gap', async () => {
  await using upstream = await openUpstream((response) => response.end('ok'))
  await using rig = await openRig(() => ({
    services: { orders: orders(upstream.port, { mode: 'best-effort' }) },
    ledger: { pendingMax: 3, heartbeatInterval: '100 ms' },
  }))
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}/public/x`
  await rig.kill('ledger')
  for (let at = 0; at < 5; at += 1) assert.equal((await curl(url)).status, 200)
  assert.equal(upstream.requests(), 5)
  await rig.start('ledger')
  await ready(rig)
  await rig.stopAll()
  await rig.start('signer')
  await rig.start('ledger')
  const records = await rig.records()
  const kept = records.filter((leaf) => leaf.class === 'http.server').length
  const gaps = records.flatMap(({ lifecycle }) => (lifecycle?.kind === 'gap' ? [lifecycle] : []))
  const lost = gaps.reduce((sum, { count }) => sum + count, 0)
  assert.ok(lost > 0)
  assert.ok(gaps.every(({ why }) => why === 'LEDGER_FULL'))
  // Heartbeats queue too, and may be lost as well: what is missing is never more than what is counted.
  assert.ok(kept + lost >= 5, `${kept} kept, ${lost} counted as lost`)
  await rig.stopAll()
  await rig.check()
})

test('bounded keeps its promise of time: past it, requests are refused', async () => {
  await using upstream = await openUpstream((response) => response.end('ok'))
  await using rig = await openRig(() => ({
    services: { orders: orders(upstream.port, { mode: 'bounded' }) },
    ledger: { boundedWithin: '200 ms' },
  }))
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}/public/x`
  const before = await curl(url)
  assert.equal(before.status, 200)
  // Its record follows the answer: if it still waited when the ledger dies, it would be the one that starts the time.
  const isOnRecord = async () =>
    (await rig.records()).some(({ id }) => id === before.headers['countersign-record'])
  while (!(await isOnRecord()));
  await rig.kill('ledger')
  // The first that waits starts the time; those that come near its end wait for it, and are refused.
  const statuses: number[] = []
  while (statuses.at(-1) !== 503) statuses.push((await curl(url)).status)
  assert.ok(statuses.length > 1 && statuses.slice(0, -1).every((status) => status === 200))
  assert.equal(upstream.requests(), statuses.length)
  await rig.start('ledger')
  await ready(rig)
  assert.equal((await curl(url)).status, 200)
  await rig.stopAll()
  await rig.check()
})

test('a new policy is in force without dropping a connection, and a broken one changes nothing', async () => {
  const held = Promise.withResolvers<ServerResponse>()
  await using upstream = await openUpstream((response, path) => {
    if (path === '/public/slow') {
      response.write('first ')
      held.resolve(response)
    } else response.end('ok')
  })
  const services = { orders: orders(upstream.port) }
  await using rig = await openRig(() => ({ ...access, services }))
  const alice = await key(rig, '--name', 'alice', '--type', 'user', '--group', 'support')
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}`
  const slow = curl(`${url}/public/slow`)
  const response = await held.promise
  const ask = () => curl('-H', `Authorization: Bearer ${alice}`, `${url}/orders/1`)
  assert.equal((await ask()).status, 200)

  const changed = rig.said('is in force')
  await rig.write({ ...access, grants: [], services })
  await changed
  assert.equal((await ask()).headers['countersign-decision'], 'no_grant')
  const refused = rig.said('stays in force')
  await writeFile(rig.configFile, 'origin: [broken')
  await refused
  assert.equal((await ask()).headers['countersign-decision'], 'no_grant')
  response.end('last')
  assert.deepEqual([(await slow).status, (await slow).body], [200, 'first last'])

  const versions = (await rig.records()).flatMap(({ lifecycle }) =>
    lifecycle?.kind === 'config' ? [lifecycle] : [],
  )
  assert.deepEqual(
    versions.map(({ accepted }) => accepted),
    [true, true, false],
  )
  assert.equal(versions[1]?.previous, versions[0]?.config)
  assert.equal(versions[2]?.policy, versions[1]?.policy)
  await rig.stopAll()
  await rig.check()
})

test('a key counts as soon as it is made, no longer than it is revoked, and both are on record', async () => {
  await using upstream = await openUpstream((response) => response.end('ok'))
  const services = { orders: orders(upstream.port) }
  await using rig = await openRig(() => ({ ...access, services }))
  await rig.startAll()
  const made = rig.said('is in force')
  const carol = await key(rig, '--name', 'carol', '--type', 'user')
  await made
  const ask = () =>
    curl('-H', `Authorization: Bearer ${carol}`, `http://127.0.0.1:${rig.ports.inbound}/orders/1`)
  assert.equal((await ask()).status, 200)
  const keyId = carol.split('_')[1] ?? ''
  const revoked = rig.said('is in force')
  assert.equal((await rig.command('keys', 'revoke', keyId)).code, 0)
  await revoked
  const refused = await ask()
  assert.deepEqual(
    [refused.status, refused.headers['countersign-decision']],
    [401, 'bad_credential'],
  )
  const records = await rig.records()
  const [attempt] = transaction(records, refused.headers['countersign-record'])
  assert.deepEqual(attempt?.actor?.credential?.defects, ['revoked'])
  const keys = records.flatMap(({ lifecycle }) => (lifecycle?.kind === 'key' ? [lifecycle] : []))
  assert.deepEqual(keys, [
    { kind: 'key', change: 'created', key: keyId },
    { kind: 'key', change: 'revoked', key: keyId },
  ])
  await rig.stopAll()
  await rig.check()
})

test('nobody passes whose pseudonym cannot be stored; the log says why, and the record that it happened', async () => {
  await using upstream = await openUpstream((response) => response.end('ok'))
  await using rig = await openRig(() => ({
    ...access,
    services: { orders: orders(upstream.port) },
  }))
  const carol = await key(rig, '--name', 'carol', '--type', 'user')
  await rig.startAll()
  const ask = () =>
    curl('-H', `Authorization: Bearer ${carol}`, `http://127.0.0.1:${rig.ports.inbound}/orders/1`)
  const subjects = new DatabaseSync(join(rig.dataDir, 'state/subjects.db'))
  subjects.exec('BEGIN IMMEDIATE')
  const told = rig.said('could not use the pseudonyms')
  const refused = await ask()
  subjects.exec('ROLLBACK')
  subjects.close()
  await told
  assert.deepEqual(
    [refused.status, refused.headers['countersign-decision'], upstream.requests()],
    [503, 'identity_unavailable', 0],
  )
  assert.equal((await ask()).status, 200)
  const failed = (await rig.records()).filter(({ reason }) => reason === 'identity_unavailable')
  assert.deepEqual(
    failed.map(({ phase, outcome, actor }) => [phase, outcome, actor?.type]),
    [['single', 'error', 'unknown']],
  )
  await rig.stopAll()
  await rig.check()
})

/** Resolves when the gateway says that it would serve. */
async function ready(rig: Rig): Promise<void> {
  while ((await curl(`http://127.0.0.1:${rig.ports.admin}/readyz`)).status !== 200) continue
}

async function openUpstream(
  answer: (response: ServerResponse, path: string) => void,
): Promise<{ port: number; requests(): number } & AsyncDisposable> {
  let requests = 0
  const server: Server = createServer((request, response) => {
    requests += 1
    answer(response, request.url ?? '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
