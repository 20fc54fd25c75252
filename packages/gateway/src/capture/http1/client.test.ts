import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { openHttp1Pool } from './client.ts'
import { makeCertificate } from './testing/certificate.ts'
import { openManualDeadlines } from './testing/manual-deadlines.ts'
import { turn } from './testing/turns.ts'
import { collect, openPool, openScripted, plain } from './testing/scripted-upstream.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('requests to a node upstream share one connection, with and without bodies', async (t) => {
  let connections = 0
  const server = createHttpServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => response.end(`${request.method} ${request.url} ${body.length}`))
  })
  server.on('connection', () => (connections += 1))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const { pool } = openPool(t, (server.address() as AddressInfo).port)
  const first = collect()
  pool.dispatch(plain('/a'), first)
  assert.equal((await first.answer).body, 'GET /a 0')
  const whole = collect()
  const body = Buffer.alloc(100_000, 'x')
  const head = `POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`
  pool.dispatch({ head, method: 'POST', body }, whole)
  assert.equal((await whole.answer).body, 'POST /b 100000')
  const streamed = collect({
    onReady: (call) => {
      call.write(Buffer.from('abc'))
      call.write(Buffer.alloc(50_000))
      call.end()
    },
  })
  const chunkedHead = 'PUT /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n'
  pool.dispatch({ head: chunkedHead, method: 'PUT', body: 'chunked' }, streamed)
  assert.equal((await streamed.answer).body, 'PUT /c 50003')
  const exact = collect({
    onReady: (call) => {
      call.write(Buffer.from('12345'))
      call.end()
    },
  })
  const exactHead = 'PUT /d HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n'
  pool.dispatch({ head: exactHead, method: 'PUT', body: { bytes: 5 } }, exact)
  assert.equal((await exact.answer).body, 'PUT /d 5')
  assert.equal(connections, 1)
})

test('every way an answer may end is understood', async (t) => {
  const answers: Record<string, [string, string]> = {
    '/length': [ok, 'ok'],
    '/chunked': [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nA: b\r\n\r\n',
      'ok',
    ],
    '/interim': [`HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok}`, 'ok'],
    '/none': ['HTTP/1.1 204 No Content\r\n\r\n', ''],
    '/same': ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', ''],
    '/close': ['HTTP/1.1 200 OK\r\n\r\nok', 'ok'],
  }
  const { port, sockets } = await openScripted(t, (said, socket) => {
    const target = /(\S+) HTTP\/1.1\r\nhost: a.test\r\n\r\n$/.exec(said)?.[1] ?? ''
    socket.write(answers[target]?.[0] ?? '')
    if (target === '/close') socket.end()
  })
  const { pool } = openPool(t, port)
  for (const [target, [, body]] of Object.entries(answers)) {
    const handler = collect()
    pool.dispatch(plain(target), handler)
    const answer = await handler.answer
    assert.deepEqual([answer.error, answer.body], [undefined, body], target)
  }
  assert.equal(sockets.length, 1)
  assert.equal(pool.connections, 0)
})

