import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { Clock } from '../platform.ts'
import { systemClock } from '../platform.ts'
import { listenInbound } from './inbound.ts'
import {
  allow,
  defaultLimits,
  exchangeRaw,
  openBench,
  openClient,
  openRawUpstream,
  openUpstream,
  parseAnswer,
} from './testing/inbound.ts'

const get = 'GET /orders/42 HTTP/1.1\r\nHost: a.test\r\n'

test('headers over the limit are 431, on record', async (t) => {
  const bench = await openBench(t, { upstream: 1, limits: { headerBytesMax: 4096 } })
  const answer = parseAnswer(
    await exchangeRaw(t, bench.port, `${get}X-Long: ${'x'.repeat(5000)}\r\n\r\n`),
  )
  assert.equal(answer.status, 431)
  assert.deepEqual(
    bench.malformed.map(({ defect }) => defect),
    ['headers_too_large'],
  )
})

test('more header lines than are looked at are 431, none of them is silently dropped', async (t) => {
  const bench = await openBench(t, { upstream: 1 })
  const lines = (count: number): string =>
    Array.from({ length: count }, (_, at) => `x${at}: 1\r\n`).join('')
  assert.equal(
    parseAnswer(await exchangeRaw(t, bench.port, `${get}${lines(3000)}\r\n`)).status,
    431,
  )
  assert.deepEqual(
    bench.malformed.map(({ defect }) => defect),
    ['headers_too_many'],
  )
  const upstream = await openUpstream(t, (request, response) =>
    response.end(String(request.rawHeaders.filter((name) => /^x\d+$/.test(name)).length)),
  )
  const roomy = await openBench(t, { upstream })
  assert.equal(
    parseAnswer(await exchangeRaw(t, roomy.port, `${get}Connection: close\r\n${lines(200)}\r\n`))
      .body,
    '200',
  )
})

test('a head that does not end in time is 408, on record; a connection that says nothing is closed without a word', async (t) => {
  const bench = await openBench(t, { upstream: 1, limits: { headerTimeout: 60 } })
  const slow = openClient(t, bench.port, 'GET / HTTP/1.1\r\nHost: a.te')
  const silent = openClient(t, bench.port)
  assert.equal(parseAnswer(await slow.closed()).status, 408)
  assert.equal(await silent.closed(), '')
  assert.deepEqual(
    bench.malformed.map(({ defect }) => defect),
    ['headers_timeout'],
  )
})

test('a body that stands still is 408, and so is one that creeps', async (t) => {
  const upstream = await openUpstream(t, (request) => void request.on('error', () => {}).resume())
  // Every look at the clock finds a second gone by.
  let nowNs = 0n
  const clock: Clock = {
    nowNs: () => systemClock.nowNs(),
    monotonicNs: () => (nowNs += 1_000_000_000n),
  }
  for (const head of [
    'Content-Length: 1000\r\n\r\n12345',
    'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  ]) {
    const bench = await openBench(t, { upstream, clock, limits: { bodyIdleTimeout: 40 } })
    const client = openClient(t, bench.port, `POST / HTTP/1.1\r\nHost: a.test\r\n${head}`)
    assert.equal((await bench.outcome()).reason, 'body_timeout')
    assert.match(await client.until(/body_timeout/), /^HTTP\/1\.1 408 /)
  }
})

test('a chunked body over the limit is broken off with 413', async (t) => {
  const upstream = await openUpstream(t, (request) => void request.on('error', () => {}).resume())
  const bench = await openBench(t, { upstream, limits: { bodyBytesMax: 8 } })
  const client = openClient(
    t,
    bench.port,
    'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhello\r\n',
  )
  assert.equal(parseAnswer(await client.until(/\}\n$/)).status, 413)
  assert.equal((await bench.outcome()).reason, 'body_too_large')
})

test('a client that stops reading is cut off, and the upstream is not read further than the buffers reach', async (t) => {
  let sent = 0
  const chunk = Buffer.alloc(65_536)
  const upstream = await openRawUpstream(t, (socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk)) sent += chunk.length
    }
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
      socket.on('drain', more)
      more()
    })
  })
  const bench = await openBench(t, { upstream, limits: { bodyIdleTimeout: 200 } })
  const client = openClient(t, bench.port)
  client.socket.pause()
  client.socket.write(`${get}\r\n`)
  const { reason, responseBytes } = await bench.outcome()
  assert.equal(reason, 'client_stalled')
  assert.ok(sent < 100_000_000 && responseBytes < 100_000_000)
  client.socket.resume()
  await client.closed()
})

