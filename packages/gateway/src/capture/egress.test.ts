import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, after, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { listenEgress } from './egress.ts'
import { openCertificates } from './egress/testing/certificates.ts'
import { limits, openUpstream, openWire, openWorld, portOf, wire } from './egress/testing/world.ts'

const run = promisify(execFile)
const pki = openCertificates()
after(() => pki.remove())
pki.issue('server', 'DNS:api.example')
pki.issue('gateway', 'DNS:gateway.example,IP:127.0.0.1')
pki.issue('shop', 'URI:spiffe://example/shop')

interface TlsUpstream {
  readonly port: number
  /** Says goodbye to clients that have left. */
  readonly leave: () => void
}

/**
 * A TLS server that says what it was asked, and nothing that its client might leave unread: whoever does leaves with a reset instead of a
 * FIN, and how it left would be a matter of luck. So it is not of TLS 1.3, whose session tickets follow the answer at times, and says
 * goodbye only when it is told.
 */
async function openTlsUpstream(t: TestContext): Promise<TlsUpstream> {
  const server = createTlsServer(
    {
      cert: pki.read('server.pem'),
      key: pki.read('server.key'),
      maxVersion: 'TLSv1.2',
      allowHalfOpen: true,
    },
    (req, res) => {
      void text(req).then((body) => res.end(`${req.method} ${req.url} ${req.headers.host} ${body}`))
    },
  )
  // The server's own, which answers one goodbye with another.
  server.on('secureConnection', (socket) => socket.removeAllListeners('end'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const leave = (): void => server.closeAllConnections()
  t.after(() => {
    server.close()
    leave()
  })
  return { port: portOf(server), leave }
}

/** curl, without whatever the machine's environment says about proxies. */
async function curl(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await run(
    'curl',
    ['--silent', '--show-error', '--max-time', '10', '--disable', ...args],
    {
      env: { PATH: process.env['PATH'] ?? '', ...env },
    },
  )
  return stdout
}

/** A child Node with the environment it would have in production behind a proxy. */
async function node(script: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    timeout: 20_000,
  })
  return stdout
}

test('curl --proxy reaches a plain server', async (t) => {
  const port = await openUpstream(t, (req, res) => {
    void text(req).then((body) => res.end(`${req.method} ${req.url} ${req.headers.host} ${body}`))
  })
  const world = await openWorld(t)
  const proxy = ['--proxy', `http://shop:secret@127.0.0.1:${world.port}`]
  assert.equal(
    await curl([...proxy, `http://api.example:${port}/a?b=c`]),
    `GET /a?b=c api.example:${port} `,
  )
  const posted = await curl([...proxy, '--json', '{"amount":1}', `http://api.example:${port}/pay`])
  assert.equal(posted, `POST /pay api.example:${port} {"amount":1}`)
  const observed = await world.outcome(2)
  assert.deepEqual(observed.egress?.payload?.keys, ['amount'])
  const [intent] = world.log
  assert(intent?.what === 'intent')
  assert.equal(intent.captured.presented.proxyAuthorization, `Basic ${btoa('shop:secret')}`)
})

test('curl --proxy and HTTPS_PROXY reach a TLS server through CONNECT', async (t) => {
  const { port, leave } = await openTlsUpstream(t)
  const world = await openWorld(t)
  const url = `https://api.example:${port}/a`
  const trust = ['--cacert', pki.path('ca.pem')]
  const expected = `GET /a api.example:${port} `
  assert.equal(await curl([...trust, '--proxy', `http://127.0.0.1:${world.port}`, url]), expected)
  const proxyUrl = `http://shop:secret@127.0.0.1:${world.port}`
  assert.equal(await curl([...trust, url], { HTTPS_PROXY: proxyUrl }), expected)
  leave()
  const observed = await world.outcome(2)
  assert.equal(observed.outcome, 'success')
  assert.equal(observed.egress?.sni, 'api.example')
  assert(observed.responseBytes > 500)
})

