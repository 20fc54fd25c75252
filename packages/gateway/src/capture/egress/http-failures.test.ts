import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  allowing,
  openTcp,
  openUpstream,
  openWire,
  openWorld,
  request,
  unusedPort,
} from './testing/world.ts'

test('a refusal by name resolves nothing and says why in a header that servers can not forge', async (t) => {
  const world = await openWorld(t, {
    decide: () => ({ allowed: false, reason: 'egress_not_listed' }),
  })
  const client = await openWire(t, world.port)
  client.send(request(80))
  const answer = await client.until((received) => received.includes('}\n'))
  assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/)
  assert.match(answer, /\r\ncountersign-decision: egress_not_listed\r\n/)
  assert.deepEqual(
    world.log.map((entry) => entry.what),
    ['intent', 'outcome'],
  )

  const port = await openUpstream(t, (_req, res) => {
    res
      .writeHead(403, {
        'countersign-decision': 'egress_not_listed',
        'proxy-authenticate': 'Basic',
      })
      .end('no')
  })
  const open = await openWorld(t)
  const other = await openWire(t, open.port)
  other.send(request(port))
  const forged = await other.until((received) => received.includes('no\r\n0\r\n'))
  assert(!forged.includes('countersign-decision') && !forged.includes('proxy-authenticate'))
})

for (const reason of ['unregistered_caller', 'no_credential', 'bad_credential'] as const) {
  test(`a caller refused for ${reason} is asked for a proxy credential`, async (t) => {
    const world = await openWorld(t, { decide: () => ({ allowed: false, reason }) })
    const client = await openWire(t, world.port)
    client.send(request(80))
    const answer = await client.until((received) => received.includes('}\n'))
    assert.match(answer, /^HTTP\/1\.1 407 Proxy Authentication Required\r\n/)
    assert.match(answer, /\r\nproxy-authenticate: Basic realm="countersign"\r\n/)
    assert(!answer.includes('www-authenticate'))
    assert.equal((await world.outcome()).status, 407)
  })
}

test('a refusal by address dials nothing and overrules what was decided by name', async (t) => {
  let dialled = 0
  const port = await openTcp(t, () => {
    dialled += 1
  })
  const refusing = {
    ...allowing,
    allowed: false,
    reason: 'metadata_address',
    rule: 'floor: metadata address',
  } as const
  const world = await openWorld(t, { decideAddresses: () => ({ decision: refusing, mixed: true }) })
  const client = await openWire(t, world.port)
  client.send(request(port))
  const answer = await client.until((received) => received.includes('}\n'))
  assert.match(answer, /^HTTP\/1\.1 403 /)
  assert.match(answer, /\r\ncountersign-decision: metadata_address\r\n/)
  const observed = await world.outcome()
  assert.equal(observed.outcome, 'denied')
  assert.equal(observed.reason, 'metadata_address')
  assert.equal(observed.overruled, refusing)
  assert.deepEqual(observed.egress, { resolved: ['127.0.0.1'], mixed: true })
  assert.equal(dialled, 0)
})

test('a later stage that only notes what a stricter mode would do is on record too', async (t) => {
  const port = await openUpstream(t, (_req, res) => res.end('ok'))
  const world = await openWorld(t, {
    decideAddresses: (decision) => ({
      decision: { ...decision, wouldDeny: true },
      pinned: '127.0.0.1',
      mixed: true,
    }),
  })
  const client = await openWire(t, world.port)
  client.send(request(port))
  const observed = await world.outcome()
  assert.equal(observed.outcome, 'success')
  assert.equal(observed.overruled?.wouldDeny, true)
})

test('a name without addresses is 502, and the record says so', async (t) => {
  const world = await openWorld(t, { resolver: () => Promise.reject(new Error('ENOTFOUND')) })
  const client = await openWire(t, world.port)
  client.send(request(80))
  const answer = await client.until((received) => received.includes('}\n'))
  assert.match(answer, /^HTTP\/1\.1 502 /)
  assert.match(answer, /\r\ncountersign-error: name_not_resolved\r\n/)
  assert.equal((await world.outcome()).reason, 'name_not_resolved')
})

test('while the ledger can not write, the answer is 503 and nothing is resolved', async (t) => {
  const world = await openWorld(t, { ledgerDown: true })
  const client = await openWire(t, world.port)
  client.send(request(80))
  const answer = await client.until((received) => received.includes('}\n'))
  assert.match(answer, /^HTTP\/1\.1 503 /)
  assert.match(answer, /\r\ncountersign-decision: ledger_unavailable\r\n/)
  assert.equal(world.log.length, 1)
})

