/** Completeness through the whole product: what the log proves of itself, and what a real upstream's access log adds. */
import assert from 'node:assert/strict'
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { curl, hasNginx, openNginx } from './clients.ts'
import { type Rig, type Wanted, freePort, openRig } from './rig.ts'

const skip = hasNginx ? false : 'no nginx here'

function servicesAt(port: number): Wanted {
  const routes = [
    { match: 'GET /orders/{id}', public: true },
    { match: 'GET /secret/{id}', permission: 'secret.read' },
  ]
  return { services: { orders: { upstream: `http://127.0.0.1:${port}`, routes } } }
}

async function openUpstream(rig: Rig): Promise<void> {
  await mkdir(join(rig.dir, 'www/orders'), { recursive: true })
  for (const id of [1, 2, 3]) await writeFile(join(rig.dir, `www/orders/${id}`), `${id}`)
}

interface Told {
  readonly byId: number
  readonly byTime: number
  readonly seen: number
  readonly forwarded: number
  readonly bypass: readonly { path: string; why: string; requestId: string }[]
  readonly unseen: readonly { leafIndex: number; route: string }[]
  readonly lines: { readonly badTotal: number }
}

async function reconciled(
  rig: Rig,
  ...args: readonly string[]
): Promise<{ code: number; told: Told; stderr: string }> {
  const file = join(rig.dir, 'nginx-access.log')
  const { code, stdout, stderr } = await rig.command(
    'reconcile',
    '--service',
    'orders',
    '--access-log',
    file,
    '--json',
    ...args,
  )
  return { code, told: JSON.parse(stdout) as Told, stderr }
}

test(
  'requests that went around the gateway are told apart from those that went through it',
  { skip },
  async () => {
    const upstream = await freePort()
    await using rig = await openRig(() => servicesAt(upstream))
    await openUpstream(rig)
    await rig.startAll()
    const through = `http://127.0.0.1:${rig.ports.inbound}`
    const around = `http://127.0.0.1:${upstream}`
    {
      await using _ = await openNginx(rig.dir, upstream)
      for (const id of [1, 2, 3, 404]) await curl(`${through}/orders/${id}?who=alice`)
      assert.equal((await curl(`${through}/secret/1`)).status, 401)
      await curl('-H', 'x-request-id: chosen', `${through}/orders/1`)
      await curl('-H', 'x-request-id: chosen', `${through}/orders/2`)
    }
    await rig.stopAll()

    const agree = await reconciled(rig)
    assert.deepEqual([agree.code, agree.told.byId, agree.told.forwarded], [0, 6, 6], agree.stderr)

    {
      await using _ = await openNginx(rig.dir, upstream)
      await curl(`${around}/orders/1`)
      await curl('-H', 'x-request-id: chosen', `${around}/orders/3`)
    }
    const { code, told } = await reconciled(rig)
    assert.equal(code, 1)
    assert.deepEqual(
      told.bypass.map(({ path, why, requestId }) => [path, why, requestId]),
      [
        ['/orders/1', 'unknown', ''],
        ['/orders/3', 'repeated', 'chosen'],
      ],
    )
    assert.deepEqual([told.byId, told.seen, told.unseen], [6, 8, []])
    const words = await rig.command(
      'reconcile',
      '--service',
      'orders',
      '--access-log',
      join(rig.dir, 'nginx-access.log'),
    )
    assert.match(words.stdout, /^NOT reconciled: orders, /)
    assert.match(
      words.stdout,
      / {2}BYPASS {6}line 7, \S+ GET \/orders\/1 200: the log does not know it\n/,
    )
    const ignoring = await reconciled(rig, '--ignore', '/orders/1', '--ignore', '/orders/3')
    assert.equal(ignoring.told.bypass.length, 0)
  },
)

test(
  'what the upstream never saw, what cannot be read, and what has no request id',
  { skip },
  async () => {
    const upstream = await freePort()
    await using rig = await openRig(() => servicesAt(upstream))
    await openUpstream(rig)
    await rig.startAll()
    const through = `http://127.0.0.1:${rig.ports.inbound}`
    {
      await using _ = await openNginx(rig.dir, upstream)
      for (const id of [1, 2, 3]) await curl(`${through}/orders/${id}`)
    }
    // The upstream is away: this one failed on the way.
    assert.equal((await curl(`${through}/orders/1`)).status, 502)
    await rig.stopAll()
    const file = join(rig.dir, 'nginx-access.log')
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
    const [first = '', second = '', third = ''] = lines

    await writeFile(file, `${first}\n${third}\n`)
    const missing = await reconciled(rig)
    assert.equal(missing.code, 1)
    assert.deepEqual(
      missing.told.unseen.map(({ route }) => route),
      ['/orders/{id}'],
    )

    const bare = lines.map((line) => line.replace(/"request_id":"[^"]*"/, '"request_id":""'))
    await writeFile(file, `${bare.join('\n')}\n`)
    const weaker = await reconciled(rig)
    assert.deepEqual([weaker.code, weaker.told.byId, weaker.told.byTime], [0, 0, 3])

    await writeFile(file, `${first}\n${second}\n${third}\n`)
    await appendFile(file, 'not json\n{"msec":"17')
    const hostile = await reconciled(rig)
    assert.deepEqual([hostile.code, hostile.told.lines.badTotal, hostile.told.byId], [1, 1, 3])

    await writeFile(file, '')
    const { code, stderr } = await rig.command(
      'reconcile',
      '--service',
      'orders',
      '--access-log',
      file,
    )
    assert.equal(code, 2)
    assert.match(stderr, /could not compare: .* holds no request/)
  },
)

test('a whole life with a crash in it: what verify --complete proves, and what it cannot', async () => {
  const upstream = await freePort()
  await using rig = await openRig(() => ({
    ...servicesAt(upstream),
    ledger: { heartbeatInterval: '100 ms' },
  }))
  await rig.startAll()
  const url = `http://127.0.0.1:${rig.ports.inbound}/orders/1`
  for (let nth = 0; nth < 5; nth++) await curl(url)
  await heartbeats(rig, 2)
  await rig.kill('gateway')
  await rig.start('gateway')
  for (let nth = 0; nth < 5; nth++) await curl(url)
  await heartbeats(rig, 2)
  await rig.stopAll()
  await rig.check()

  const { code, stdout } = await rig.command('verify', '--complete', '--json')
  assert.equal(code, 0, stdout)
  const { completeness } = JSON.parse(stdout) as {
    completeness: { verdict: string; holes: []; unproved: string[]; sessions: { end: string }[] }
  }
  assert.deepEqual([completeness.verdict, completeness.holes], ['unproved', []])
  assert.equal(completeness.unproved.length, 1, completeness.unproved.join())
  assert.match(
    completeness.unproved[0] ?? '',
    /of the gateway ended without a shutdown after entry/,
  )
  assert.deepEqual(
    completeness.sessions.map(({ end }) => end),
    ['shutdown', 'crash', 'shutdown'],
  )
})

/** Resolves once the log holds so many more heartbeats of the gateway that runs. */
async function heartbeats(rig: Rig, count: number): Promise<void> {
  const beats = async (): Promise<number> =>
    (await rig.records()).filter(({ lifecycle }) => lifecycle?.kind === 'heartbeat').length
  const before = await beats()
  while ((await beats()) < before + count);
}
