/** Every time-out and every maximum of the client, reached. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { turn, until } from './testing/turns.ts'
import { collect, openPool, openScripted, plain } from './testing/scripted-upstream.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('so many connections, so many that wait, and no more', async (t) => {
  const { port, sockets } = await openScripted(t, () => undefined)
  const { pool } = openPool(t, port, { connectionsMax: 2, queueMax: 1 })
  const handlers = [collect(), collect(), collect(), collect()]
  for (const handler of handlers) pool.dispatch(plain('/'), handler)
  assert.equal((await handlers[3]?.answer)?.error, 'QUEUE_FULL')
  assert.equal(pool.connections, 2)
  while (sockets.length < 2) await turn()
  sockets[1]?.write(ok)
  assert.equal((await handlers[1]?.answer)?.body, 'ok')
  sockets[1]?.write(ok)
  assert.equal((await handlers[2]?.answer)?.body, 'ok')
  assert.equal(sockets.length, 2)
})

test('a request that waits too long for a connection fails, and one that was aborted does not take it', async (t) => {
  const { port, sockets } = await openScripted(t, () => undefined)
  const { pool, deadlines } = openPool(t, port, { connectionsMax: 1, queueTimeoutMs: 100 })
  const running = collect()
  pool.dispatch(plain('/'), running)
  const late = collect()
  pool.dispatch(plain('/'), late)
  deadlines.advance(101)
  assert.equal((await late.answer).error, 'QUEUE_TIMEOUT')
  const aborted = pool.dispatch(plain('/'), collect())
  aborted.abort()
  while (sockets.length < 1) await turn()
  sockets[0]?.write(ok)
  await running.answer
  assert.equal(pool.connections, 1)
})

test('a connection that fails makes room for the request that waits', async (t) => {
  const { port } = await openScripted(t, (_said, socket, nth) => {
    if (nth === 1) socket.destroy()
    else socket.write(ok)
  })
  const { pool } = openPool(t, port, { connectionsMax: 1 })
  const [first, second] = [collect(), collect()]
  pool.dispatch(plain('/'), first)
  pool.dispatch(plain('/'), second)
  assert.equal((await first.answer).error, 'CLOSED')
  assert.equal((await second.answer).body, 'ok')
})

test('a connection that is not made in time fails', async (t) => {
  const { port } = await openScripted(t, () => undefined)
  const { pool, deadlines } = openPool(t, port, { connectTimeoutMs: 100 })
  const handler = collect()
  pool.dispatch(plain('/'), handler)
  // Nothing happens on a socket before this test lets go of the thread.
  deadlines.advance(101)
  assert.equal((await handler.answer).error, 'CONNECT_TIMEOUT')
  assert.equal(pool.connections, 0)
})

test('an answer that does not begin, or drips its head, fails when its time is over', async (t) => {
  const { port, sockets } = await openScripted(t, (_said, socket) => socket.write('HTTP/1.1 200'))
  const { pool, deadlines } = openPool(t, port, { headTimeoutMs: 100 })
  const handler = collect()
  pool.dispatch(plain('/'), handler)
  while (sockets.length === 0 || sockets[0]?.bytesRead === 0) await turn()
  deadlines.advance(101)
  assert.equal((await handler.answer).error, 'HEAD_TIMEOUT')
})

test('an answer that stands still fails, one that is paused does not', async (t) => {
  const { port } = await openScripted(t, (_said, socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok'),
  )
  const { pool, deadlines } = openPool(t, port, { bodyIdleTimeoutMs: 100 })
  let failed = false
  let pieces = 0
  const handler = collect({
    onData: () => {
      pieces += 1
      return false
    },
    onError: (code) => {
      failed = code === 'BODY_TIMEOUT'
    },
  })
  const call = pool.dispatch(plain('/'), handler)
  await until(() => pieces > 0)
  deadlines.advance(1_000)
  assert.equal(failed, false)
  call.resume()
  deadlines.advance(101)
  assert.equal(failed, true)
})

test('an upstream that does not read the body it is sent is given up', async (t) => {
  const { port, sockets } = await openScripted(t, (_said, socket) => socket.pause())
  const { pool, deadlines } = openPool(t, port, { bodyIdleTimeoutMs: 1_000, headTimeoutMs: 1e9 })
  const errors: string[] = []
  const handler = collect({
    onReady: (call) => {
      while (call.write(Buffer.alloc(1_000_000)));
    },
    onError: (code) => {
      errors.push(code)
    },
  })
  const head = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n'
  pool.dispatch({ head, method: 'POST', body: 'chunked' }, handler)
  while (sockets.length === 0) await turn()
  while (errors.length === 0) {
    await turn()
    deadlines.advance(10)
  }
  assert.deepEqual(errors, ['STALLED'])
})

test('an idle connection is ended before the upstream would', async (t) => {
  const { port } = await openScripted(t, (_said, socket) => socket.write(ok))
  const { pool, deadlines } = openPool(t, port, { idleTimeoutMs: 100 })
  const handler = collect()
  pool.dispatch(plain('/'), handler)
  await handler.answer
  deadlines.advance(99)
  assert.equal(pool.connections, 1)
  deadlines.advance(2)
  assert.equal(pool.connections, 0)
})

test('a head beyond its limits is refused', async (t) => {
  const heads = [`A: ${'b'.repeat(300)}\r\n`, 'A: b\r\n'.repeat(5)]
  for (const lines of heads) {
    const { port } = await openScripted(t, (_said, socket) =>
      socket.write(`HTTP/1.1 200 OK\r\n${lines}\r\n`),
    )
    const { pool } = openPool(t, port, { headBytesMax: 200, fieldsMax: 4 })
    const handler = collect()
    pool.dispatch(plain('/'), handler)
    assert.equal((await handler.answer).error, 'HEAD_TOO_LARGE')
  }
})

test('interim answers without end are refused', async (t) => {
  const { port } = await openScripted(t, (_said, socket) =>
    socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(5)),
  )
  const { pool } = openPool(t, port, { interimMax: 4 })
  const handler = collect()
  pool.dispatch(plain('/'), handler)
  assert.equal((await handler.answer).error, 'PROTOCOL')
})

test('a pool that closes lets what runs end, and takes no more', async (t) => {
  const { port, sockets } = await openScripted(t, () => undefined)
  const { pool, deadlines } = openPool(t, port)
  const running = collect()
  pool.dispatch(plain('/'), running)
  while (sockets.length === 0) await turn()
  const closed = pool.close()
  const late = collect()
  pool.dispatch(plain('/'), late)
  assert.equal((await late.answer).error, 'POOL_CLOSED')
  sockets[0]?.write(ok)
  assert.equal((await running.answer).body, 'ok')
  await closed
  assert.equal(deadlines.watched, 0)
  const cut = openPool(t, port)
  const lost = collect()
  cut.pool.dispatch(plain('/'), lost)
  cut.pool.destroy()
  assert.equal((await lost.answer).error, 'POOL_CLOSED')
})
