import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { fragment, handmadeHello, realHello, serverName } from './testing/hello.ts'
import { connectTo, hello, helloText, host, openServer, openTunnel } from './testing/tunnels.ts'
import { headOf, openWire, openWorld, reporting } from './testing/world.ts'

function without(head: string, received: string): string {
  return received.slice(head.length)
}

test('a tunnel is on record, resolved, judged, dialled and checked, in this order, and then passes bytes both ways', async (t) => {
  const world = await openWorld(t)
  const { client, server, head } = await openTunnel(t, world)
  assert.match(head, /^HTTP\/1\.1 200 Connection established\r\n/)
  assert.match(head, /\r\ncountersign-record: [0-9a-f-]{36}\r\n/)
  await server.until((received) => received === helloText)
  server.send('server hello')
  await client.until((received) => without(head, received) === 'server hello')
  client.socket.end()
  assert.equal((await server.closed()).how, 'end')
  server.socket.end('bye')
  assert.deepEqual(await client.closed(), { received: `${head}server hellobye`, how: 'end' })
  assert.deepEqual(
    world.log.map((entry) => entry.what),
    ['intent', 'resolved', 'addresses', 'outcome'],
  )
  const observed = await world.outcome()
  assert.equal(observed.outcome, 'success')
  assert.equal(observed.status, 200)
  assert.equal(observed.requestBytes, hello.length)
  assert.equal(observed.responseBytes, 15)
  assert(observed.firstByteNs !== undefined && observed.firstByteNs <= observed.durationNs)
  assert.deepEqual(observed.egress, {
    resolved: ['127.0.0.1'],
    pinned: '127.0.0.1',
    sni: host,
    alpn: ['h2', 'http/1.1'],
    tls: 'TLSv1.3',
  })
  const [intent] = world.log
  assert(intent?.what === 'intent')
  assert.equal(intent.captured.kind, 'connect')
  assert.equal(intent.captured.request.method, 'CONNECT')
  assert.equal(intent.captured.request.path, '')
})

test('bytes sent before the 200 are not lost, and reach nobody before the decision', async (t) => {
  const { port, accepted, count } = await openServer(t)
  const decided = Promise.withResolvers<void>()
  const world = await openWorld(t, { beforeForward: () => decided.promise })
  const client = await openWire(t, world.port)
  client.send(Buffer.concat([Buffer.from(connectTo(port)), hello, Buffer.from('early data')]))
  while (world.log.length === 0) await new Promise(setImmediate)
  assert.equal(count(), 0)
  assert.equal(client.received, '')
  decided.resolve()
  await (await accepted).until((received) => received === `${helloText}early data`)
})

test('a hello cut at any byte, or into any records, opens the tunnel all the same', async (t) => {
  const world = await openWorld(t)
  for (const at of [1, 4, 5, 6, 9, 43, 200, hello.length - 1]) {
    const { client, server, head } = await openTunnel(t, world, hello.subarray(0, at))
    assert.equal(head, headOf(client.received))
    await new Promise(setImmediate)
    assert.equal(server.received, '')
    client.send(hello.subarray(at))
    await server.until((received) => received === helloText)
  }
  const pieces = fragment(hello, 100)
  const { server } = await openTunnel(t, world, pieces)
  await server.until((received) => received === pieces.toString('latin1'))
})

const refused: readonly (readonly [what: string, bytes: Buffer, reason: string])[] = [
  ['another name', await realHello({ servername: 'evil.example' }), 'sni_mismatch'],
  ['no name', await realHello({}), 'sni_missing'],
  ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n'), 'not_tls'],
  [
    'a hello with two names',
    handmadeHello({ extensions: [serverName(host, 'evil.example')] }),
    'not_tls',
  ],
]
for (const [what, bytes, reason] of refused) {
  test(`a tunnel that begins with ${what} is closed before a byte of it goes upstream`, async (t) => {
    const world = await openWorld(t)
    const { client, server, head } = await openTunnel(t, world, bytes)
    const observed = await world.outcome()
    assert.equal(observed.outcome, 'denied')
    assert.equal(observed.reason, reason)
    assert.equal(observed.overruled?.allowed, false)
    assert.equal(observed.requestBytes, 0)
    assert.deepEqual(await client.closed(), { received: head, how: 'end' })
    assert.equal((await server.closed()).received, '')
  })

  test(`a tunnel that begins with ${what} is only noted where policy only reports`, async (t) => {
    const world = await openWorld(t, { decideTunnel: reporting })
    const { client, server } = await openTunnel(t, world, bytes)
    await server.until((received) => received === bytes.toString('latin1'))
    client.socket.end()
    server.socket.end()
    const observed = await world.outcome()
    assert.equal(observed.outcome, 'success')
    assert.equal(observed.overruled?.wouldDeny, true)
  })
}

