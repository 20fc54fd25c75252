import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { makeCertificate } from '../../packages/gateway/src/search/testing/certificate.ts'
import { temporaryClickHouse } from '../../packages/gateway/src/search/testing/clickhouse-server.ts'
import { launchProcess } from './running-process.ts'
import { setUp } from './running-up.ts'
import type { Setup } from './running-up.ts'

const PASSWORD = 'correct horse battery staple'
const PAGE = 'docs/how-to/use-a-clickhouse-server.md'
/** How long what was asked of the gateway may take to be found. */
const FOUND_MS_MAX = 30_000

/** A gateway in front of one service, and its index on a server that speaks TLS. */
async function openWorld(t: TestContext): Promise<{
  readonly setup: Setup
  readonly tls: { readonly cert: string; readonly key: string }
  readonly server: Awaited<ReturnType<typeof temporaryClickHouse>>
}> {
  const tls = await makeCertificate(t, 'localhost')
  const server = await temporaryClickHouse(t, { user: 'countersign', password: PASSWORD, tls })
  const setup = await setUp()
  t.after(() => setup[Symbol.asyncDispose]())
  const upstream = createServer((_, response) => response.end('here\n')).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.after(() => upstream.close().closeAllConnections())
  const { port } = upstream.address() as AddressInfo
  await writeFile(join(setup.folder, 'clickhouse.password'), `${PASSWORD}\n`, { mode: 0o600 })
  await writeFile(join(setup.folder, 'clickhouse-ca.pem'), tls.cert)
  await setup.change(
    (text) => `${text.replace('127.0.0.1:9001', `127.0.0.1:${port}`)}
reader:
  index:
    url: ${server.url}
    user: countersign
    password: ./clickhouse.password
    ca: ./clickhouse-ca.pem
    database: records
`,
  )
  return { setup, tls, server }
}

/** Asks until as many are found. */
async function found(setup: Setup, count: number): Promise<void> {
  const until = performance.now() + FOUND_MS_MAX
  for (;;) {
    const { stdout, stderr } = setup.countersign('search', 'class:http.server', '--json')
    const lines = stdout.trim().split('\n').filter(Boolean).length
    if (lines === count) return
    assert.ok(performance.now() < until, `${lines} of ${count}: ${stderr}`)
    await pause(100)
  }
}

test('a reader keeps its index on a server of ClickHouse, which goes and comes back', async (t) => {
  const { setup, tls, server } = await openWorld(t)
  await using running = await setup.up()
  const { inbound = '' } = running.listening
  const ask = async (): Promise<number> => (await fetch(`${inbound}/orders/17`)).status
  assert.equal(await ask(), 401)
  await found(setup, 1)

  const second = launchProcess(setup.folder, 'reader')
  assert.equal(await second.exit, 2)
  const { reader = 0 } = running.pids
  assert.match(
    second.stderr(),
    new RegExp(`could not open the index: the reader \\S+, process ${reader}, writes it since `),
  )
  const reindexing = setup.countersign('reindex')
  assert.equal(reindexing.status, 2)
  assert.match(reindexing.stderr, /could not open the index: the reader /)

  await server.kill()
  const unanswered = setup.countersign('search', 'class:http.server')
  assert.equal(unanswered.status, 2)
  assert.match(unanswered.stderr, /could not ask the index: it does not answer/)
  assert.match(unanswered.stderr, /countersign: hint: try again in a moment/)
  assert.equal(await ask(), 401)
  await temporaryClickHouse(t, {
    user: 'countersign',
    password: PASSWORD,
    tls,
    folder: server.folder,
    port: server.port,
  })
  await found(setup, 2)

  running.process.kill('SIGTERM')
  assert.equal(await running.exit, 0, running.stderr())
  assert.ok(!running.stderr().includes(PASSWORD))
})

test('a reader whose server cannot be reached says so and is started again, and requests pass', async (t) => {
  const { setup, tls, server } = await openWorld(t)
  await server.kill()
  await using running = await setup.up()
  const { inbound = '' } = running.listening
  assert.equal((await fetch(`${inbound}/orders/17`)).status, 401)
  await running.saysOnStderr('could not use ClickHouse at localhost')
  await temporaryClickHouse(t, {
    user: 'countersign',
    password: PASSWORD,
    tls,
    folder: server.folder,
    port: server.port,
  })
  await found(setup, 1)
})

test('an index on a server is made anew while no reader runs', async (t) => {
  const { setup } = await openWorld(t)
  {
    await using running = await setup.up()
    await fetch(`${running.listening['inbound']}/orders/17`)
    await found(setup, 1)
    running.process.kill('SIGTERM')
    assert.equal(await running.exit, 0, running.stderr())
  }
  const { status, stdout, stderr } = setup.countersign('reindex', '--json')
  assert.equal(status, 0, stderr)
  assert.ok((JSON.parse(stdout) as { readonly transactions: number }).transactions > 1)
  await using again = await setup.up()
  await found(setup, 1)
  again.process.kill('SIGTERM')
  assert.equal(await again.exit, 0, again.stderr())
})

test('what the page tells an administrator to say is read by ClickHouse', async (t) => {
  const { url } = await temporaryClickHouse(t)
  const page = await readFile(join(import.meta.dirname, `../../${PAGE}`), 'utf8')
  const statements = [...page.matchAll(/^```sql\n(.*?)^```$/gms)].flatMap(([, sql = '']) =>
    sql.split(';').filter((statement) => statement.trim() !== ''),
  )
  assert.ok(statements.length >= 7)
  for (const sql of statements) {
    const response = await fetch(url, {
      method: 'POST',
      body: `EXPLAIN AST ${sql}`,
      headers: { authorization: `Basic ${btoa('default:')}` },
    })
    assert.equal(response.status, 200, `${sql}: ${await response.text()}`)
  }
})