test('an answer to HEAD has no body', async (t) => {
  const { port } = await openScripted(t, (_said, socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'),
  )
  const { pool } = openPool(t, port)
  const handler = collect()
  pool.dispatch(plain('/', 'HEAD'), handler)
  const { head, error } = await handler.answer
  assert.deepEqual([error, head?.contentLength, head?.framing], [undefined, 5, 0])
})

const broken: Record<string, string> = {
  'is not HTTP': 'SSH-2.0-OpenSSH\r\n',
  'has two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
  'has a length and chunks':
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'has a bare LF': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'breaks its chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'is followed by another': `${ok}${ok}`,
  'to no body is followed by bytes': 'HTTP/1.1 204 No Content\r\n\r\nx',
  'upgrades unasked': 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n',
}
for (const [name, text] of Object.entries(broken)) {
  test(`an answer that ${name} fails, and its connection is not used again`, async (t) => {
    const { port, sockets } = await openScripted(t, (_said, socket, nth) =>
      socket.write(nth === 1 ? text : ok),
    )
    const { pool } = openPool(t, port)
    const handler = collect()
    pool.dispatch(plain('/'), handler)
    assert.equal((await handler.answer).error, 'PROTOCOL')
    assert.equal(pool.connections, 0)
    const next = collect()
    pool.dispatch(plain('/'), next)
    assert.equal((await next.answer).body, 'ok')
    assert.equal(sockets.length, 2)
  })
}

test('an answer that breaks off fails', async (t) => {
  const { port } = await openScripted(t, (_said, socket, nth) => {
    const started = nth === 1 ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok' : 'HTTP/1.1 2'
    socket.end(started)
  })
  const { pool } = openPool(t, port)
  for (const body of ['ok', '']) {
    const handler = collect()
    pool.dispatch(plain('/'), handler)
    const answer = await handler.answer
    assert.deepEqual([answer.error, answer.body], ['CLOSED', body])
  }
})

test('an answer that ends with its connection fails when the connection is reset', async (t) => {
  const { port, sockets } = await openScripted(t, (_said, socket) =>
    socket.write('HTTP/1.1 200 OK\r\n\r\npart'),
  )
  const { pool } = openPool(t, port)
  const handler = collect({
    onData: () => {
      sockets[0]?.resetAndDestroy()
      return true
    },
  })
  pool.dispatch(plain('/'), handler)
  assert.equal((await handler.answer).error, 'CLOSED')
})

test('bytes that nobody asked for end an idle connection', async (t) => {
  const { port, sockets } = await openScripted(t, (_said, socket) => socket.write(ok))
  const { pool } = openPool(t, port)
  const handler = collect()
  pool.dispatch(plain('/'), handler)
  await handler.answer
  assert.equal(pool.connections, 1)
  sockets[0]?.write(ok)
  while (pool.connections > 0) await turn()
})

/** An upstream that closes each connection when its second request comes. */
async function openForgetful(t: Parameters<typeof openScripted>[0]) {
  const upstream = await openScripted(t, (said, socket) => {
    if ([...said.matchAll(/ HTTP\/1.1\r\n/g)].length > 1) socket.destroy()
    else socket.write(ok)
  })
  const { pool } = openPool(t, upstream.port)
  const first = collect()
  pool.dispatch(plain('/'), first)
  await first.answer
  return { ...upstream, pool }
}

test('a request without body on a connection that was just closed is sent again, once', async (t) => {
  const { pool, sockets } = await openForgetful(t)
  const second = collect()
  pool.dispatch(plain('/', 'GET'), second)
  assert.equal((await second.answer).body, 'ok')
  assert.equal(sockets.length, 2)
  const always = await openScripted(t, (_said, socket, nth) => {
    if (nth === 1 && socket.bytesWritten === 0) socket.write(ok)
    else socket.destroy()
  })
  const other = openPool(t, always.port).pool
  const one = collect()
  other.dispatch(plain('/'), one)
  await one.answer
  const two = collect()
  other.dispatch(plain('/'), two)
  assert.equal((await two.answer).error, 'CLOSED')
  assert.equal(always.sockets.length, 2)
})

test('a request that may have had an effect is not sent again', async (t) => {
  const { pool, sockets } = await openForgetful(t)
  const second = collect()
  pool.dispatch(plain('/', 'POST'), second)
  assert.equal((await second.answer).error, 'CLOSED')
  const third = await openForgetful(t)
  const put = collect()
  const body = Buffer.from('x')
  const head = 'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n'
  third.pool.dispatch({ head, method: 'PUT', body }, put)
  assert.equal((await put.answer).error, 'CLOSED')
  assert.equal(sockets.length, 1)
})

test('a connection whose call was aborted is never used again', async (t) => {
  const { port, sockets } = await openScripted(t, (_said, socket, nth) => {
    if (nth > 1) socket.write(ok)
  })
  const { pool } = openPool(t, port)
  let told = 0
  const silent = () => {
    told += 1
  }
  const call = pool.dispatch(plain('/'), collect({ onEnd: silent, onError: silent }))
  while (sockets.length === 0) await turn()
  call.abort()
  assert.equal(pool.connections, 0)
  const next = collect()
  pool.dispatch(plain('/'), next)
  assert.equal((await next.answer).body, 'ok')
  assert.equal(told, 0)
})

test('an answer before the request’s body has ended is taken, and its connection not used again', async (t) => {
  const { port } = await openScripted(t, (_said, socket) => socket.write(ok))
  const { pool } = openPool(t, port)
  const handler = collect({ onReady: (call) => void call.write(Buffer.from('a')) })
  const head = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n'
  const call = pool.dispatch({ head, method: 'POST', body: { bytes: 9 } }, handler)
  assert.equal((await handler.answer).body, 'ok')
  assert.equal(pool.connections, 0)
  assert.equal(call.write(Buffer.from('b')), true)
})

test('a body that is not as long as its head says never reaches its end', async (t) => {
  for (const bytes of ['abc', 'a']) {
    const { port } = await openScripted(t, () => undefined)
    const { pool } = openPool(t, port)
    const handler = collect({
      onReady: (call) => {
        call.write(Buffer.from(bytes))
        call.end()
      },
    })
    const head = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n'
    pool.dispatch({ head, method: 'POST', body: { bytes: 2 } }, handler)
    assert.equal((await handler.answer).error, 'REQUEST_FRAMING')
    assert.equal(pool.connections, 0)
  }
})

test('an answer waits while it is paused, and loses nothing', async (t) => {
  const all = Buffer.alloc(5_000_000, 'abcdefg')
  const { port } = await openScripted(t, (_said, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${all.length}\r\n\r\n`)
    socket.write(all)
  })
  const { pool } = openPool(t, port)
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
  assert.ok(Buffer.concat(pieces).equals(all))
  assert.equal(pool.connections, 1)
})

test('a call may be paused and resumed at once, and bytes held after its end are nobody’s', async (t) => {
  const chunks = '1\r\na\r\n1\r\nb\r\n0\r\n\r\n'
  const { port } = await openScripted(t, (_said, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`)
  })
  const { pool } = openPool(t, port)
  for (let round = 0; round < 3; round++) {
    let body = ''
    const handler = collect({
      onData: (piece) => {
        body += piece.toString()
        call.pause()
        call.resume()
        return true
      },
    })
    const call = pool.dispatch(plain('/'), handler)
    assert.equal((await handler.answer).error, undefined)
    assert.equal(body, 'ab')
    assert.equal(pool.connections, 1)
  }
})

