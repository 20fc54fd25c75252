import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { Held, Journey } from './exchange.ts'
import {
  allow,
  allowed,
  denied,
  exchangeRaw,
  openBench,
  openClient,
  openRawUpstream,
  openUpstream,
  parseAnswer,
  reference,
} from './testing/inbound.ts'

const run = promisify(execFile)
const get = (path = '/orders/42', more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: orders.test\r\n${more}\r\n`
const getOnce = (path?: string): string => get(path, 'Connection: close\r\n')
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A journey that stops at `held` until the test lets it go on. */
function stopped(): { journey: Journey; held: Promise<Held> } {
  const { promise, resolve } = Promise.withResolvers<Held>()
  return {
    held: promise,
    journey: async (exchange) =>
      resolve(await exchange.forward(allowed, { record: reference(exchange), hold: true })),
  }
}

test('curl gets the answer, the record and the leaf; the upstream gets our trace and request id', async (t) => {
  let seen: Record<string, unknown> = {}
  const upstream = await openUpstream(t, (request, response) => {
    seen = request.headers
    response
      .setHeader('countersign-record', 'forged')
      .setHeader('countersign-decision', 'granted')
      .end('hello')
  })
  const bench = await openBench(t, { upstream })
  const { stdout } = await run('curl', [
    '-sS',
    '-i',
    '-H',
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    `http://127.0.0.1:${bench.port}/orders/42?x=1`,
  ])
  const { status, headers, body } = parseAnswer(stdout)
  const captured = bench.captured[0]
  assert.equal(status, 200)
  assert.equal(body, 'hello')
  assert.equal(headers['countersign-record'], captured?.id)
  assert.equal(headers['countersign-leaf'], '7')
  assert.equal(headers['countersign-decision'], undefined)
  assert.equal(
    seen['traceparent'],
    `00-0af7651916cd43dd8448eb211c80319c-${captured?.trace.span}-01`,
  )
  assert.equal(captured?.trace.parent, 'b7ad6b7169203331')
  assert.equal(seen['x-request-id'], captured?.id)
  assert.equal(seen['host'], `127.0.0.1:${bench.port}`)
  const {
    outcome,
    requestBytes,
    responseBytes,
    firstByteNs = 0,
    durationNs,
  } = await bench.outcome()
  assert.deepEqual(
    { outcome, requestBytes, responseBytes },
    { outcome: 'success', requestBytes: 0, responseBytes: 5 },
  )
  assert.ok(firstByteNs > 0 && durationNs >= firstByteNs)
})

test('an answer of 400 and above is a failure of the request, not an error of ours', async (t) => {
  const upstream = await openUpstream(t, (_request, response) =>
    response.writeHead(503).end('busy'),
  )
  const bench = await openBench(t, { upstream })
  const { status, body } = parseAnswer(await exchangeRaw(t, bench.port, getOnce()))
  assert.deepEqual({ status, body }, { status: 503, body: 'busy' })
  assert.equal((await bench.outcome()).outcome, 'failure')
})

test('a megabyte goes up and comes back unchanged, with and without a declared length', async (t) => {
  const upstream = await openUpstream(t, (request, response) => void request.pipe(response))
  const bench = await openBench(t, { upstream, listener: { address: '[::1]:0' } })
  const megabyte = Buffer.alloc(1_048_576, 'countersign ').toString()
  for (const framing of [
    ['-H', 'Content-Type: a/b'],
    ['-H', 'Content-Type: a/b', '-H', 'Transfer-Encoding: chunked'],
  ]) {
    const curl = run(
      'curl',
      ['-sS', '-g', ...framing, '--data-binary', '@-', `http://[::1]:${bench.port}/orders`],
      { maxBuffer: 2_000_000 },
    )
    curl.child.stdin?.end(megabyte)
    assert.equal((await curl).stdout, megabyte)
    const { requestBytes, responseBytes } = await bench.outcome()
    assert.deepEqual(
      { requestBytes, responseBytes },
      { requestBytes: 1_048_576, responseBytes: 1_048_576 },
    )
  }
})

test('a refusal says its reason, rule and record, and forwards nothing', async (t) => {
  let contacted = false
  const upstream = await openUpstream(t, () => (contacted = true))
  const statuses: unknown[] = []
  for (const [reason, expected] of [
    ['no_grant', 403],
    ['no_credential', 401],
    ['bad_credential', 401],
    ['no_route', 404],
    ['no_service', 404],
    ['denied_explicitly', 403],
  ] as const) {
    const bench = await openBench(t, {
      upstream,
      journey: async (exchange) =>
        exchange.refuse({ ...denied, reason }, reference(exchange)).release(),
    })
    const { status, headers, body } = parseAnswer(await exchangeRaw(t, bench.port, getOnce()))
    statuses.push(status)
    assert.equal(status, expected)
    assert.equal(headers['countersign-decision'], reason)
    assert.equal(
      headers['www-authenticate']?.startsWith('Bearer realm="test"') ?? false,
      expected === 401,
    )
    assert.deepEqual(JSON.parse(body), {
      error: reason,
      rule: denied.rule,
      explanation: denied.explanation,
      record: bench.captured[0]?.id,
    })
    assert.deepEqual(
      { ...bench.observed[0], durationNs: 0 },
      {
        outcome: 'denied',
        reason,
        status: expected,
        requestBytes: 0,
        responseBytes: 0,
        durationNs: 0,
        addenda: [],
      },
    )
  }
  assert.equal(contacted, false)
})