test('Encrypted ClientHello is told to policy, which may refuse it, and is on record', async (t) => {
  const world = await openWorld(t, {
    decideTunnel: (decision, { ech }) => ({ ...decision, allowed: !ech }),
  })
  const { client } = await openTunnel(
    t,
    world,
    handmadeHello({ extensions: [serverName(host), [0xfe0d, Buffer.alloc(8)]] }),
  )
  await client.closed()
  const observed = await world.outcome()
  assert.deepEqual([observed.outcome, observed.egress?.ech], ['denied', true])
})

test('a tunnel to an address needs no name', async (t) => {
  const { port, accepted } = await openServer(t)
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  const nameless = await realHello({})
  client.send(Buffer.concat([Buffer.from(connectTo(port, '127.0.0.1')), nameless]))
  await (await accepted).until((received) => received === nameless.toString('latin1'))
  assert(!world.log.some((entry) => entry.what === 'resolved'))
})

test('a server that speaks before its client is no TLS server', async (t) => {
  const { port, accepted } = await openServer(t)
  const world = await openWorld(t, { decideTunnel: reporting })
  const client = await openWire(t, world.port)
  client.send(connectTo(port))
  const server = await accepted
  server.send('220 mail.example ESMTP\r\n')
  await client.until((received) => received.endsWith('ESMTP\r\n'))
  client.send('QUIT\r\n')
  await server.until((received) => received === 'QUIT\r\n')
  server.socket.end()
  client.socket.end()
  assert.equal((await world.outcome()).overruled?.wouldDeny, true)

  const strict = await openWorld(t)
  const other = await openServer(t)
  const denied = await openWire(t, strict.port)
  denied.send(connectTo(other.port))
  const speaker = await other.accepted
  speaker.send('220 mail.example ESMTP\r\n')
  const { received } = await denied.closed()
  assert(!received.includes('220'))
  assert.equal((await strict.outcome()).reason, 'not_tls')
})

test('a silent client is let go, or let pass, after clientHelloTimeout', async (t) => {
  const limits = { clientHelloTimeout: 20 }
  const world = await openWorld(t, { limits })
  const { client } = await openTunnel(t, world, hello.subarray(0, 20))
  await client.closed()
  assert.equal((await world.outcome()).reason, 'not_tls')

  const open = await openWorld(t, { limits, decideTunnel: reporting })
  const silent = await openTunnel(t, open, Buffer.alloc(0))
  while (open.log.length < 3) await new Promise(setImmediate)
  silent.client.send('late')
  await silent.server.until((received) => received === 'late')
})

test('a hello larger than clientHelloBytesMax is not read to its end', async (t) => {
  const world = await openWorld(t, { limits: { clientHelloBytesMax: hello.length - 1 } })
  const { client } = await openTunnel(t, world)
  await client.closed()
  assert.equal((await world.outcome()).reason, 'not_tls')
})

test('a connection opened ahead of need and closed unused sends nothing upstream', async (t) => {
  const world = await openWorld(t)
  const { client, server } = await openTunnel(t, world, Buffer.alloc(0))
  client.socket.end()
  await server.closed()
  const observed = await world.outcome()
  assert.deepEqual(
    [observed.outcome, observed.reason, observed.requestBytes],
    ['failure', 'client_gone', 0],
  )
})

test('each side may end before the other: the half-close is passed on and the rest still flows', async (t) => {
  const world = await openWorld(t)
  const one = await openTunnel(t, world)
  one.client.socket.end('last words')
  assert.equal((await one.server.closed()).received, `${helloText}last words`)
  one.server.send('still ')
  one.server.socket.end('here')
  assert.match((await one.client.closed()).received, /still here$/)

  const other = await openTunnel(t, world)
  await other.server.until((received) => received === helloText)
  other.server.socket.end('no more')
  assert.match((await other.client.closed()).received, /no more$/)
  other.client.send('but I have ')
  other.client.socket.end('more')
  assert.equal((await other.server.closed()).received, `${helloText}but I have more`)
  const observed = await world.outcome(2)
  assert.equal(observed.outcome, 'success')
  assert.equal(observed.requestBytes, hello.length + 15)
})

