import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { fullLimits } from './limits.ts'
import { proxyDefects } from './malformed.ts'
import { limits, openUpstream, openWire, openWorld, request, turn } from './testing/world.ts'

test('a head that takes longer than headerTimeout is 408, and on record', async (t) => {
  const world = await openWorld(t, { limits: { headerTimeout: 40 } })
  const client = await openWire(t, world.port)
  client.send('GET http://api.example/ HTTP/1.1\r\nHost: api.ex')
  assert.match((await client.closed()).received, /^HTTP\/1\.1 408 /)
  assert.equal((await world.malformed()).defect, 'headers_timeout')
})

test('a head larger than headerBytesMax is 431, and on record', async (t) => {
  const world = await openWorld(t, { limits: { headerBytesMax: 2_000 } })
  const client = await openWire(t, world.port)
  client.send(
    `GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\nX-Long: ${'x'.repeat(3_000)}\r\n\r\n`,
  )
  assert.match((await client.closed()).received, /^HTTP\/1\.1 431 /)
  assert.equal((await world.malformed()).defect, 'headers_too_large')
})

test('more than 256 header lines are 431, and on record', async (t) => {
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(
    `GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\n${'x: y\r\n'.repeat(256)}\r\n`,
  )
  assert.match((await client.closed()).received, /^HTTP\/1\.1 431 /)
})

test('bodies larger than bodyBytesMax are 413, announced or not', async (t) => {
  const port = await openUpstream(t, (req) => req.resume())
  const world = await openWorld(t, { limits: { bodyBytesMax: 10 } })
  const announced = await openWire(t, world.port)
  const head = `POST http://api.example:${port}/ HTTP/1.1\r\nHost: api.example:${port}\r\n`
  announced.send(`${head}Content-Length: 11\r\n\r\n`)
  assert.match((await announced.closed()).received, /^HTTP\/1\.1 413 /)
  const chunked = await openWire(t, world.port)
  chunked.send(`${head}Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n`)
  assert.match((await chunked.closed()).received, /^HTTP\/1\.1 413 /)
  assert.equal((await world.outcome()).reason, 'body_too_large')
})

test('a body that stands still for bodyIdleTimeout is broken off', async (t) => {
  const port = await openUpstream(t, (req) => req.resume())
  const world = await openWorld(t, { limits: { bodyIdleTimeout: 30 } })
  const client = await openWire(t, world.port)
  client.send(
    `POST http://api.example:${port}/ HTTP/1.1\r\nHost: api.example:${port}\r\nContent-Length: 11\r\n\r\nhalf`,
  )
  assert.match((await client.closed()).received, /^HTTP\/1\.1 408 /)
  assert.equal((await world.outcome()).reason, 'body_timeout')
})

test('a body that trickles more slowly than the minimum rate is broken off', async (t) => {
  const port = await openUpstream(t, (req) => req.resume())
  const world = await openWorld(t, { limits: { bodyIdleTimeout: 200 } })
  const client = await openWire(t, world.port)
  const head = `POST http://api.example:${port}/ HTTP/1.1\r\nHost: api.example:${port}\r\n`
  client.send(`${head}Content-Length: 1000\r\n\r\n`)
  // At most 50 bytes a second: never idle for long, and never fast enough.
  const trickle = setInterval(() => client.send('x'), 20)
  t.after(() => clearInterval(trickle))
  const { reason, requestBytes } = await world.outcome()
  assert.equal(reason, 'body_timeout')
  assert(requestBytes < 13, `${requestBytes}`)
})

test('a client that takes nothing for bodyIdleTimeout is broken off', async (t) => {
  const port = await openUpstream(t, (_req, res) => {
    res.end(Buffer.alloc(32 * 1024 ** 2))
  })
  const world = await openWorld(t, { limits: { bodyIdleTimeout: 50 } })
  const client = await openWire(t, world.port)
  client.socket.pause()
  client.send(`GET http://api.example:${port}/ HTTP/1.1\r\nHost: api.example:${port}\r\n\r\n`)
  assert.equal((await world.outcome()).reason, 'client_stalled')
})

test('a server that does not begin its answer within upstreamTimeout is 504', async (t) => {
  const port = await openUpstream(t, () => {})
  const world = await openWorld(t, { limits: { upstreamTimeout: 20 } })
  const client = await openWire(t, world.port)
  client.send(`GET http://api.example:${port}/ HTTP/1.1\r\nHost: api.example:${port}\r\n\r\n`)
  await client.until((received) => received.startsWith('HTTP/1.1 504 '))
  assert.equal((await world.outcome()).reason, 'upstream_timeout')
})

