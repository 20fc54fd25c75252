import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { openUpstream, openWire, openWorld, request } from './testing/world.ts'

test('a request is on record before its name is resolved, and goes to the address that was judged', async (t) => {
  const seen: IncomingMessage[] = []
  const port = await openUpstream(t, (req, res) => {
    seen.push(req)
    res.setHeader('x-answer', 'yes')
    res.end('hello')
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(
    request(port, [
      'Proxy-Authorization: Basic c2hvcDpzZWNyZXQ=',
      'Proxy-Connection: keep-alive',
      'Connection: x-hop',
      'X-Hop: 1',
      'X-Kept: 2',
      'Authorization: Bearer for-the-server',
      'X-Request-Id: mine-1',
      'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ]),
  )
  const answer = await client.until((received) => received.endsWith('hello'))
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(answer, /\r\nx-answer: yes\r\n/)
  assert.match(answer, /\r\ncountersign-leaf: 7\r\n/)
  assert.deepEqual(
    world.log.map((entry) => entry.what),
    ['intent', 'resolved', 'addresses', 'outcome'],
  )
  const [upstream] = seen
  assert(upstream !== undefined)
  assert.equal(upstream.url, '/v1/things?limit=2')
  const { headers } = upstream
  assert.equal(headers.host, `api.example:${port}`)
  assert.equal(headers['x-kept'], '2')
  assert.equal(headers.authorization, 'Bearer for-the-server')
  assert.equal(headers['x-request-id'], 'mine-1')
  assert.equal(headers.via, '1.1 countersign')
  for (const gone of ['proxy-authorization', 'proxy-connection', 'x-hop', 'forwarded']) {
    assert.equal(headers[gone], undefined, gone)
  }
  const intent = world.log[0]
  assert(intent?.what === 'intent')
  const { captured } = intent
  assert.equal(captured.presented.proxyAuthorization, 'Basic c2hvcDpzZWNyZXQ=')
  assert.equal(captured.presented.authorization, undefined)
  assert.equal(captured.trace.id, '0af7651916cd43dd8448eb211c80319c')
  assert.equal(headers['traceparent'], `00-${captured.trace.id}-${captured.trace.span}-01`)
  assert.equal(captured.request.host, 'api.example')
  const observed = await world.outcome()
  assert.equal(observed.outcome, 'success')
  assert.equal(observed.status, 200)
  assert.equal(observed.responseBytes, 5)
  assert.deepEqual(observed.egress, { resolved: ['127.0.0.1'], pinned: '127.0.0.1' })
})

test('a caller without a trace gets one, and a server that was not meant to have a request id gets none', async (t) => {
  const seen: IncomingMessage[] = []
  const port = await openUpstream(t, (req, res) => {
    seen.push(req)
    res.end()
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port))
  await world.outcome()
  assert.match(String(seen[0]?.headers['traceparent']), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  assert.equal(seen[0]?.headers['x-request-id'], undefined)
})

test('the last byte of an answer waits for its record', async (t) => {
  const port = await openUpstream(t, (_req, res) => {
    res.end('0123456789')
  })
  const recorded = Promise.withResolvers<void>()
  const world = await openWorld(t, { beforeRelease: () => recorded.promise })
  const client = await openWire(t, world.port)
  client.send(request(port))
  await client.until((received) => received.endsWith('012345678'))
  await world.outcome()
  assert(!client.received.endsWith('9'))
  recorded.resolve()
  await client.until((received) => received.endsWith('0123456789'))
})

test('the last chunk of a chunked answer waits for its record, and no earlier one does', async (t) => {
  const more = Promise.withResolvers<void>()
  const port = await openUpstream(t, (_req, res) => {
    res.write('data: 1\n\n')
    void more.promise.then(() => res.end('data: 2\n\n'))
  })
  const recorded = Promise.withResolvers<void>()
  const world = await openWorld(t, { beforeRelease: () => recorded.promise })
  const client = await openWire(t, world.port)
  client.send(request(port))
  await client.until((received) => received.includes('data: 1\n\n\r\n'))
  more.resolve()
  await world.outcome()
  await client.until((received) => received.includes('data: 2\n\n'))
  assert(!client.received.includes('\r\n0\r\n'))
  recorded.resolve()
  await client.until((received) => received.endsWith('\r\n0\r\n\r\n'))
})

test('an answer without a body waits whole', async (t) => {
  const port = await openUpstream(t, (_req, res) => {
    res.writeHead(204).end()
  })
  const recorded = Promise.withResolvers<void>()
  const world = await openWorld(t, { beforeRelease: () => recorded.promise })
  const client = await openWire(t, world.port)
  client.send(request(port))
  await world.outcome()
  assert.equal(client.received, '')
  recorded.resolve()
  await client.until((received) => received.startsWith('HTTP/1.1 204'))
})

test('an answer to HEAD keeps its length and has no body', async (t) => {
  const port = await openUpstream(t, (_req, res) => {
    res.setHeader('content-length', 10).end()
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port, [], 'HEAD'))
  const answer = await client.until((received) => received.endsWith('\r\n\r\n'))
  assert.match(answer, /\r\ncontent-length: 10\r\n/)
  assert.equal((await world.outcome()).outcome, 'success')
})

test('an answer whose record can not be written is broken off', async (t) => {
  const port = await openUpstream(t, (_req, res) => {
    res.end('0123456789')
  })
  const world = await openWorld(t, { beforeRelease: () => Promise.reject(new Error('no ledger')) })
  const client = await openWire(t, world.port)
  client.send(request(port))
  const { received, how } = await client.closed()
  assert.equal(how, 'reset')
  assert(!received.endsWith('9'))
})

test('without hold nothing waits', async (t) => {
  const port = await openUpstream(t, (_req, res) => {
    res.end('whole')
  })
  const never = Promise.withResolvers<void>()
  const world = await openWorld(t, { hold: false, beforeRelease: () => never.promise })
  const client = await openWire(t, world.port)
  client.send(request(port))
  await client.until((received) => received.endsWith('whole'))
  await world.outcome()
  never.resolve()
})

test('a body is passed on as it comes, and summarised', async (t) => {
  const got = Promise.withResolvers<string>()
  const port = await openUpstream(t, (req, res) => {
    void text(req).then((body) => {
      got.resolve(body)
      res.end('ok')
    })
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  const body = '{"amount":1,"currency":"EUR","ada@example.com":true}'
  client.send(
    request(
      port,
      ['Content-Type: application/json; charset=utf-8', `Content-Length: ${body.length}`],
      'POST',
    ),
  )
  client.send(body.slice(0, 10))
  client.send(body.slice(10))
  assert.equal(await got.promise, body)
  const observed = await world.outcome()
  assert.equal(observed.requestBytes, body.length)
  assert.deepEqual(observed.egress?.payload, {
    content_type: 'application/json',
    bytes: body.length,
    sha256: createHash('sha256').update(body).digest('hex'),
    keys: ['amount', 'currency', '[redacted]'],
  })
})

test('a chunked body is passed on; JSON past the cap keeps its digest and loses its keys', async (t) => {
  const port = await openUpstream(t, (req, res) => {
    void text(req).then((body) => res.end(String(body.length)))
  })
  const world = await openWorld(t, { limits: { payloadJsonBytesMax: 10 } })
  const client = await openWire(t, world.port)
  client.send(
    request(port, ['Content-Type: application/json', 'Transfer-Encoding: chunked'], 'POST'),
  )
  client.send('7\r\n{"a":1,\r\n6\r\n"b":2}\r\n0\r\n\r\n')
  await client.until((received) => received.endsWith('13'))
  const observed = await world.outcome()
  assert.deepEqual(Object.keys(observed.egress?.payload ?? {}), ['content_type', 'bytes', 'sha256'])
})

test('a client that expects 100-continue gets it only after the decision', async (t) => {
  const port = await openUpstream(t, (req, res) => {
    void text(req).then((body) => res.end(body))
  })
  const denied = await openWorld(t, {
    decide: () => ({ allowed: false, reason: 'egress_not_listed' }),
  })
  const refused = await openWire(t, denied.port)
  const head = request(port, ['Content-Length: 4', 'Expect: 100-continue'], 'POST')
  refused.send(head)
  await refused.until((received) => received.startsWith('HTTP/1.1 403'))

  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(head)
  await client.until((received) => received === 'HTTP/1.1 100 Continue\r\n\r\n')
  assert.equal(world.log[0]?.what, 'intent')
  client.send('body')
  await client.until((received) => received.endsWith('body'))
})

test('headers and bodies are kept as deep as the decision asks, without their secrets', async (t) => {
  const port = await openUpstream(t, (req, res) => {
    res.setHeader('set-cookie', 'session=abcdef')
    void text(req).then(() => res.end('y'.repeat(100)))
  })
  const world = await openWorld(t, { decide: () => ({ depth: 'body' }) })
  const client = await openWire(t, world.port)
  client.send(request(port, ['Authorization: Bearer abcdefgh', 'Content-Length: 1'], 'PUT'))
  client.send('x')
  const { addenda } = await world.outcome()
  assert.deepEqual(
    addenda.map((addendum) => addendum.name),
    ['request.headers', 'response.headers', 'request.body', 'response.body'],
  )
  const all = addenda.map((addendum) => Buffer.from(addendum.content).toString('latin1')).join()
  assert(!all.includes('abcdef'))
  // The cap of the test world is 64 bytes.
  assert(all.includes('y'.repeat(64)) && !all.includes('y'.repeat(65)))
})

test('redirects are passed on and never followed', async (t) => {
  let requests = 0
  const port = await openUpstream(t, (_req, res) => {
    requests += 1
    res.writeHead(302, { location: 'http://169.254.169.254/' }).end()
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port))
  await client.until((received) => received.includes('169.254.169.254'))
  assert.equal(requests, 1)
  assert.equal(world.log.filter((entry) => entry.what === 'resolved').length, 1)
})

test('connections are kept for the same service, name and address, and for no other', async (t) => {
  const ports = new Set<number | undefined>()
  const port = await openUpstream(t, (req, res) => {
    ports.add(req.socket.remotePort)
    res.end('ok')
  })
  let service = 'shop'
  const world = await openWorld(t, { decide: () => ({ service }) })
  const client = await openWire(t, world.port)
  let count = 0
  const ask = async (host: string): Promise<void> => {
    client.send(`GET http://${host}:${port}/ HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`)
    count += 1
    await client.until((received) => received.split('\r\n\r\nok').length === count + 1)
  }
  await ask('a.example')
  await ask('a.example')
  assert.equal(ports.size, 1)
  await ask('b.example')
  assert.equal(ports.size, 2)
  service = 'billing'
  await ask('b.example')
  assert.equal(ports.size, 3)
})

test('a slow reader slows the server down, and a slow server the client', async (t) => {
  const size = 48 * 1024 ** 2
  let written = 0
  const port = await openUpstream(t, (_req, res) => {
    res.writeHead(200, { 'content-length': size })
    const piece = Buffer.alloc(64 * 1024)
    const push = (): void => {
      while (written < size) {
        written += piece.length
        if (!res.write(piece)) {
          res.once('drain', push)
          return
        }
      }
      res.end()
    }
    push()
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.socket.pause()
  client.send(request(port))
  let before = -1
  // Wait until the sockets between are full: no byte more for ten turns of writing.
  for (let still = 0; still < 10; still = written === before ? still + 1 : 0) {
    before = written
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert(written < size, `${written} of ${size} bytes went into a reader that reads nothing`)
  client.socket.resume()
  const observed = await world.outcome()
  assert.equal(observed.responseBytes, size)
})

test('pipelined requests are answered in order, each on record', async (t) => {
  const port = await openUpstream(t, (req, res) => res.end(`[${req.url}]`))
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  const head = `Host: api.example:${port}\r\n\r\n`
  client.send(
    ['a', 'b', 'c']
      .map((path) => `GET http://api.example:${port}/${path} HTTP/1.1\r\n${head}`)
      .join(''),
  )
  await client.until((received) => /\[\/a\][^]*\[\/b\][^]*\[\/c\]/.test(received))
  assert.deepEqual(
    world.log.map((entry) => entry.what),
    Array.from({ length: 3 }, () => ['intent', 'resolved', 'addresses', 'outcome']).flat(),
  )
})
