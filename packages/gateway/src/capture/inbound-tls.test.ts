import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { openPki } from './testing/certificates.ts'
import { listen, openBench, openUpstream, parseAnswer } from './testing/inbound.ts'

const run = promisify(execFile)

test('a client certificate of the configured authority is handed on, another one is not', async (t) => {
  const pki = await openPki(t)
  const server = await pki.issue('orders.test')
  const client = await pki.issue('billing')
  const stranger = await (await openPki(t)).issue('billing')
  const upstream = await openUpstream(t, (_request, response) => response.end('ok'))
  const bench = await openBench(t, {
    upstream,
    listener: { address: '127.0.0.1:0', tls: { ...server, clientCa: pki.ca } },
  })
  const curl = (...more: string[]): Promise<{ stdout: string }> =>
    run('curl', [
      '-sS',
      '-i',
      '--http1.1',
      '--cacert',
      join(pki.folder, 'ca.pem'),
      '--resolve',
      `orders.test:${bench.port}:127.0.0.1`,
      ...more,
      `https://orders.test:${bench.port}/orders/42`,
    ])
  assert.equal(
    parseAnswer((await curl('--cert', client.certificateFile, '--key', client.keyFile)).stdout)
      .status,
    200,
  )
  assert.equal(parseAnswer((await curl()).stdout).status, 200)
  assert.equal(
    parseAnswer((await curl('--cert', stranger.certificateFile, '--key', stranger.keyFile)).stdout)
      .status,
    200,
  )
  const [known, none, unknown] = bench.captured
  assert.ok(known?.peer.tls?.certificate !== undefined)
  assert.equal(new X509Certificate(known.peer.tls.certificate).subject, 'CN=billing')
  assert.equal(known.peer.tls.sni, 'orders.test')
  assert.match(known.peer.tls.version, /^TLSv1\.[23]$/)
  assert.equal(known.request.scheme, 'https')
  assert.equal(none?.peer.tls?.certificate, undefined)
  assert.equal(unknown?.peer.tls?.certificate, undefined)
})

test('where a client certificate is required, a connection without one does not become a request', async (t) => {
  const pki = await openPki(t)
  const server = await pki.issue('orders.test')
  const bench = await openBench(t, {
    upstream: 1,
    listener: {
      address: '127.0.0.1:0',
      tls: { ...server, clientCa: pki.ca, requireClientCertificate: true },
    },
  })
  await assert.rejects(run('curl', ['-sS', '-k', `https://127.0.0.1:${bench.port}/`]))
  assert.equal(bench.captured.length, 0)
})

test('a renewed certificate is shown to new connections; a broken one changes nothing', async (t) => {
  const pki = await openPki(t)
  const first = await pki.issue('first.test')
  const second = await pki.issue('second.test')
  const bench = await openBench(t, {
    upstream: 1,
    listener: { address: '127.0.0.1:0', tls: first },
  })
  const shown = async (): Promise<string | undefined> => {
    const socket = connect({
      port: bench.port,
      host: '127.0.0.1',
      ca: pki.ca,
      checkServerIdentity: () => undefined,
    })
    await once(socket, 'secureConnect')
    const subject = socket.getPeerX509Certificate()?.subject
    socket.destroy()
    return subject
  }
  assert.equal(await shown(), 'CN=first.test')
  assert.throws(
    () => bench.listening.update({ tls: { certificate: 'nonsense', key: second.key } }),
    { code: 'TLS_INVALID' },
  )
  assert.equal(await shown(), 'CN=first.test')
  bench.listening.update({ tls: second })
  assert.equal(await shown(), 'CN=second.test')
})

test('an https upstream is verified against its own authority, and untrusted without it', async (t) => {
  const pki = await openPki(t)
  const server = createServer({ ...(await certificate(pki)) }, (_request, response) =>
    response.end('behind TLS'),
  )
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const upstream = new URL(`https://127.0.0.1:${await listen(server)}`)
  const trusted = await openBench(t, { upstream, ca: pki.ca })
  const { stdout } = await run('curl', ['-sS', `http://127.0.0.1:${trusted.port}/`])
  assert.equal(stdout, 'behind TLS')
  const untrusted = await openBench(t, { upstream })
  assert.equal(
    parseAnswer((await run('curl', ['-sS', '-i', `http://127.0.0.1:${untrusted.port}/`])).stdout)
      .status,
    502,
  )
  assert.equal((await untrusted.outcome()).reason, 'upstream_untrusted')
})

async function certificate(
  pki: Awaited<ReturnType<typeof openPki>>,
): Promise<{ cert: Buffer; key: Buffer }> {
  const { certificate: cert, key } = await pki.issue('upstream.test')
  return { cert, key }
}