test('curl through a proxy that speaks TLS shows its certificate to both', async (t) => {
  const { port, leave } = await openTlsUpstream(t)
  const tls = {
    certificate: pki.read('gateway.pem'),
    key: pki.read('gateway.key'),
    clientCa: pki.read('ca.pem'),
  }
  const world = await openWorld(t, { tls })
  const proxy = ['--proxy', `https://127.0.0.1:${world.port}`, '--proxy-cacert', pki.path('ca.pem')]
  const mine = ['--proxy-cert', pki.path('shop.pem'), '--proxy-key', pki.path('shop.key')]
  const trust = ['--cacert', pki.path('ca.pem')]
  assert.match(
    await curl([...proxy, ...mine, ...trust, `https://api.example:${port}/a`]),
    /^GET \/a /,
  )
  leave()
  const [intent] = world.log
  assert(intent?.what === 'intent')
  const { peer } = intent.captured
  assert.equal(peer.tls?.version, 'TLSv1.3')
  assert(peer.tls.certificate !== undefined)
  assert(Buffer.from(peer.tls.certificate).includes('spiffe://example/shop'))
  assert.equal((await world.outcome()).outcome, 'success')

  world.egress.update({ tls: { certificate: pki.read('server.pem'), key: pki.read('server.key') } })
  const renewed = connectTls({
    host: '127.0.0.1',
    port: world.port,
    ca: pki.read('ca.pem'),
    servername: 'api.example',
  })
  await once(renewed, 'secureConnect')
  assert.match(renewed.getPeerCertificate().subjectaltname ?? '', /api\.example/)
  renewed.destroy()
})

test('a listener that requires a client certificate serves nobody without one', async (t) => {
  const tls = {
    certificate: pki.read('gateway.pem'),
    key: pki.read('gateway.key'),
    clientCa: pki.read('ca.pem'),
    requireClientCertificate: true,
  }
  const world = await openWorld(t, { tls })
  const proxy = ['--proxy', `https://127.0.0.1:${world.port}`, '--proxy-cacert', pki.path('ca.pem')]
  await assert.rejects(curl([...proxy, 'http://api.example/']))
  assert.deepEqual(world.log, [])
})

test('a half-close inside TLS to the proxy is passed on and the rest still flows', async (t) => {
  const port = await openUpstream(t, () => {})
  const world = await openWorld(t, {
    tls: { certificate: pki.read('gateway.pem'), key: pki.read('gateway.key') },
    decideTunnel: (decision) => decision,
  })
  const raw = connect({ host: '127.0.0.1', port: world.port, allowHalfOpen: true })
  const socket = connectTls({ socket: raw, ca: pki.read('ca.pem'), servername: 'gateway.example' })
  await once(socket, 'secureConnect')
  const client = wire(t, socket)
  client.send(`CONNECT api.example:${port} HTTP/1.1\r\nHost: api.example:${port}\r\n\r\n`)
  await client.until((received) => received.includes('\r\n\r\n'))
  client.socket.end('odd\r\n\r\n')
  assert.match((await client.closed()).received, /HTTP\/1\.1 400 Bad Request\r\n[^]*$/)
  assert.equal((await world.outcome()).outcome, 'success')
})

test('a refused curl sees the status, the reason, and what to do', async (t) => {
  const world = await openWorld(t, {
    decide: () => ({ allowed: false, reason: 'unregistered_caller' }),
  })
  const proxy = ['--proxy', `http://127.0.0.1:${world.port}`]
  const plain = await curl([...proxy, '--include', 'http://api.example/'])
  assert.match(plain, /^HTTP\/1\.1 407 /)
  assert.match(plain, /Basic realm="countersign"/)
  const code = ['--output', '/dev/null', '--write-out', '%{http_connect}']
  await assert.rejects(
    curl([...proxy, ...code, 'https://api.example/']),
    /response 407|Command failed/,
  )
  assert.equal((await world.outcome(2)).status, 407)
})

