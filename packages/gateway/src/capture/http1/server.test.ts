import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { ServerExchange } from './server-exchange.ts'
import { turn, until } from './testing/turns.ts'
import { type Recorder, echo, openClient, openServerBench, record } from './testing/server-bench.ts'

const run = promisify(execFile)
const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

test('curl gets its answers over one connection', async (t) => {
  const { port, http } = await openServerBench(t, echo)
  const url = `http://127.0.0.1:${port}`
  const { stdout, stderr } = await run('curl', ['-sv', `${url}/a`, `${url}/b`])
  assert.equal(stdout, 'GET /a GET /b ')
  assert.match(stderr, /Re-using existing connection/i)
  const posted = await run('curl', ['-s', '-d', 'x=1', `${url}/c`])
  assert.equal(posted.stdout, 'POST /c x=1')
  const chunked = ['-s', '-H', 'Transfer-Encoding: chunked', '-H', 'Expect: 100-continue']
  const sent = await run('curl', [...chunked, '-d', 'y=2', `${url}/d`])
  assert.equal(sent.stdout, 'POST /d y=2')
  const old = await run('curl', ['-s', '--http1.0', `${url}/e`])
  assert.equal(old.stdout, 'GET /e ')
  const head = await run('curl', ['-sI', `${url}/f`])
  assert.match(head.stdout, /^HTTP\/1.1 200 OK\r\ncontent-type: text\/plain\r\ndate: .+ GMT\r\n/)
  assert.match(head.stdout, /content-length: 8\r\n/)
  assert.ok(http.connections.size <= 1)
})

test('a small answer is one write', async (t) => {
  const { port } = await openServerBench(t, echo)
  const client = openClient(t, port)
  client.say(get)
  const [first] = (await once(client.socket, 'data')) as [Buffer]
  assert.match(first.toString(), /^HTTP\/1.1 200 OK\r\n(?:.+\r\n)+\r\nGET \/ $/)
})

test('pipelined requests are answered in turn, one exchange at a time', async (t) => {
  const running: ServerExchange[] = []
  const { port } = await openServerBench(t, (exchange) => void running.push(exchange))
  const client = openClient(t, port)
  client.say('GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n')
  while (running.length === 0) await turn()
  for (const nth of [1, 2, 3]) {
    assert.equal(running.length, nth)
    const exchange = running[nth - 1]
    assert.equal(exchange?.head.url, `/${nth}`)
    exchange?.writeHead(204, [])
    exchange?.end()
  }
  await client.until(/204 No Content/, 3)
})

test('ten thousand pipelined requests do not pile up on the stack', async (t) => {
  const { port } = await openServerBench(t, (exchange) => {
    exchange.writeHead(204, [])
    exchange.end()
  })
  const client = openClient(t, port)
  client.say('GET / HTTP/1.1\r\n\r\n'.repeat(10_000))
  await client.until(/204 No Content/, 10_000)
})

test('what is pipelined behind a running exchange is bounded', async (t) => {
  const { port, http } = await openServerBench(t, () => undefined, { inputBytesMax: 10_000 })
  const client = openClient(t, port)
  client.say(get.repeat(500_000))
  while ([...http.connections][0]?.socket.isPaused() !== true) await turn()
  const [connection] = http.connections
  assert.ok((connection?.socket.bytesRead ?? Number.NaN) < 10_000 + 2 * 65_536)
})

