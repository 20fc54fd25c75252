/** Every time-out and every maximum of the server, reached. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerExchange } from './server-exchange.ts'
import { turn, until } from './testing/turns.ts'
import { type Recorder, echo, openClient, openServerBench, record } from './testing/server-bench.ts'

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'
const bytesRead = (http: { connections: ReadonlySet<{ socket: { bytesRead: number } }> }): number =>
  [...http.connections][0]?.socket.bytesRead ?? 0

test('a head that drips in is refused when its time is over, however lively it drips', async (t) => {
  const { port, http, deadlines, defects } = await openServerBench(t, echo, { headTimeoutMs: 100 })
  const client = openClient(t, port)
  const text = 'GET / HTTP/1.1\r\nA: '
  for (let sent = 1; sent <= 10; sent++) {
    client.say(text[sent] === undefined ? 'x' : (text[sent - 1] ?? ''))
    while (bytesRead(http) < sent) await turn()
    deadlines.advance(11)
  }
  assert.match(await client.end(), /x-defect: headers_timeout/)
  assert.equal(defects.length, 1)
})

test('a connection on which nothing was ever said ends without a word', async (t) => {
  const { port, http, deadlines, defects } = await openServerBench(t, echo, { headTimeoutMs: 100 })
  const client = openClient(t, port)
  while (http.connections.size === 0) await turn()
  deadlines.advance(101)
  assert.equal(await client.end(), '')
  assert.deepEqual(defects, [])
})

test('an idle connection ends after its time', async (t) => {
  const { port, http, deadlines } = await openServerBench(t, echo, { idleTimeoutMs: 100 })
  const client = openClient(t, port)
  client.say(get)
  await client.until(/200 OK/)
  deadlines.advance(99)
  assert.equal(http.connections.size, 1)
  deadlines.advance(2)
  assert.doesNotMatch(await client.end(), /400/)
})

test('a body that creeps is given up, one that moves is not', async (t) => {
  const limits = { bodyIdleTimeoutMs: 1_000, bodyBytesPerSecondMin: 10 }
  const { port, http, deadlines } = await openServerBench(t, echo, limits)
  const client = openClient(t, port)
  const head = 'POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n'
  client.say(head)
  while (http.connections.size === 0 || bytesRead(http) < head.length) await turn()
  client.say('0123456789')
  while (bytesRead(http) < head.length + 10) await turn()
  deadlines.advance(1_001)
  assert.equal(client.received, '')
  client.say('012345678')
  while (bytesRead(http) < head.length + 19) await turn()
  deadlines.advance(1_001)
  assert.match(await client.end(), /body_timeout$/)
})

test('a body that nobody reads is not the client’s delay', async (t) => {
  let recorder: Recorder | undefined
  const { port, deadlines } = await openServerBench(t, (exchange) => {
    recorder = record(exchange)
  })
  const client = openClient(t, port)
  client.say('POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n')
  const { events } = await until(() => recorder)
  deadlines.advance(1_000_000)
  assert.deepEqual(events, [])
})

test('a client that does not read its answer is cut off', async (t) => {
  let recorder: Recorder | undefined
  const { port, deadlines } = await openServerBench(
    t,
    (exchange) => {
      recorder = record(exchange)
      exchange.writeHead(200, [])
      const fill = (): void => {
        while (exchange.write(Buffer.alloc(1_000_000)));
      }
      recorder.onDrain = fill
      fill()
    },
    { bodyIdleTimeoutMs: 1_000 },
  )
  const client = openClient(t, port)
  client.socket.pause()
  client.say(get)
  const { events } = await until(() => recorder)
  while (events.length === 0) {
    await turn()
    deadlines.advance(10)
  }
  assert.deepEqual(events, ['client_stalled'])
})

test('a client that reads slowly is not given up, until it stops', async (t) => {
  let recorder: Recorder | undefined
  let exchange: ServerExchange | undefined
  const piece = Buffer.alloc(10_000_000)
  const { port, deadlines } = await openServerBench(
    t,
    (taken) => {
      exchange = taken
      recorder = record(taken)
      taken.writeHead(200, [], 2 * piece.length)
      taken.write(piece)
      taken.end(piece)
    },
    { bodyIdleTimeoutMs: 1_000 },
  )
  const client = openClient(t, port)
  client.socket.pause()
  client.say(get)
  const { socket } = await until(() => exchange)
  const waiting = socket.writableLength
  client.socket.on('data', () => socket.writableLength < waiting && client.socket.pause())
  client.socket.resume()
  await until(() => socket.writableLength < waiting)
  client.socket.pause()
  deadlines.advance(1_001)
  await turn()
  assert.equal(socket.destroyed, false)
  deadlines.advance(1_001)
  assert.equal(socket.destroyed, true)
  assert.deepEqual(recorder?.events, [])
})

test('no request is taken after close, not even one that waits behind an answer under way', async (t) => {
  const taken: ServerExchange[] = []
  const { port, http } = await openServerBench(t, (exchange) => {
    taken.push(exchange)
    exchange.writeHead(200, [])
    exchange.flush()
  })
  const client = openClient(t, port)
  client.say(get + get)
  await client.until(/200 OK/)
  http.close()
  taken[0]?.end()
  assert.match(await client.end(), /\r\n\r\n0\r\n\r\n$/)
  assert.equal(taken.length, 1)
})

test('an answer waits for a slow reader, and goes on', async (t) => {
  let recorder: Recorder | undefined
  const { port, deadlines } = await openServerBench(t, (exchange) => {
    recorder = record(exchange)
    exchange.writeHead(200, [])
    while (exchange.write(Buffer.alloc(1_000_000)));
    recorder.onDrain = () => exchange.end()
  })
  const client = openClient(t, port)
  client.socket.pause()
  client.say('GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
  const { events } = await until(() => recorder)
  client.socket.resume()
  assert.match(await client.end(), /0\r\n\r\n$/)
  assert.deepEqual(events, [])
  assert.ok(deadlines.watched <= 1)
})

test('a client that goes on sending after its answer is listened to for a while only', async (t) => {
  const refuse = (exchange: ServerExchange): void => {
    exchange.writeHead(403, [], 0)
    exchange.end()
  }
  const { port, http, deadlines } = await openServerBench(t, refuse, {
    lingerMs: 100,
    lingerBytesMax: 1_000_000,
  })
  const idle = openClient(t, port)
  idle.socket.removeAllListeners('end')
  idle.say('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n')
  await idle.until(/403/)
  // The time begins when the answer has left.
  while (http.connections.size > 0) {
    await turn()
    deadlines.advance(10)
  }
  const busy = openClient(t, port)
  busy.socket.removeAllListeners('end')
  busy.say(`POST / HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n${'x'.repeat(3_000_000)}`)
  await busy.until(/403/)
  const [connection] = http.connections
  // No time passes: it is the bytes that are too many.
  while (http.connections.size > 0) await turn()
  assert.ok((connection?.socket.bytesRead ?? Number.NaN) < 2_000_000)
})

test('a head beyond its limits is refused', async (t) => {
  const { port, defects } = await openServerBench(t, echo, { headBytesMax: 200, fieldsMax: 3 })
  for (const text of [`GET /${'a'.repeat(200)}`, `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(4)}\r\n`]) {
    const client = openClient(t, port)
    client.say(text)
    assert.match(await client.end(), /400 Bad Request/)
  }
  assert.deepEqual(
    defects.map((defect) => defect.split(' ')[0]),
    ['headers_too_large', 'headers_too_many'],
  )
})

test('chunks beyond their limits break the body', async (t) => {
  const { port } = await openServerBench(t, echo, { chunkLineBytesMax: 8, trailerBytesMax: 8 })
  const head = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'
  for (const body of ['1;aaaaaaaaaa\r\nx\r\n0\r\n\r\n', '0\r\nA: bcdefgh\r\n\r\n']) {
    const client = openClient(t, port)
    client.say(head + body)
    assert.match(await client.end(), /body_framing$/)
  }
})