test('an answer that ends with its connection is whole although it was paused', async (t) => {
  const { port } = await openScripted(t, (_said, socket) =>
    socket.end(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n',
    ),
  )
  const { pool } = openPool(t, port)
  let body = ''
  const handler = collect({
    onData: (piece) => {
      body += piece.toString()
      setImmediate(() => call.resume())
      return false
    },
  })
  const call = pool.dispatch(plain('/'), handler)
  assert.equal((await handler.answer).error, undefined)
  assert.equal(body, 'ab')
})

test('an upstream that can not be reached is told apart from one that is not trusted', async (t) => {
  const { cert, key } = makeCertificate('orders.test')
  const server = createHttpsServer({ key, cert }, (request, response) =>
    response.end(`over TLS ${request.url}`),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const ask = async (tls: { servername: string; ca?: Buffer }, to = port): Promise<string> => {
    const deadlines = openManualDeadlines()
    const pool = openHttp1Pool({ connect: { host: '127.0.0.1', port: to, tls }, deadlines })
    const bodies: string[] = []
    for (const target of ['/a', '/b']) {
      const handler = collect()
      pool.dispatch(plain(target), handler)
      const { error, body } = await handler.answer
      bodies.push(error ?? body)
    }
    pool.destroy()
    return bodies.join(', ')
  }
  // The literal address is dialled, the name is checked.
  assert.equal(await ask({ servername: 'orders.test', ca: cert }), 'over TLS /a, over TLS /b')
  assert.equal(await ask({ servername: 'other.test', ca: cert }), 'TLS_UNTRUSTED, TLS_UNTRUSTED')
  assert.equal(await ask({ servername: 'orders.test' }), 'TLS_UNTRUSTED, TLS_UNTRUSTED')
  const plaintext = await openScripted(t, (_said, socket) => socket.end('HTTP/1.1 400 No\r\n\r\n'))
  const refused = await ask({ servername: 'orders.test', ca: cert }, plaintext.port)
  assert.equal(refused, 'TLS_UNTRUSTED, TLS_UNTRUSTED')
  const closed = createHttpServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port: nobody } = closed.address() as AddressInfo
  closed.close()
  await once(closed, 'close')
  const handler = collect()
  openPool(t, nobody).pool.dispatch(plain('/'), handler)
  assert.equal((await handler.answer).error, 'CONNECT_FAILED')
})