test('nothing of a refusal is sent before its release', async (t) => {
  const { promise, resolve } = Promise.withResolvers<Held>()
  const bench = await openBench(t, {
    upstream: 1,
    journey: async (exchange) => resolve(exchange.refuse(denied, reference(exchange))),
  })
  const client = openClient(t, bench.port, getOnce())
  const held = await promise
  assert.equal(client.text(), '')
  held.release()
  assert.match(await client.closed(), /^HTTP\/1\.1 403 /)
})

test('of an answer with a length the last piece waits for release', async (t) => {
  const contacted = Promise.withResolvers<Socket>()
  const upstream = await openRawUpstream(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst')
      contacted.resolve(socket)
    })
  })
  const { journey, held } = stopped()
  const bench = await openBench(t, { upstream, journey })
  const client = openClient(t, bench.port, getOnce())
  await client.until(/\r\n\r\nfirst$/)
  const socket = await contacted.promise
  socket.write('after')
  const answer = await held
  assert.doesNotMatch(client.text(), /after/)
  answer.release()
  assert.match(await client.closed(), /\r\n\r\nfirstafter$/)
})

test('of an answer without a length only the end waits: events reach the client at once', async (t) => {
  let next: (() => void) | undefined
  const upstream = await openUpstream(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    next = () => void response.end('data: 2\n\n')
  })
  const { journey, held } = stopped()
  const bench = await openBench(t, { upstream, journey })
  const client = openClient(t, bench.port, get('/events'))
  await client.until(/data: 1\n\n/)
  next?.()
  const answer = await held
  assert.doesNotMatch(client.text(), /0\r\n\r\n$/)
  answer.release()
  await client.until(/data: 2\n\n\r\n0\r\n\r\n$/)
})

test('a small answer is one write', async (t) => {
  const upstream = await openRawUpstream(
    t,
    (socket) => void socket.on('data', () => socket.write(ok)),
  )
  const bench = await openBench(t, { upstream })
  const client = openClient(t, bench.port)
  let pieces = 0
  client.socket.on('data', () => (pieces += 1))
  client.socket.write(get())
  await client.until(/ok$/)
  assert.equal(pieces, 1)
})

test('without hold the answer is complete before the journey hears of it', async (t) => {
  const upstream = await openUpstream(t, (_request, response) => response.end('hello'))
  const bench = await openBench(t, {
    upstream,
    journey: async (exchange) => {
      const held = await exchange.forward(allowed, {
        record: { id: exchange.captured.id },
        hold: false,
      })
      assert.equal(held.observed.responseBytes, 5)
      held.release()
      held.abort()
    },
  })
  const { body, headers } = parseAnswer(await exchangeRaw(t, bench.port, getOnce()))
  assert.equal(body, 'hello')
  assert.equal(headers['countersign-leaf'], undefined)
})

test('HEAD, 204 and 304 have no body and no length of our own making', async (t) => {
  const upstream = await openRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      const head = String(chunk)
      if (head.startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n')
      else
        socket.write(
          head.includes('/204')
            ? 'HTTP/1.1 204 No Content\r\n\r\n'
            : 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
        )
    })
  })
  const bench = await openBench(t, { upstream })
  const head = parseAnswer(await exchangeRaw(t, bench.port, getOnce().replace('GET', 'HEAD')))
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '99', ''])
  for (const status of [204, 304]) {
    const answer = parseAnswer(await exchangeRaw(t, bench.port, getOnce(`/${status}`)))
    assert.deepEqual(
      [
        answer.status,
        answer.headers['content-length'],
        answer.headers['transfer-encoding'],
        answer.body,
      ],
      [status, undefined, undefined, ''],
    )
  }
})

