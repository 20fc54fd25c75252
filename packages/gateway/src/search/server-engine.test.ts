import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openIndexer } from './indexer.ts'
import { openIndex } from './open-index.ts'
import { serverPlacement } from './cluster-placement.ts'
import { oneRow } from './engine.ts'
import type { Engine } from './engine.ts'
import type { SearchError } from './errors.ts'
import type { Index } from './rows.ts'
import { TRANSACTIONS } from './schema.ts'
import { openServerEngine } from './server-engine.ts'
import type { ServerOptions } from './server-engine.ts'
import { allRows, idOf, leafOf, logOf, noAnswers, requestOf, rowsIn } from './search.testing.ts'
import type { ClickHouseHttp } from './testing/clickhouse-http.ts'
import { makeCertificate } from './testing/certificate.ts'
import { temporaryClickHouse } from './testing/clickhouse-server.ts'
import type { RunningClickHouse } from './testing/clickhouse-server.ts'

const PASSWORD = 'correct horse'
const ORIGIN = 'audit.example.com/1'
const LIMITS = { rowsMax: 1000, timeMs: 20_000, memoryBytesMax: 200_000_000 }

/** A server with a password, and how it is opened. */
async function started(
  t: TestContext,
  more: Partial<ClickHouseHttp> = {},
): Promise<{ server: RunningClickHouse; options: ServerOptions; folder: string }> {
  const server = await temporaryClickHouse(t, { password: PASSWORD, ...more })
  const options = { url: server.url, user: 'default', password: PASSWORD, database: 'records' }
  return { server, options, folder: server.folder }
}

async function opened(t: TestContext, options: ServerOptions): Promise<Engine> {
  const engine = await openServerEngine(options)
  t.after(() => engine.close())
  return engine
}

function indexOn(engine: Engine): Promise<Index> {
  return openIndex({ engine, placement: serverPlacement, answers: noAnswers })
}

const records = logOf([
  { leaf: leafOf(10, 'intent'), addenda: [requestOf({ path: "/it's\n\\t{x}" })] },
  { leaf: leafOf(10, 'outcome', { http: { status: 200 } }) },
  { leaf: leafOf(11, 'intent') },
  { leaf: leafOf(12, 'single', { http: { status: 204 } }) },
])

async function indexed(index: Index): Promise<void> {
  const indexer = await openIndexer({ index, origin: ORIGIN, dropAfterOf: () => undefined })
  for (const record of records.slice(indexer.next)) await indexer.take(record)
  await indexer.flush()
}

/** What it says when it cannot be opened: never the password. */
async function refusal(options: ServerOptions): Promise<SearchError> {
  const error: unknown = await openServerEngine(options).then(
    () => assert.fail('it was opened'),
    (cause: unknown) => cause,
  )
  assert.ok(error instanceof Error)
  const { message, hint = '' } = error as SearchError
  assert.ok(!`${message} ${hint}`.includes(options.password ?? PASSWORD), message)
  return error as SearchError
}

test('a log is indexed, erased and dropped on a server as in this process', async (t) => {
  const { options } = await started(t)
  const engine = await opened(t, options)
  const index = await indexOn(engine)
  await indexed(index)
  assert.deepEqual(await index.logs(), [{ origin: ORIGIN, next: 4, records: 4, transactions: 3 }])
  const rows = await rowsIn(engine, ORIGIN)
  assert.deepEqual(
    rows.map(({ id, path, outcome }) => [id, path, outcome]),
    [
      [idOf(10), "/it's\n\\t{x}", 'success'],
      [idOf(11), undefined, 'open'],
      [idOf(12), undefined, 'success'],
    ],
  )
  const waiting = await index.waiting(
    ORIGIN,
    Array.from({ length: 4000 }, (_, at) => (at === 0 ? idOf(11) : `no '${at}' \\ id`)),
  )
  assert.deepEqual(
    waiting.map(({ transaction }) => transaction.id),
    [idOf(11)],
  )
  await index.erase(ORIGIN, [{ from: 0, to: 1 }])
  assert.equal((await rowsIn(engine, ORIGIN))[0]?.content, 'erased')
  assert.equal(await index.drop(ORIGIN, { today: '2199-01-01', kept: [] }), 2)
})

