/** Calls out, through the whole product, with real clients and a local TLS server. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type Server as HttpServer, createServer as createHttp } from 'node:http'
import { type Server as HttpsServer, createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { curl } from './clients.ts'
import { openRig } from './rig.ts'

const run = promisify(execFile)

test('calls out are allowed by name, pinned to an address, and recorded with what they showed', async () => {
  let reached = 0
  await using plain = await listening(
    createHttp((request, response) => {
      reached += 1
      request.resume()
      request.on('end', () => response.end(`plain ${request.headers.host ?? ''}`))
    }),
  )
  await using rig = await openRig(() => ({
    services: {
      billing: {
        egress: {
          mode: 'enforce',
          allow: [`localhost:${plain.port}`],
          allowPrivate: ['127.0.0.0/8', '::1/128'],
          credentials: './secrets/egress-billing.yaml',
        },
      },
      batch: {
        egress: {
          mode: 'report',
          allowPrivate: ['127.0.0.0/8', '::1/128'],
          sourceAddresses: ['127.0.0.9'],
        },
      },
    },
  }))
  const created = await rig.command(
    'keys',
    'create',
    '--name',
    'billing',
    '--type',
    'service',
    '--egress',
    'billing',
  )
  assert.equal(created.code, 0, created.stderr)
  const credential = created.stdout.trim()
  await rig.startAll()
  const proxy = `http://billing:${credential}@127.0.0.1:${rig.ports.egress}`
  const through = ['--proxy', proxy, '--noproxy', '']

  const allowed = await curl(
    ...through,
    '-H',
    'content-type: application/json',
    '-d',
    '{"amount":1,"to":"x"}',
    `http://localhost:${plain.port}/pay?card=1`,
  )
  assert.deepEqual([allowed.status, allowed.body], [200, `plain localhost:${plain.port}`])
  const unlisted = await curl(...through, 'http://unlisted.example/')
  assert.deepEqual(
    [unlisted.status, unlisted.headers['countersign-decision']],
    [403, 'egress_not_listed'],
  )
  const metadata = await curl(...through, 'http://169.254.169.254/latest/meta-data/')
  assert.deepEqual(
    [metadata.status, metadata.headers['countersign-decision']],
    [403, 'metadata_address'],
  )
  const disguised = await curl(...through, 'http://2852039166/latest/meta-data/')
  assert.equal(disguised.headers['countersign-decision'], 'metadata_address')
  const spelled = await curl(...through, '--request-target', 'http://127.1/', 'http://127.0.0.1/')
  assert.equal(spelled.status, 400)
  const stranger = await curl(
    '--proxy',
    `http://127.0.0.1:${rig.ports.egress}`,
    '--noproxy',
    '',
    `http://localhost:${plain.port}/`,
  )
  assert.deepEqual(
    [stranger.status, stranger.headers['countersign-decision']],
    [407, 'unregistered_caller'],
  )
  // Known by its address alone; mode report lets it pass and notes what enforce would have done.
  const reported = await curl(
    '--interface',
    '127.0.0.9',
    '--proxy',
    `http://127.0.0.1:${rig.ports.egress}`,
    '--noproxy',
    '',
    `http://localhost:${plain.port}/`,
  )
  assert.equal(reported.status, 200)
  const own = await curl(
    '--interface',
    '127.0.0.9',
    '--proxy',
    `http://127.0.0.1:${rig.ports.egress}`,
    '--noproxy',
    '',
    `http://localhost:${rig.ports.admin}/metrics`,
  )
  assert.deepEqual([own.status, own.headers['countersign-decision']], [403, 'own_listener'])
  assert.equal(reached, 2)

  const records = await rig.records()
  const of = (answer: { headers: Readonly<Record<string, string>> }) =>
    records.filter(({ id }) => id === answer.headers['countersign-record'])
  const [intent, outcome] = of(allowed)
  assert.deepEqual(intent?.destination, {
    host: 'localhost',
    port: plain.port,
    registered: true,
    allowed: true,
  })
  assert.equal(intent?.service?.name, 'billing')
  assert.equal(intent?.actor?.credential?.kind, 'proxy_credential')
  assert.match(String(outcome?.egress?.pinned), /^(127\.0\.0\.1|::1)$/)
  assert.deepEqual(outcome?.egress?.payload?.keys, ['amount', 'to'])
  assert.equal(of(reported)[0]?.decision?.would_deny, true)
  assert.equal(of(own)[1]?.decision?.reason, 'own_listener')
  assert.equal(of(own)[1]?.outcome, 'denied')
  assert.equal(records.filter(({ action }) => action === 'http.malformed').length, 1)
  assert.ok(!JSON.stringify(records).includes(credential))
  await rig.stopAll()
  await rig.check()
})

test('a tunnel passes curl and Node through HTTPS_PROXY, and one that lies about its name is cut', async () => {
  await using rig = await openRig(() => ({}))
  await run(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      'tls.key',
      '-out',
      'tls.pem',
    ],
    { cwd: rig.dir },
  )
  const [certificate, tlsKey] = await Promise.all([
    readFile(join(rig.dir, 'tls.pem')),
    readFile(join(rig.dir, 'tls.key')),
  ])
  await using secure = await listening(
    // No session tickets that come after the answer: a client that did not read them leaves with a reset, not with a FIN.
    createHttps({ cert: certificate, key: tlsKey, maxVersion: 'TLSv1.2' }, (_request, response) =>
      response.end('secret answer'),
    ),
  )
  await rig.write({
    services: {
      billing: {
        egress: {
          allow: [`localhost:${secure.port}`],
          allowPrivate: ['127.0.0.0/8', '::1/128'],
          sourceAddresses: ['127.0.0.0/8'],
        },
      },
    },
  })
  await rig.startAll()
  const env = {
    ...process.env,
    HTTPS_PROXY: `http://127.0.0.1:${rig.ports.egress}`,
    NO_PROXY: '',
    no_proxy: '',
  }
  const url = `https://localhost:${secure.port}/`
  const byCurl = await run('curl', ['--silent', '--cacert', join(rig.dir, 'tls.pem'), url], { env })
  assert.equal(byCurl.stdout, 'secret answer')
  const script = `process.stdout.write(await (await fetch(${JSON.stringify(url)})).text())`
  const byNode = await run(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...env, NODE_USE_ENV_PROXY: '1', NODE_EXTRA_CA_CERTS: join(rig.dir, 'tls.pem') },
  })
  assert.equal(byNode.stdout, 'secret answer')
  const lying = await curl(
    '--proxy',
    `http://127.0.0.1:${rig.ports.egress}`,
    '--noproxy',
    '',
    '--insecure',
    '--connect-to',
    `elsewhere.example:443:localhost:${secure.port}`,
    'https://elsewhere.example/',
  )
  assert.notEqual(lying.code, 0)

  await rig.stopAll()
  await rig.start('signer')
  await rig.start('ledger')
  const tunnels = (await rig.records()).filter(({ action }) => action === 'egress.connect')
  const outcomes = tunnels.filter(({ phase }) => phase === 'outcome')
  assert.deepEqual(
    outcomes.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['success', undefined],
      ['success', undefined],
      ['denied', 'sni_mismatch'],
    ],
  )
  assert.ok(
    outcomes
      .slice(0, 2)
      .every(({ egress }) => egress?.sni === 'localhost' && egress.tls === 'TLSv1.3'),
  )
  assert.ok(outcomes.slice(0, 2).every(({ http }) => (http?.response_bytes ?? 0) > 500))
  assert.equal(outcomes[2]?.egress?.sni, 'elsewhere.example')
  await rig.stopAll()
  await rig.check()
})

async function listening(
  server: HttpServer | HttpsServer,
): Promise<{ port: number } & AsyncDisposable> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