test('100 Continue is said after the decision, and not at all to who is refused', async (t) => {
  const upstream = await openUpstream(t, (request, response) => void request.pipe(response))
  const decided = Promise.withResolvers<void>()
  const bench = await openBench(t, {
    upstream,
    journey: async (exchange) => {
      await decided.promise
      await allow(exchange)
    },
  })
  const head =
    'POST /orders HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'
  const client = openClient(t, bench.port, head)
  await once(client.socket, 'connect')
  assert.equal(client.text(), '')
  decided.resolve()
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  client.socket.write('hello')
  assert.match(await client.closed(), /200 OK[^]*hello$/)

  const closed = await openBench(t, {
    upstream,
    journey: async (exchange) => exchange.refuse(denied, reference(exchange)).release(),
  })
  const refused = openClient(t, closed.port, head)
  const { status, headers } = parseAnswer(await refused.until(/\}\n$/))
  assert.equal(status, 403)
  assert.equal(headers['connection'], 'close')
})

test('pipelined requests are taken in order, the second not before the first is answered', async (t) => {
  const order: string[] = []
  const upstream = await openUpstream(t, (request, response) => {
    order.push(`upstream ${request.url}`)
    response.end(request.url)
  })
  const bench = await openBench(t, {
    upstream,
    journey: async (exchange) => {
      order.push(`journey ${exchange.captured.request.path}`)
      await allow(exchange)
    },
  })
  const answers = await exchangeRaw(t, bench.port, `${get('/1')}${get('/2')}${getOnce('/3')}`)
  assert.deepEqual(order, [
    'journey /1',
    'upstream /1',
    'journey /2',
    'upstream /2',
    'journey /3',
    'upstream /3',
  ])
  assert.deepEqual(
    [...answers.matchAll(/\r\n\r\n(\/\d)/g)].map((match) => match[1]),
    ['/1', '/2', '/3'],
  )
})

test('a connection is kept, and so is the one behind it', async (t) => {
  let connections = 0
  const upstream = await openRawUpstream(t, (socket) => {
    connections += 1
    socket.on('data', () => socket.write(ok))
  })
  const bench = await openBench(t, { upstream })
  const client = openClient(t, bench.port, get('/1'))
  await client.until(/ok$/)
  client.socket.write(get('/2'))
  await client.until(/ok[^]*ok$/)
  assert.equal(connections, 1)
  assert.equal(new Set(bench.captured.map(({ peer }) => peer.port)).size, 1)
})

test('believed or not, the forwarding chain is on record; only a trusted hop names the client and its scheme', async (t) => {
  let seen: Record<string, unknown> = {}
  const upstream = await openUpstream(t, (request, response) => {
    seen = request.headers
    response.end()
  })
  const request = get(
    '/',
    'Connection: close\r\nX-Forwarded-For: 6.6.6.6, 198.51.100.7\r\nX-Forwarded-Proto: https\r\n',
  )
  const stranger = await openBench(t, { upstream })
  await exchangeRaw(t, stranger.port, request)
  assert.deepEqual(stranger.captured[0]?.client, {
    address: '127.0.0.1',
    chain: ['6.6.6.6, 198.51.100.7'],
  })
  stranger.listening.update({ trustedHops: ['127.0.0.1'] })
  await exchangeRaw(t, stranger.port, request)
  assert.deepEqual(stranger.captured[1]?.client, {
    address: '198.51.100.7',
    chain: ['6.6.6.6, 198.51.100.7'],
  })
  assert.deepEqual(
    [stranger.captured[1]?.request.scheme, stranger.captured[1]?.request.port],
    ['https', 443],
  )
  assert.equal(seen['forwarded'], 'for=198.51.100.7;host="orders.test";proto=https')
})

test('depth headers and body keep both halves, redacted, up to the limit', async (t) => {
  const upstream = await openUpstream(t, (request, response) => {
    request.resume()
    request.on('end', () =>
      response
        .writeHead(200, { 'set-cookie': 's=1', 'content-type': 'text/plain' })
        .end('x'.repeat(100)),
    )
  })
  const bench = await openBench(t, {
    upstream,
    limits: { bodyRecordBytesMax: 64 },
    journey: async (exchange) => {
      const held = await exchange.forward(
        { ...allowed, depth: 'body' },
        { record: reference(exchange), hold: true },
      )
      held.release()
    },
  })
  await exchangeRaw(
    t,
    bench.port,
    'POST /orders HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nAuthorization: Bearer secret\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{"item":"a","password":"12345"}',
  )
  const { addenda } = await bench.outcome()
  assert.deepEqual(
    addenda.map(({ name }) => name),
    ['request.headers', 'response.headers', 'request.body', 'response.body'],
  )
  const [requestHeaders, responseHeaders, requestBody, responseBody] = addenda.map(({ content }) =>
    Buffer.from(content).toString('latin1'),
  )
  assert.match(requestHeaders ?? '', /\["authorization","\[redacted\]"\]/)
  assert.match(responseHeaders ?? '', /\["set-cookie","\[redacted\]"\]/)
  assert.match(requestBody ?? '', /\{"item":"a","password":"\[redacted\]"\}$/)
  assert.match(responseBody ?? '', /^[^]{16}x{64}$/)
})