test('the limits of a question hold on a server, and its parameters are never part of its text', async (t) => {
  const { options } = await started(t)
  const engine = await opened(t, options)
  const explosive = [
    [
      'SELECT sum(a.number * b.number) FROM numbers(1000000) a, numbers(1000000) b',
      { timeMs: 500 },
    ],
    ['SELECT length(groupArray(number)) FROM numbers(100000000)', { memoryBytesMax: 20_000_000 }],
    ['SELECT number FROM numbers(100000000)', { rowsMax: 1000 }],
  ] as const
  for (const [sql, limit] of explosive)
    await assert.rejects(allRows(engine, sql, { limits: { ...LIMITS, ...limit } }), {
      code: 'SEARCH_LIMIT',
    })
  const value = "'; DROP TABLE x -- \\' \n \t {p:String} é"
  assert.deepEqual(await allRows(engine, 'SELECT {p:String} AS p', { params: { p: value } }), [
    { p: value },
  ])
})

test('an insert that is said twice with one token is there once', async (t) => {
  const { options } = await started(t)
  const engine = await opened(t, options)
  await indexOn(engine)
  const row = oneRow(TRANSACTIONS, {
    origin: ORIGIN,
    leaf: 1,
    id: idOf(1),
    time: '0',
    drop_after: '2149-06-06',
  })
  for (const token of ['one', 'one', 'other']) await engine.insert(row, token)
  assert.deepEqual(await allRows(engine, `SELECT count() AS held FROM ${TRANSACTIONS}`), [
    { held: '2' },
  ])
  // Without a token two equal inserts are two.
  for (let said = 0; said < 2; said++) await engine.insert(row)
  assert.deepEqual(await allRows(engine, `SELECT count() AS held FROM ${TRANSACTIONS}`), [
    { held: '4' },
  ])
})

test('answers that are lost after an insert landed lose and double nothing', async (t) => {
  const { server, options, folder } = await started(t, {
    losesAnswersOf: `INSERT INTO ${TRANSACTIONS}`,
  })
  const engine = await opened(t, options)
  const index = await indexOn(engine)
  await assert.rejects(indexed(index), (error: SearchError) => {
    assert.equal(error.code, 'SEARCH_UNAVAILABLE')
    assert.ok(error.message.includes(new URL(server.url).host), error.message)
    return true
  })
  await server.kill()
  const { port } = server
  await started(t, { folder, port })
  await indexed(index)
  assert.deepEqual(await index.logs(), [{ origin: ORIGIN, next: 4, records: 4, transactions: 3 }])
})

test('nothing is written while a statement is still under way whose connection was lost', async (t) => {
  const { options } = await started(t)
  const engine = await opened(t, { ...options, patience: { commandMs: 100 } })
  await indexOn(await opened(t, options))
  const isLate = { code: 'SEARCH_UNAVAILABLE', message: /did not answer within 100 ms$/ }
  await assert.rejects(engine.command('SELECT sleep(1.5)'), isLate)
  const row = oneRow('progress', { origin: ORIGIN, next: 1 })
  const isRunning = { code: 'SEARCH_UNAVAILABLE', message: /is still under way there$/ }
  await assert.rejects(engine.insert(row), isRunning)
  await assert.rejects(allRows(engine, 'SELECT 1'), isRunning)
  // Who asks need not wait for it.
  assert.deepEqual(await allRows(engine, 'SELECT 1 AS one', { limits: LIMITS }), [{ one: 1 }])
  const until = performance.now() + 20_000
  for (;;) {
    try {
      await engine.insert(row)
      break
    } catch (error) {
      assert.ok(performance.now() < until, String(error))
    }
  }
})

test('a server that is killed and started again is gone for a while, and then nothing is lost', async (t) => {
  const { server, options, folder } = await started(t)
  const engine = await opened(t, options)
  const index = await indexOn(engine)
  await indexed(index)
  await server.kill()
  const isAway = {
    code: 'SEARCH_UNAVAILABLE',
    message: /^could not use ClickHouse at localhost:\d+: nobody answers there \(ECONNREFUSED\)$/,
    hint: /goes on by itself/,
  }
  await assert.rejects(allRows(engine, 'SELECT 1', { limits: LIMITS }), isAway)
  const batch = {
    origin: ORIGIN,
    next: 5,
    open: [],
    ended: [{ transaction: { origin: ORIGIN, index: 4, id: idOf(13), time: '1' } }],
  }
  await assert.rejects(index.write(batch), isAway)
  await started(t, { folder, port: server.port })
  await index.write(batch)
  assert.deepEqual(await index.logs(), [{ origin: ORIGIN, next: 5, records: 5, transactions: 4 }])
})