test('a server whose queue is full is given up after connectTimeout', async (t) => {
  // A thread that listens and never accepts.
  const listener = new Worker(
    `const { parentPort } = require('node:worker_threads')
    const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
    })`,
    { eval: true },
  )
  const [port] = (await once(listener, 'message')) as [number]
  const queued = Array.from({ length: 8 }, () => connect({ port, host: '127.0.0.1' }))
  for (const socket of queued) socket.on('error', () => {})
  t.after(async () => {
    for (const socket of queued) socket.destroy()
    await listener.terminate()
  })
  await once(queued[0] ?? listener, 'connect')
  const world = await openWorld(t, { limits: { connectTimeout: 30 } })
  const client = await openWire(t, world.port)
  client.send(`CONNECT api.example:${port} HTTP/1.1\r\nHost: api.example:${port}\r\n\r\n`)
  assert.match((await client.closed()).received, /^HTTP\/1\.1 504 [^]*upstream_timeout/)
  assert.equal((await world.outcome()).reason, 'upstream_timeout')
})

test('requests past upstreamConnectionsMax wait for a connection', async (t) => {
  const asked: string[] = []
  const answers: (() => void)[] = []
  const port = await openUpstream(t, (req, res) => {
    asked.push(req.url ?? '')
    answers.push(() => res.end('ok'))
    const arrived = answers.length === 1 ? first : second
    arrived.resolve()
  })
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const world = await openWorld(t, { limits: { upstreamConnectionsMax: 1 } })
  const clients = [await openWire(t, world.port), await openWire(t, world.port)]
  for (const client of clients) client.send(request(port))
  await first.promise
  while (world.log.filter((entry) => entry.what === 'addresses').length < 2) await turn()
  await turn()
  assert.equal(asked.length, 1)
  answers[0]?.()
  await second.promise
  answers[1]?.()
  await world.outcome(2)
})

test('a connection to a server that is unused for upstreamIdleTimeout is closed', async (t) => {
  const closed = Promise.withResolvers<void>()
  const port = await openUpstream(t, (req, res) => {
    req.socket.once('end', () => closed.resolve())
    res.end('ok')
  })
  const world = await openWorld(t, { limits: { upstreamIdleTimeout: 20 } })
  const client = await openWire(t, world.port)
  client.send(request(port))
  await closed.promise
})

test('the specification names every limit and every defect', () => {
  const text = readFileSync(new URL('../../../../../docs/spec/egress.md', import.meta.url), 'utf8')
  const names = [...Object.keys(fullLimits(limits)), ...proxyDefects.map(({ defect }) => defect)]
  for (const name of names) assert(text.includes(`\`${name}\``), name)
})

test('connections past connectionsPerAddressMax and connectionsMax are closed, until the limit is raised', async (t) => {
  for (const name of ['connectionsPerAddressMax', 'connectionsMax'] as const) {
    const world = await openWorld(t, { limits: { [name]: 1 } })
    const one = await openWire(t, world.port)
    one.send('GET / HTTP/1.1\r\n')
    const two = await openWire(t, world.port)
    assert.equal((await two.closed()).received, '')
    world.egress.update({ limits })
    const three = await openWire(t, world.port)
    three.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    assert.match((await three.closed()).received, /not_a_proxy_request/)
  }
})

test('more requests than may wait on one connection break it', async (t) => {
  const never = Promise.withResolvers<void>()
  const world = await openWorld(t, { beforeForward: () => never.promise })
  const client = await openWire(t, world.port)
  client.send('GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n'.repeat(66))
  assert.equal((await client.closed()).how, 'reset')
  assert.equal((await world.malformed()).defect, 'pipeline_too_deep')
  never.resolve()
})

test('an HTTP/1.0 client without Host gets its answer, ended by the end of the connection', async (t) => {
  const port = await openUpstream(t, (req, res) => {
    res.write(`${req.headers.host} `)
    res.end('done')
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(`GET http://api.example:${port}/ HTTP/1.0\r\n\r\n`)
  const { received, how } = await client.closed()
  assert.equal(how, 'end')
  assert(received.endsWith(`\r\n\r\napi.example:${port} done`))
})

test('pools past poolsMax give way to newer ones', async (t) => {
  const port = await openUpstream(t, (_req, res) => res.end('ok'))
  const world = await openWorld(t, { limits: { poolsMax: 1 } })
  for (const host of ['a.example', 'b.example', 'a.example']) {
    const client = await openWire(t, world.port)
    client.send(`GET http://${host}:${port}/ HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`)
    await client.until((received) => received.endsWith('ok'))
  }
})