test('a server that does not listen is 502; one that leaves or speaks no HTTP is 502 too', async (t) => {
  const world = await openWorld(t)
  const answering = (answer: string): Promise<number> =>
    openTcp(t, (socket) => socket.once('data', () => socket.end(answer)))
  const both = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'
  const twice = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok'
  const cases = [
    [await unusedPort(), 'upstream_unreachable'],
    [await answering(''), 'upstream_closed'],
    [await answering('SSH-2.0-server\r\n'), 'upstream_protocol'],
    [await answering(both), 'upstream_protocol'],
    [await answering(twice), 'upstream_protocol'],
    [
      await answering('HTTP/1.1 101 Switching Protocols\r\nupgrade: odd\r\n\r\n'),
      'upstream_protocol',
    ],
  ] as const
  for (const [index, [port, reason]] of cases.entries()) {
    const client = await openWire(t, world.port)
    client.send(request(port))
    const answer = await client.until((received) => received.includes('}\n'))
    assert.match(answer, /^HTTP\/1\.1 502 /)
    const observed = await world.outcome(index + 1)
    assert.deepEqual([observed.outcome, observed.status, observed.reason], ['error', 502, reason])
  }
})

test('an answer that a server breaks off is broken off', async (t) => {
  const port = await openTcp(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf')
    socket.once('data', () => socket.resetAndDestroy())
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port))
  assert.equal((await client.closed()).how, 'reset')
  assert.equal((await world.outcome()).reason, 'upstream_closed')
})

test('a client that leaves takes its request with it', async (t) => {
  const upstreamGone = Promise.withResolvers<void>()
  const port = await openTcp(t, (socket) => {
    socket.once('end', () => upstreamGone.resolve())
    socket.on('data', (bytes) => {
      if (bytes.toString().endsWith('half a body')) client.socket.resetAndDestroy()
    })
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port, ['Content-Length: 1000'], 'POST'))
  client.send('half a body')
  await upstreamGone.promise
  const observed = await world.outcome()
  assert.equal(observed.reason, 'client_gone')
  assert.equal(observed.requestBytes, 11)
})

test('a body that breaks its framing ends the request and its connection to the server', async (t) => {
  const upstreamGone = Promise.withResolvers<string>()
  const port = await openTcp(t, (socket) => {
    let received = ''
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (received.endsWith('hello')) client.send('zz\r\nGET /smuggled HTTP/1.1\r\n\r\n')
    })
    socket.once('end', () => upstreamGone.resolve(received))
  })
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port, ['Transfer-Encoding: chunked'], 'POST'))
  client.send('5\r\nhello\r\n')
  const received = await upstreamGone.promise
  assert(!received.includes('smuggled') && !received.endsWith('0\r\n\r\n'))
  const observed = await world.outcome()
  assert.equal(observed.reason, 'body_framing')
  assert.equal(observed.egress?.payload?.sha256, undefined)
})

test('bytes that are no request, behind one that is, are on record, and the connection is cut', async (t) => {
  const port = await openTcp(t, (socket) => socket.resume())
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(`${request(port)}\u0000garbage\r\n\r\n`)
  assert.equal((await client.closed()).how, 'reset')
  assert.equal((await world.malformed()).requestLine, undefined)
  assert.equal((await world.outcome()).reason, 'client_gone')
})

test('a listener that closes lets its exchanges end, and says that no more will follow', async (t) => {
  const answer = Promise.withResolvers<void>()
  const port = await openUpstream(t, (_req, res) => void answer.promise.then(() => res.end('last')))
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port))
  while (world.log.length < 3) await new Promise(setImmediate)
  const closed = world.egress.close({ graceMs: 5_000 })
  answer.resolve()
  await client.until((received) => received.includes('last'))
  await closed
  assert.equal((await world.outcome()).outcome, 'success')
})

test('a listener that has waited long enough breaks its exchanges off, on record', async (t) => {
  const port = await openUpstream(t, () => {})
  const world = await openWorld(t)
  const client = await openWire(t, world.port)
  client.send(request(port))
  while (world.log.length < 3) await new Promise(setImmediate)
  await world.egress.close({ graceMs: 1 })
  assert.equal((await world.outcome()).reason, 'gateway_stopping')
})