test('a server that does not let us in says which right is missing and what to do', async (t) => {
  const { options } = await started(t)
  const wrong = await refusal({ ...options, password: 'battery staple' })
  assert.equal(wrong.code, 'SEARCH_UNAVAILABLE')
  assert.match(wrong.message, /at localhost:\d+: it said AUTHENTICATION_FAILED \(516\)/)
  assert.match(wrong.hint ?? '', /check reader\.index\.user/)

  const poor = await started(t, { denies: 'CREATE DATABASE' })
  const denied = await refusal(poor.options)
  assert.match(denied.message, /it said ACCESS_DENIED \(497\)/)
  assert.match(denied.hint ?? '', /use-a-clickhouse-server\.md/)

  const bound = await started(t, { readonly: true })
  assert.match((await refusal(bound.options)).message, /it said READONLY \(164\)/)
})

test('a server that is too old is told by its version', async (t) => {
  for (const version of ['25.8.1.1', '26.1.9.9', 'x', '']) {
    const { options } = await started(t, { version })
    const { code, message } = await refusal(options)
    assert.equal(code, 'SEARCH_UNAVAILABLE')
    assert.match(
      message,
      /it is of version (25\.8\.1\.1|26\.1\.9\.9|none), and the index needs 26\.2/,
    )
  }
})

test('TLS is by our own authority, and by nobody else', async (t) => {
  const { cert, key } = await makeCertificate(t, 'localhost')
  const { options } = await started(t, { tls: { cert, key } })
  const engine = await opened(t, { ...options, ca: Buffer.from(cert) })
  assert.deepEqual(await allRows(engine, 'SELECT 1 AS one'), [{ one: 1 }])
  const stranger = await makeCertificate(t, 'localhost')
  for (const ca of [undefined, Buffer.from(stranger.cert)]) {
    const error = await refusal({ ...options, ...(ca === undefined ? {} : { ca }) })
    assert.match(error.message, /its certificate is not trusted \([A-Z_]+\)/)
    assert.match(error.hint ?? '', /reader\.index\.ca/)
  }
  const plain = await refusal({ ...options, url: options.url.replace('https', 'http') })
  assert.equal(plain.code, 'SEARCH_UNAVAILABLE')
})

test('whoever answers in place of ClickHouse is not believed and not repeated', async (t) => {
  for (const [status, body] of [
    [200, 'hello secret'],
    [200, '{"version":secret\n'],
    [500, '<html>secret</html>'],
    [302, ''],
  ] as const) {
    const impostor = createServer((_, response) => {
      response.writeHead(status, { location: 'http://secret.example' }).end(body)
    }).listen(0, '127.0.0.1')
    await once(impostor, 'listening')
    t.after(() => impostor.close().closeAllConnections())
    const { port } = impostor.address() as AddressInfo
    const options = { url: `http://127.0.0.1:${port}`, user: 'u', password: 'p4ss', database: 'd' }
    const error = await refusal(options)
    assert.equal(error.code, 'SEARCH_UNAVAILABLE')
    assert.doesNotMatch(`${error.message} ${error.hint}`, /secret/)
  }
})

test('an old server that says no name of an error is understood by its number', async (t) => {
  // As version 18.16 says it.
  const old = createServer((_, response) => {
    const said = 'Code: 193, e.displayText() = DB::Exception: Wrong password for user default'
    response.writeHead(500).end(`${said}, e.what() = DB::Exception\n`)
  }).listen(0, '127.0.0.1')
  await once(old, 'listening')
  t.after(() => old.close().closeAllConnections())
  const { port } = old.address() as AddressInfo
  const options = { url: `http://127.0.0.1:${port}`, user: 'u', password: 'p4ss', database: 'd' }
  const { message, hint = '' } = await refusal(options)
  assert.match(message, /at 127\.0\.0\.1:\d+: it said error 193$/)
  assert.match(hint, /check reader\.index\.user/)
})

test('a server that never answers is given up', async (t) => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close().closeAllConnections())
  const { port } = silent.address() as AddressInfo
  const options = { url: `http://127.0.0.1:${port}`, user: 'u', password: 'p4ss', database: 'd' }
  const error = await refusal({ ...options, patience: { queryMs: 50 } })
  assert.equal(
    error.message,
    `could not use ClickHouse at 127.0.0.1:${port}: it did not answer within 50 ms`,
  )
})