test('connections beyond the cap of an address are closed at once, the others stay', async (t) => {
  const upstream = await openUpstream(t, (_request, response) => response.end('ok'))
  const bench = await openBench(t, { upstream, limits: { connectionsPerAddressMax: 2 } })
  const kept = [openClient(t, bench.port, `${get}\r\n`), openClient(t, bench.port, `${get}\r\n`)]
  for (const client of kept) await client.until(/ok$/)
  assert.equal(await openClient(t, bench.port, `${get}\r\n`).closed(), '')
  kept[0]?.socket.destroy()
  await kept[0]?.closed()
  // The listener learns of it in its own time.
  let again = ''
  while (again === '') again = await exchangeRaw(t, bench.port, `${get}Connection: close\r\n\r\n`)
  assert.match(again, /200 OK/)
})

test('connections beyond the cap of the listener are closed at once', async (t) => {
  const upstream = await openUpstream(t, (_request, response) => response.end('ok'))
  const bench = await openBench(t, { upstream, limits: { connectionsMax: 1 } })
  await openClient(t, bench.port, `${get}\r\n`).until(/ok$/)
  assert.equal(await openClient(t, bench.port, `${get}\r\n`).closed(), '')
})

test('upstream connections are bounded; what exceeds them waits its turn', async (t) => {
  let open = 0
  let most = 0
  const upstream = await openRawUpstream(t, (socket) => {
    open += 1
    most = Math.max(most, open)
    socket.once('close', () => (open -= 1))
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  const bench = await openBench(t, { upstream, limits: { upstreamConnectionsMax: 2 } })
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => exchangeRaw(t, bench.port, `${get}Connection: close\r\n\r\n`)),
  )
  assert.ok(answers.every((answer) => answer.endsWith('ok')))
  assert.ok(most <= 2, String(most))
})

test('a request for which no upstream connection becomes free is 503', async (t) => {
  const upstream = await openRawUpstream(
    t,
    (socket) =>
      void socket.once('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun'),
      ),
  )
  const bench = await openBench(t, {
    upstream,
    limits: { upstreamConnectionsMax: 1, upstreamTimeout: 60 },
  })
  const first = openClient(t, bench.port, `${get}\r\n`)
  await first.until(/begun$/)
  const { status, headers } = parseAnswer(
    await exchangeRaw(t, bench.port, `${get}Connection: close\r\n\r\n`),
  )
  assert.deepEqual([status, headers['countersign-error']], [503, 'upstream_busy'])
  assert.equal((await bench.outcome()).reason, 'upstream_busy')
})

test('new services are taken over without dropping a connection or a request that runs', async (t) => {
  const waiting = Promise.withResolvers<() => void>()
  const before = await openUpstream(t, (request, response) => {
    if (request.url === '/slow') waiting.resolve(() => void response.end('before'))
    else response.end('before')
  })
  const after = await openUpstream(t, (_request, response) => response.end('after'))
  const bench = await openBench(t, { upstream: before })
  const slow = openClient(t, bench.port, 'GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n')
  const kept = openClient(t, bench.port, `${get}\r\n`)
  await kept.until(/before$/)
  const answer = await waiting.promise
  bench.listening.update({
    services: new Map([['orders', { upstream: new URL(`http://127.0.0.1:${after}`) }]]),
  })
  kept.socket.write(`${get}\r\n`)
  await kept.until(/after$/)
  answer()
  await slow.until(/before$/)
})

test('close lets a running exchange end, and takes no new one', async (t) => {
  const waiting = Promise.withResolvers<() => void>()
  const upstream = await openUpstream(t, (_request, response) =>
    waiting.resolve(() => void response.end('last')),
  )
  const bench = await openBench(t, { upstream })
  const idle = openClient(t, bench.port)
  await once(idle.socket, 'connect')
  const running = openClient(t, bench.port, `${get}\r\n`)
  const answer = await waiting.promise
  const closed = bench.listening.close({ graceMs: 10_000 })
  answer()
  assert.match(await running.closed(), /last$/)
  await closed
  await idle.closed()
  assert.equal(await openClient(t, bench.port).closed(), '')
})

test('a configuration that can not be used is an error that says where', async () => {
  const options = {
    listener: { address: '127.0.0.1:0' },
    limits: defaultLimits,
    trustedHops: [],
    services: {},
    clock: systemClock,
    ids: () => 'id',
    journey: allow,
    recordMalformed: async () => {},
    gatewayName: 'test',
  }
  await assert.rejects(listenInbound({ ...options, trustedHops: ['proxy.test'] }), {
    code: 'HOPS_INVALID',
  })
  await assert.rejects(
    listenInbound({
      ...options,
      services: { orders: { upstream: new URL('http://a.test/prefix') } },
    }),
    { code: 'UPSTREAM_INVALID' },
  )
  const first = await listenInbound(options)
  await assert.rejects(
    listenInbound({ ...options, listener: { address: `127.0.0.1:${first.port}` } }),
    { code: 'LISTEN_FAILED', message: /^could not listen on 127\.0\.0\.1:\d+: / },
  )
  await first.close()
})
