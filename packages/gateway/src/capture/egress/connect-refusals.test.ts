import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectTo, hello, openServer, openTunnel } from './testing/tunnels.ts'
import { allowing, openWire, openWorld, unusedPort } from './testing/world.ts'

test('a refusal by address dials nothing; a server that is not there is 502; neither says 200', async (t) => {
  const { port, count } = await openServer(t)
  const own = { ...allowing, allowed: false, reason: 'own_listener' } as const
  const refusing = await openWorld(t, { decideAddresses: () => ({ decision: own, mixed: false }) })
  const denied = await openWire(t, refusing.port)
  denied.send(Buffer.concat([Buffer.from(connectTo(port)), hello]))
  const { received } = await denied.closed()
  assert.match(
    received,
    /^HTTP\/1\.1 403 Forbidden\r\n[^]*countersign-decision: own_listener\r\n[^]*"error":"own_listener"/,
  )
  assert.equal(count(), 0)
  const observed = await refusing.outcome()
  assert.deepEqual([observed.outcome, observed.status, observed.overruled], ['denied', 403, own])

  const world = await openWorld(t)
  const unreachable = await openWire(t, world.port)
  unreachable.send(connectTo(await unusedPort()))
  assert.match(
    (await unreachable.closed()).received,
    /^HTTP\/1\.1 502 [^]*countersign-error: upstream_unreachable\r\n/,
  )
  assert.equal((await world.outcome()).reason, 'upstream_unreachable')
})

test('a refusal by name is 403 or 407 and resolves nothing', async (t) => {
  for (const [reason, status] of [
    ['egress_not_listed', 403],
    ['unregistered_caller', 407],
  ] as const) {
    const world = await openWorld(t, { decide: () => ({ allowed: false, reason }) })
    const client = await openWire(t, world.port)
    client.send(connectTo(443))
    const { received } = await client.closed()
    assert(received.startsWith(`HTTP/1.1 ${status} `))
    assert(received.includes(`\r\ncountersign-decision: ${reason}\r\n`))
    assert.equal(
      received.includes('\r\nproxy-authenticate: Basic realm="countersign"\r\n'),
      status === 407,
    )
    assert.deepEqual(
      world.log.map((entry) => entry.what),
      ['intent', 'outcome'],
    )
  }
})

test('while the ledger can not write, CONNECT is 503 and nothing is dialled', async (t) => {
  const { port, count } = await openServer(t)
  const world = await openWorld(t, { ledgerDown: true })
  const client = await openWire(t, world.port)
  client.send(connectTo(port))
  assert.match(
    (await client.closed()).received,
    /^HTTP\/1\.1 503 [^]*countersign-decision: ledger_unavailable\r\n/,
  )
  assert.equal(count(), 0)
})

test('more tunnels than tunnelsMax are 503 until one ends', async (t) => {
  const world = await openWorld(t, { limits: { tunnelsMax: 1 } })
  const one = await openTunnel(t, world)
  const client = await openWire(t, world.port)
  client.send(connectTo(443))
  assert.match(
    (await client.closed()).received,
    /^HTTP\/1\.1 503 [^]*countersign-error: tunnels_full\r\n/,
  )
  one.client.socket.resetAndDestroy()
  await world.outcome(2)
  await openTunnel(t, world)
})

test('a client that leaves while its server is dialled leaves nothing behind', async (t) => {
  const dialling = Promise.withResolvers<void>()
  const world = await openWorld(t, {
    decideAddresses(decision) {
      dialling.resolve()
      // TEST-NET-1: nobody answers there, or the network says at once that nobody can.
      return { decision, pinned: '192.0.2.1', mixed: false }
    },
    limits: { connectTimeout: 200 },
  })
  const client = await openWire(t, world.port)
  client.send(connectTo(443))
  await dialling.promise
  client.socket.resetAndDestroy()
  const { outcome, reason } = await world.outcome()
  assert.notEqual(outcome, 'success')
  assert(
    ['client_gone', 'upstream_timeout', 'upstream_unreachable'].includes(String(reason)),
    reason,
  )
})

const malformed: readonly (readonly [what: string, head: string, defect: string])[] = [
  ['a path', 'CONNECT http://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n', 'host'],
  ['no port', 'CONNECT api.example HTTP/1.1\r\nHost: api.example\r\n\r\n', 'target_form'],
  [
    'another Host',
    'CONNECT api.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n',
    'host_mismatch',
  ],
  [
    'two Hosts',
    'CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\nHost: api.example:443\r\n\r\n',
    'duplicate_host',
  ],
  [
    'a length',
    'CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\nContent-Length: 4\r\n\r\nbody',
    'body_not_allowed',
  ],
  [
    'a chunked body',
    'CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'body_not_allowed',
  ],
  [
    'user information',
    'CONNECT me:pw@api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n',
    'target_userinfo',
  ],
  [
    'a number for an address',
    'CONNECT 2130706433:443 HTTP/1.1\r\nHost: 2130706433:443\r\n\r\n',
    'host',
  ],
  ['a short address', 'CONNECT 127.1:443 HTTP/1.1\r\nHost: 127.1:443\r\n\r\n', 'host'],
  ['a hexadecimal address', 'CONNECT 0x7f.1:443 HTTP/1.1\r\nHost: 0x7f.1:443\r\n\r\n', 'host'],
  ['an octal address', 'CONNECT 0177.0.0.1:443 HTTP/1.1\r\nHost: 0177.0.0.1:443\r\n\r\n', 'host'],
  [
    'a zone id',
    'CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\nHost: [fe80::1%25eth0]:443\r\n\r\n',
    'host',
  ],
]
for (const [what, head, defect] of malformed) {
  test(`CONNECT with ${what} is malformed, and on record as such`, async (t) => {
    const world = await openWorld(t)
    const client = await openWire(t, world.port)
    client.send(head)
    const { received } = await client.closed()
    assert.match(received, /^HTTP\/1\.1 4\d\d /)
    const seen = await world.malformed()
    assert.equal(seen.defect, defect, received)
    assert.equal(world.log.length, 1)
  })
}