test('a body waits until it is read, and stops while it is paused', async (t) => {
  let taken: ServerExchange | undefined
  const pieces: Buffer[] = []
  let pauses = 1
  const { port, http } = await openServerBench(
    t,
    (exchange) => {
      taken = exchange
      record(exchange).onBody = (piece) => {
        pieces.push(piece)
        pauses -= 1
        if (pauses === 0) exchange.pauseBody()
      }
    },
    { inputBytesMax: 1_000 },
  )
  const client = openClient(t, port)
  const body = 'x'.repeat(3_000_000)
  client.say(`POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const paused = (): boolean => [...http.connections][0]?.socket.isPaused() === true
  await until(paused)
  assert.equal(pieces.length, 0)
  const exchange = await until(() => taken)
  assert.equal(exchange.received, false)
  exchange.readBody()
  await until(paused)
  assert.equal(pieces.length, 1)
  exchange.resumeBody()
  await until(() => exchange.received)
  assert.equal(Buffer.concat(pieces).toString(), body)
})

test('a body that is here already is taken in one piece', async (t) => {
  const bodies: (string | undefined)[] = []
  const { port } = await openServerBench(t, (exchange) => {
    bodies.push(exchange.takeBody()?.toString())
    assert.equal(exchange.received, true)
    exchange.writeHead(204, [])
    exchange.end()
  })
  const client = openClient(t, port)
  client.say('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello'.repeat(2))
  await client.until(/204/, 2)
  assert.deepEqual(bodies, ['hello', 'hello'])
})

test('an answer to an unread body ends the connection, and the client can still read it', async (t) => {
  const { port } = await openServerBench(t, (exchange) => {
    exchange.writeHead(403, [], 2)
    exchange.end(Buffer.from('no'))
  })
  const client = openClient(t, port)
  client.say(`POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n${'x'.repeat(500_000)}`)
  assert.match(await client.end(), /403 Forbidden\r\n[^]*connection: close\r\n\r\nno$/)
})

test('100 Continue is sent when the exchange says so, and not before', async (t) => {
  let taken: ServerExchange | undefined
  const { port } = await openServerBench(t, (exchange) => {
    taken = exchange
  })
  const client = openClient(t, port)
  client.say('POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n')
  const exchange = await until(() => taken)
  assert.equal(client.received, '')
  exchange.writeContinue()
  assert.equal(await client.until(/\r\n\r\n/), 'HTTP/1.1 100 Continue\r\n\r\n')
  const recorder = record(exchange)
  exchange.readBody()
  client.say('ok')
  while (recorder.body === '') await turn()
  exchange.writeHead(204, [])
  exchange.end()
  assert.doesNotMatch(await client.until(/204/), /close/)
})

test('a body of unknown length is chunked, and for HTTP/1.0 ends with the connection', async (t) => {
  const { port } = await openServerBench(t, (exchange) => {
    exchange.writeHead(200, ['date', 'today'])
    exchange.write(Buffer.from('abc'))
    exchange.end(Buffer.alloc(20_000, 'd'))
  })
  const client = openClient(t, port)
  client.say('GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
  assert.equal(
    await client.end(),
    `HTTP/1.1 200 OK\r\ndate: today\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n4e20\r\n${'d'.repeat(20_000)}\r\n0\r\n\r\n`,
  )
  const old = openClient(t, port)
  old.say('GET / HTTP/1.0\r\n\r\n')
  assert.match(
    await old.end(),
    /^HTTP\/1.1 200 OK\r\ndate: today\r\nconnection: close\r\n\r\nabcd+$/,
  )
})

test('a head can leave before there is a body', async (t) => {
  let exchange: ServerExchange | undefined
  const { port } = await openServerBench(t, (taken) => {
    exchange = taken
    taken.writeHead(200, [])
    taken.flush()
  })
  const client = openClient(t, port)
  client.say(get)
  await client.until(/transfer-encoding: chunked\r\n\r\n$/)
  exchange?.end()
  await client.until(/\r\n\r\n0\r\n\r\n$/)
})

test('HEAD, 204 and 304 have no body, whatever is written', async (t) => {
  const statuses = [200, 204, 304]
  const { port } = await openServerBench(t, (exchange, nth) => {
    exchange.writeHead(statuses[nth - 1] ?? 0, ['date', 'd'], nth === 2 ? undefined : 3)
    exchange.end(Buffer.from('abc'))
  })
  const client = openClient(t, port)
  client.say('HEAD / HTTP/1.1\r\n\r\n')
  await client.until(/200 OK/)
  client.say(get)
  await client.until(/204/)
  client.say(get)
  assert.equal(
    await client.until(/304[^]*\r\n\r\n/),
    'HTTP/1.1 200 OK\r\ndate: d\r\ncontent-length: 3\r\n\r\nHTTP/1.1 204 No Content\r\ndate: d\r\n\r\nHTTP/1.1 304 Not Modified\r\ndate: d\r\ncontent-length: 3\r\n\r\n',
  )
})

test('whoever writes a broken head is at fault', async (t) => {
  const thrown: string[] = []
  const { port } = await openServerBench(t, (exchange, nth) => {
    const wrong = [
      ['a', 'b\r\nc: d'],
      ['a\nb', 'c'],
      ['Content-Length', '1'],
      ['connection', 'x'],
    ]
    assert.throws(() => exchange.writeHead(200, wrong[nth - 1] ?? []), /is not one to write/)
    thrown.push(String(nth))
    exchange.destroy()
  })
  for (let nth = 0; nth < 4; nth++) {
    const client = openClient(t, port)
    client.say(get)
    assert.equal(await client.end(), '')
  }
  assert.equal(thrown.length, 4)
})

test('bytes that are no request are answered, and nothing after them is read', async (t) => {
  const { port, defects } = await openServerBench(t, echo)
  const client = openClient(t, port)
  client.say(`${get}GET /x HTTP/1.1\r\nA : b\r\n\r\n${get}`)
  const received = await client.end()
  assert.match(received, /GET \/ HTTP\/1.1 400 Bad Request\r\nx-defect: header_name\r\n/)
  assert.equal([...received.matchAll(/HTTP\/1.1 /g)].length, 2)
  assert.deepEqual(defects, ['header_name GET /x HTTP/1.1'])
})

test('a body that breaks its framing is told, and its connection ends', async (t) => {
  const { port } = await openServerBench(t, echo)
  const client = openClient(t, port)
  client.say(`POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n${get}`)
  assert.match(await client.end(), /400 Bad Request\r\n[^]*connection: close\r\n\r\nbody_framing$/)
})

test('a client that has said all is still answered', async (t) => {
  const { port } = await openServerBench(t, echo)
  const client = openClient(t, port)
  client.socket.end(`${get}${get}`)
  const received = await client.end()
  assert.equal([...received.matchAll(/200 OK/g)].length, 2)
})

test('a client that says all while it waits is known', async (t) => {
  let recorder: Recorder | undefined
  let exchange: ServerExchange | undefined
  const { port } = await openServerBench(t, (taken) => {
    exchange = taken
    recorder = record(taken)
  })
  const client = openClient(t, port)
  client.socket.end(get)
  const { events } = await until(() => recorder)
  await until(() => events.length > 0)
  assert.deepEqual(events, ['half closed'])
  exchange?.writeHead(204, [])
  exchange?.end()
  assert.match(await client.end(), /204[^]*connection: close/)
})

test('a client that leaves while it waits is known, and answering it does nothing', async (t) => {
  let recorder: Recorder | undefined
  let exchange: ServerExchange | undefined
  const { port, deadlines } = await openServerBench(t, (taken) => {
    exchange = taken
    recorder = record(taken)
  })
  const client = openClient(t, port)
  client.say(get)
  const { events } = await until(() => recorder)
  client.socket.resetAndDestroy()
  await until(() => events.length > 0)
  assert.deepEqual(events, ['client_gone'])
  exchange?.writeHead(200, [], 2)
  assert.equal(exchange?.write(Buffer.from('ok')), true)
  exchange?.end()
  exchange?.destroy()
  assert.equal(deadlines.watched, 0)
})

test('a head or a body that the client breaks off is told', async (t) => {
  const { port, defects } = await openServerBench(t, echo)
  const half = openClient(t, port)
  half.socket.end('GET / HTTP/1.1\r\nA')
  assert.match(await half.end(), /400 Bad Request/)
  assert.deepEqual(defects, ['syntax GET / HTTP/1.1'])
  const body = openClient(t, port)
  body.socket.end('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab')
  assert.match(await body.end(), /client_gone$/)
})

test('a connection takes so many requests and no more', async (t) => {
  const { port } = await openServerBench(t, echo, { requestsMax: 2 })
  const client = openClient(t, port)
  client.say(get.repeat(3))
  const received = await client.end()
  assert.equal([...received.matchAll(/200 OK/g)].length, 2)
  assert.equal([...received.matchAll(/connection: close/g)].length, 1)
})

test('closing lets the running exchange end, and idle connections at once', async (t) => {
  let taken: ServerExchange | undefined
  const { port, http } = await openServerBench(t, (exchange) => {
    taken = exchange
  })
  const idle = openClient(t, port)
  const busy = openClient(t, port)
  busy.say(get)
  const exchange = await until(() => taken)
  await until(() => http.connections.size === 2)
  http.close()
  assert.equal(await idle.end(), '')
  exchange.writeHead(204, [])
  exchange.end()
  assert.match(await busy.end(), /204[^]*connection: close/)
  const late = openClient(t, port)
  assert.equal(await late.end(), '')
})
