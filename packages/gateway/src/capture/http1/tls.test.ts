/** The same over TLS, ours on both sides, and curl. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createServer } from 'node:tls'
import { promisify } from 'node:util'
import { openHttp1Pool } from './client.ts'
import { openHttp1Server } from './server.ts'
import { type Certificate, makeCertificate } from './testing/certificate.ts'
import { openManualDeadlines } from './testing/manual-deadlines.ts'
import { collect, plain } from './testing/scripted-upstream.ts'

const run = promisify(execFile)
const large = Buffer.alloc(3_000_000, 'countersign ')

async function openTls(t: TestContext, certificate: Certificate): Promise<number> {
  const http = openHttp1Server({
    deadlines: openManualDeadlines(),
    onRequest: (exchange) => {
      exchange.writeHead(200, [], large.length)
      exchange.end(large)
    },
    onDefect: (refusal) => refusal.destroy(),
  })
  const server = createServer({ ...certificate, ALPNProtocols: ['http/1.1'] }, (socket) =>
    http.accept(socket),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    http.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

test('curl gets its answers over TLS', async (t) => {
  const port = await openTls(t, makeCertificate('orders.test'))
  const url = `https://127.0.0.1:${port}/`
  const { stdout } = await run('curl', ['-sk', url], { maxBuffer: 2 ** 26 })
  assert.equal(stdout.length, large.length)
})

test('our client reads our server over TLS, paused and resumed, on one connection', async (t) => {
  const certificate = makeCertificate('orders.test')
  const port = await openTls(t, certificate)
  const tls = { servername: 'orders.test', ca: certificate.cert }
  const connect = { host: '127.0.0.1', port, tls }
  const pool = openHttp1Pool({ connect, deadlines: openManualDeadlines() })
  t.after(() => pool.destroy())
  for (let round = 0; round < 2; round++) {
    const pieces: Buffer[] = []
    const handler = collect({
      onData: (piece) => {
        pieces.push(piece)
        setImmediate(() => call.resume())
        return false
      },
    })
    const call = pool.dispatch(plain('/'), handler)
    assert.equal((await handler.answer).error, undefined)
    assert.ok(Buffer.concat(pieces).equals(large))
    assert.equal(pool.connections, 1)
  }
})
