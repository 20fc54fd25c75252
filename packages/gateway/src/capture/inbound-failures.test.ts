import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import {
  allowed,
  exchangeRaw,
  openBench,
  openClient,
  openRawUpstream,
  openUpstream,
  parseAnswer,
  reference,
} from './testing/inbound.ts'

const get = (path = '/orders/42', more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: orders.test\r\n${more}\r\n`
const getOnce = (path?: string): string => get(path, 'Connection: close\r\n')

test('a ledger that can not write gives 503 with a reason, and nothing is forwarded', async (t) => {
  const bench = await openBench(t, {
    upstream: 1,
    journey: async (exchange) => exchange.unavailable('ledger_unavailable'),
  })
  const { status, headers } = parseAnswer(await exchangeRaw(t, bench.port, getOnce()))
  assert.equal(status, 503)
  assert.equal(headers['countersign-decision'], 'ledger_unavailable')
  assert.equal(headers['retry-after'], '1')
})

test('an aborted answer does not look complete: the connection is reset', async (t) => {
  const upstream = await openUpstream(t, (_request, response) => response.end('hello'))
  for (const version of ['1.1', '1.0']) {
    const bench = await openBench(t, {
      upstream,
      journey: async (exchange) =>
        (await exchange.forward(allowed, { record: reference(exchange), hold: true })).abort(),
    })
    const client = openClient(t, bench.port, getOnce().replace('1.1', version))
    assert.equal(await client.closed(), '')
    assert.ok(client.wasReset())
  }
})

test('what upstreams do wrong is an error with a reason, and the client sees 502 or 504', async (t) => {
  const answers: Readonly<Record<string, string>> = {
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n':
      'upstream_protocol',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n': 'upstream_protocol',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok': 'upstream_protocol',
    'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok': 'upstream_protocol',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n':
      'upstream_protocol',
    'SSH-2.0-OpenSSH\r\n': 'upstream_protocol',
    '': 'upstream_closed',
  }
  for (const [answer, reason] of Object.entries(answers)) {
    const upstream = await openRawUpstream(
      t,
      (socket) => void socket.once('data', () => socket.end(answer, 'latin1')),
    )
    const bench = await openBench(t, { upstream })
    const { status, headers } = parseAnswer(await exchangeRaw(t, bench.port, getOnce()))
    assert.equal((await bench.outcome()).reason, reason, answer)
    assert.equal(status, 502)
    assert.equal(headers['countersign-error'], reason)
  }
})

test('an answer that breaks off after its head cuts the client off', async (t) => {
  const upstream = await openRawUpstream(
    t,
    (socket) =>
      void socket.once('data', () =>
        socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'),
      ),
  )
  const bench = await openBench(t, { upstream })
  const client = openClient(t, bench.port, get())
  assert.doesNotMatch(await client.closed(), /0\r\n\r\n$/)
  const { outcome, reason } = await bench.outcome()
  assert.deepEqual({ outcome, reason }, { outcome: 'error', reason: 'upstream_closed' })
})

test('an upstream that is not there is 502, one that does not answer is 504', async (t) => {
  const nobody = await openBench(t, { upstream: 1 })
  assert.equal(parseAnswer(await exchangeRaw(t, nobody.port, getOnce())).status, 502)
  assert.equal((await nobody.outcome()).reason, 'upstream_unreachable')
  const silent = await openRawUpstream(t, () => {})
  const bench = await openBench(t, { upstream: silent, limits: { upstreamTimeout: 50 } })
  assert.equal(parseAnswer(await exchangeRaw(t, bench.port, getOnce())).status, 504)
  assert.equal((await bench.outcome()).reason, 'upstream_timeout')
})

test('a client that leaves breaks off the upstream request, and the outcome says so', async (t) => {
  const broken = Promise.withResolvers<void>()
  const upstream = await openUpstream(t, (_request, response) => {
    response.write('begun')
    response.once('close', () => broken.resolve())
  })
  const bench = await openBench(t, { upstream })
  const client = openClient(t, bench.port, get())
  await client.until(/begun/)
  client.socket.destroy()
  await broken.promise
  const { outcome, reason } = await bench.outcome()
  assert.deepEqual({ outcome, reason }, { outcome: 'error', reason: 'client_gone' })
})

test('a client that ends its half has left: its request is broken off, and recorded as such', async (t) => {
  const reached = Promise.withResolvers<void>()
  const broken = Promise.withResolvers<void>()
  const upstream = await openUpstream(t, (_request, response) => {
    response.once('close', () => broken.resolve())
    reached.resolve()
  })
  const bench = await openBench(t, { upstream })
  const client = openClient(t, bench.port, get())
  await reached.promise
  client.socket.end()
  await broken.promise
  const { outcome, reason, status } = await bench.outcome()
  assert.deepEqual([outcome, reason, status], ['error', 'client_gone', 499])
  assert.equal(await client.closed(), '')
})

test('an upstream that answers before it has read the body is heard, and the connection ends', async (t) => {
  const upstream = await openRawUpstream(t, (socket) => {
    socket.pause()
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
  })
  const bench = await openBench(t, { upstream })
  const client = openClient(
    t,
    bench.port,
    'POST /orders HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\nhello',
  )
  const { status, headers, body } = parseAnswer(await client.until(/no$/))
  assert.deepEqual([status, headers['connection'], body], [403, 'close', 'no'])
  assert.equal((await bench.outcome()).outcome, 'failure')
  client.socket.end()
  await client.closed()
})

test('a body that breaks its framing destroys the upstream connection and is never a whole request there', async (t) => {
  let whole = false
  const closed = Promise.withResolvers<void>()
  const upstream = await openUpstream(t, (request) => {
    request.on('error', () => {})
    request.on('end', () => (whole = true))
    request.socket.once('close', () => closed.resolve())
    request.resume()
    reached.resolve()
  })
  const reached = Promise.withResolvers<void>()
  const bench = await openBench(t, { upstream })
  const client = openClient(
    t,
    bench.port,
    'POST /orders HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  )
  await reached.promise
  client.socket.write('zz\r\n')
  await closed.promise
  assert.equal(whole, false)
  assert.equal((await bench.outcome()).reason, 'body_framing')
  assert.equal(parseAnswer(await client.closed()).status, 400)
})

test('a small body that breaks off never reaches the upstream', async (t) => {
  let contacted = false
  const upstream = await openUpstream(t, () => (contacted = true))
  const bench = await openBench(t, { upstream })
  const client = openClient(
    t,
    bench.port,
    'POST /orders HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello',
  )
  client.socket.end()
  assert.equal((await bench.outcome()).reason, 'client_gone')
  await client.closed()
  assert.equal(contacted, false)
})

test('pipelined requests beyond what may wait are left with the client, and none is looked at out of turn', async (t) => {
  const bench = await openBench(t, { upstream: 1, journey: () => new Promise(() => {}) })
  const client = openClient(t, bench.port, get().repeat(500_000))
  await once(client.socket, 'connect')
  const unanswered = openClient(t, bench.port, get())
  while (bench.captured.length < 2) await new Promise((resolve) => void setImmediate(resolve))
  unanswered.socket.destroy()
  assert.ok(client.socket.writableLength > 0)
  assert.deepEqual(bench.malformed, [])
})

test('what stands behind a request that is to be the last is on record, and never a request', async (t) => {
  const upstream = await openUpstream(t, (_request, response) => response.end('whole'))
  const bench = await openBench(t, { upstream })
  const answer = await exchangeRaw(t, bench.port, `${getOnce()}${get('/second')}`)
  assert.match(answer, /^HTTP\/1\.1 200 OK[^]*\r\n\r\nwhole$/)
  assert.deepEqual(
    bench.malformed.map(({ defect, requestLine }) => [defect, requestLine]),
    [['syntax', 'GET /second HTTP/1.1']],
  )
  assert.equal(bench.captured.length, 1)
  // Old clients end a body with a line end that is not part of it.
  await exchangeRaw(t, bench.port, `${getOnce()}\r\n`)
  assert.equal(bench.malformed.length, 1)
})

test('garbage behind a whole request is on record, and both are answered in turn', async (t) => {
  const upstream = await openUpstream(t, (_request, response) => response.end('whole'))
  const bench = await openBench(t, { upstream })
  const answer = await exchangeRaw(t, bench.port, `${get()}GARBAGE\r\n\r\n`)
  assert.match(answer, /^HTTP\/1\.1 200 OK[^]*\r\n\r\nwholeHTTP\/1\.1 405 [^]*\}\n$/)
  assert.deepEqual(
    bench.malformed.map(({ defect }) => defect),
    ['method'],
  )
})