test('the last FIN of a tunnel waits for its record', async (t) => {
  const recorded = Promise.withResolvers<void>()
  const world = await openWorld(t, { beforeRelease: () => recorded.promise })
  const { client, server } = await openTunnel(t, world)
  client.socket.end()
  await server.closed()
  server.socket.end('all')
  await world.outcome()
  await client.until((received) => received.endsWith('all'))
  let ended = false
  client.socket.once('end', () => {
    ended = true
  })
  await new Promise(setImmediate)
  assert(!ended)
  recorded.resolve()
  assert.equal((await client.closed()).how, 'end')
})

test('a tunnel whose record can not be written is reset', async (t) => {
  const world = await openWorld(t, { beforeRelease: () => Promise.reject(new Error('no ledger')) })
  const { client, server } = await openTunnel(t, world)
  client.socket.end()
  await server.closed()
  server.socket.end('all')
  assert.equal((await client.closed()).how, 'reset')
})

test('a reset on one side is a reset on the other', async (t) => {
  const world = await openWorld(t)
  const one = await openTunnel(t, world)
  await one.server.until((received) => received === helloText)
  one.client.socket.resetAndDestroy()
  assert.equal((await one.server.closed()).how, 'reset')
  assert.equal((await world.outcome(1)).reason, 'client_gone')

  const other = await openTunnel(t, world)
  await other.server.until((received) => received === helloText)
  other.server.socket.resetAndDestroy()
  assert.equal((await other.client.closed()).how, 'reset')
  assert.equal((await world.outcome(2)).reason, 'upstream_closed')
})

test('a tunnel in which nothing moves for tunnelIdleTimeout is broken off', async (t) => {
  const world = await openWorld(t, { limits: { tunnelIdleTimeout: 30 } })
  const { client, server } = await openTunnel(t, world)
  assert.equal((await client.closed()).how, 'reset')
  assert.equal((await server.closed()).how, 'reset')
  assert.equal((await world.outcome()).reason, 'idle_timeout')
})

test('a reader that does not read stops the writer at the other end', async (t) => {
  const world = await openWorld(t)
  const { client, server, head } = await openTunnel(t, world)
  client.socket.pause()
  const piece = Buffer.alloc(64 * 1024, 1)
  const total = 48 * 1024 ** 2
  let written = 0
  const push = (): void => {
    while (written < total) {
      written += piece.length
      if (!server.socket.write(piece)) {
        server.socket.once('drain', push)
        return
      }
    }
    server.socket.end()
  }
  push()
  let before = -1
  for (let still = 0; still < 10; still = written === before ? still + 1 : 0) {
    before = written
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert(written < total)
  client.socket.resume().end()
  const { received } = await client.closed()
  assert.equal(received.length, head.length + total)
  assert.equal((await world.outcome()).responseBytes, total)
})

test('closing the listener ends tunnels after their grace, and their outcome is on record', async (t) => {
  const world = await openWorld(t)
  const { client, server } = await openTunnel(t, world)
  await server.until((received) => received === helloText)
  await world.egress.close({ graceMs: 1 })
  assert.equal((await world.outcome()).reason, 'gateway_stopping')
  assert.equal((await client.closed()).how, 'reset')
  assert.equal((await server.closed()).how, 'reset')
})

test('CONNECT behind a request that is not answered yet breaks the connection', async (t) => {
  const never = Promise.withResolvers<void>()
  const world = await openWorld(t, { beforeForward: () => never.promise })
  const client = await openWire(t, world.port)
  client.send(`GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n${connectTo(443)}`)
  assert.equal((await client.closed()).how, 'reset')
  assert.equal((await world.malformed()).defect, 'pipelined_connect')
  never.resolve()
  assert.equal((await world.outcome()).reason, 'client_gone')
})

test('a tunnel works as well behind a request on the same connection', async (t) => {
  const world = await openWorld(t, {
    decide: ({ kind }) => (kind === 'http' ? { allowed: false, reason: 'egress_not_listed' } : {}),
  })
  const { port, accepted } = await openServer(t)
  const client = await openWire(t, world.port)
  client.send('GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n')
  await client.until((received) => received.endsWith('}\n'))
  client.send(connectTo(port))
  await client.until((received) => received.includes('HTTP/1.1 200 '))
  client.send(hello)
  const server = await accepted
  await server.until((received) => received === helloText)
  server.socket.end()
  await once(client.socket, 'end')
})

test('a client that leaves at once after its FIN has ended its tunnel, not broken it', async (t) => {
  const world = await openWorld(t)
  const { client, server } = await openTunnel(t, world)
  await server.until((received) => received === helloText)
  client.socket.end()
  client.socket.destroy()
  await server.closed()
  // A goodbye that nobody takes is answered with a reset.
  server.send('goodbye')
  server.socket.end()
  const observed = await world.outcome()
  assert.deepEqual([observed.outcome, observed.reason], ['success', undefined])
})