test("Node's own proxy support reaches plain and TLS servers by fetch, http and https", async (t) => {
  const { port: tlsPort, leave } = await openTlsUpstream(t)
  const plainPort = await openUpstream(t, (req, res) => res.end(`plain ${req.url}`))
  const world = await openWorld(t)
  const proxy = `http://shop:secret@127.0.0.1:${world.port}`
  const script = `
    import https from 'node:https'
    import http from 'node:http'
    import { once } from 'node:events'
    import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
    const get = async (module, url) => { const [res] = await once(module.get(url), 'response'); return text(res) }
    const say = (line) => process.stdout.write(line + '\\n')
    say(await (await fetch('https://api.example:${tlsPort}/fetch')).text())
    say(await get(https, 'https://api.example:${tlsPort}/https'))
    say(await get(http, 'http://api.example:${plainPort}/http'))
  `
  const stdout = await node(script, {
    NODE_USE_ENV_PROXY: '1',
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    NODE_EXTRA_CA_CERTS: pki.path('ca.pem'),
  })
  leave()
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.trim()),
    [`GET /fetch api.example:${tlsPort}`, `GET /https api.example:${tlsPort}`, 'plain /http'],
  )
  await world.outcome(3)
  const snis = world.outcomes.map((observed) => observed.egress?.sni)
  assert.deepEqual(
    snis.filter((sni) => sni !== undefined),
    ['api.example', 'api.example'],
  )
  const intents = world.log.filter((entry) => entry.what === 'intent')
  for (const { captured } of intents) {
    assert.equal(captured.presented.proxyAuthorization, `Basic ${btoa('shop:secret')}`)
  }
})

const malformed: readonly (readonly [
  what: string,
  request: string,
  defect: string,
  status: number,
])[] = [
  ['origin-form', 'GET / HTTP/1.1\r\nHost: api.example\r\n\r\n', 'not_a_proxy_request', 400],
  ['asterisk-form', 'OPTIONS * HTTP/1.1\r\nHost: api.example\r\n\r\n', 'not_a_proxy_request', 400],
  [
    'https in the clear',
    'GET https://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n',
    'https_needs_connect',
    400,
  ],
  [
    'another scheme',
    'GET ftp://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n',
    'target_scheme',
    400,
  ],
  [
    'another Host',
    'GET http://api.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    'host_mismatch',
    400,
  ],
  [
    'a password in the target',
    'GET http://me:hunter2@api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n',
    'target_userinfo',
    400,
  ],
  [
    'a number for a host',
    'GET http://2852039166/ HTTP/1.1\r\nHost: 2852039166\r\n\r\n',
    'host',
    400,
  ],
  [
    'full-width digits',
    'GET http://\uff11\uff12\uff17.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    '',
    400,
  ],
  [
    'both framings',
    'POST http://api.example/ HTTP/1.1\r\nHost: api.example\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '',
    400,
  ],
  [
    'an upgrade',
    'GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    'upgrade_not_declared',
    400,
  ],
  [
    'an odd expectation',
    'GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\nExpect: gold\r\n\r\n',
    'expectation',
    417,
  ],
  ['no HTTP', 'hello there\r\n\r\n', 'method', 405],
]
for (const [what, request, defect, status] of malformed) {
  test(`a request with ${what} is answered, recorded, and never forwarded`, async (t) => {
    const world = await openWorld(t)
    const client = await openWire(t, world.port)
    client.send(request)
    const { received } = await client.closed()
    assert(received.startsWith(`HTTP/1.1 ${status} `), received)
    const seen = await world.malformed()
    if (defect !== '') assert.equal(seen.defect, defect)
    assert.equal(seen.direction, 'egress')
    assert.equal(seen.status, status)
    assert(!JSON.stringify(seen, (_key, value: unknown) => String(value)).includes('hunter2'))
    assert(!world.log.some((entry) => entry.what !== 'malformed'))
  })
}

test('a malformed request that can not be put on record is answered all the same', async (t) => {
  const world = await openWorld(t, { ledgerDown: true })
  const client = await openWire(t, world.port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match((await client.closed()).received, /not_a_proxy_request/)
})

test('a listener that can not be opened says where and why', async (t) => {
  const world = await openWorld(t)
  const options = {
    limits,
    clock: { nowNs: () => 0n, monotonicNs: () => 0n },
    ids: () => 'id',
    journey: async () => {},
    recordMalformed: async () => {},
    decideAddresses: () => assert.fail('asked'),
    decideTunnel: () => assert.fail('asked'),
    gatewayName: 'countersign',
  }
  const address = `127.0.0.1:${world.port}`
  await assert.rejects(listenEgress({ ...options, listener: { address } }), {
    code: 'LISTEN_FAILED',
    message: new RegExp(`could not listen for egress on ${address}`),
  })
  const tls = { certificate: 'no', key: 'no' }
  await assert.rejects(listenEgress({ ...options, listener: { address: '127.0.0.1:0', tls } }), {
    code: 'TLS_INVALID',
  })
})
