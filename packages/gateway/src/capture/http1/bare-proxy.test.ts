/** Server, parseHead and client in a row, between real clients and a real nginx. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { request } from 'undici'
import { until } from './testing/turns.ts'
import { type BareProxy, openCodecProxy, openNginx, openNodeProxy } from './testing/bare-proxy.ts'

const run = promisify(execFile)

async function curl(proxy: BareProxy, ...args: string[]): Promise<string> {
  const [target, ...options] = args.toReversed()
  const url = `http://127.0.0.1:${proxy.port}${target}`
  const { stdout } = await run('curl', ['-s', ...options.toReversed(), url], {
    encoding: 'latin1',
    maxBuffer: 2 ** 26,
  })
  return stdout
}

test('curl through the codec to nginx and back, whatever the size', async (t) => {
  const nginx = await openNginx()
  t.after(() => nginx.close())
  for (const open of [openCodecProxy, openNodeProxy]) {
    const proxy = await open(nginx.port)
    try {
      assert.equal(await curl(proxy, '/100'), 'countersign '.repeat(9).slice(0, 100))
      assert.equal((await curl(proxy, '/10k')).length, 10_240)
      assert.equal((await curl(proxy, '/1m')).length, 1_048_576)
      assert.match(await curl(proxy, '-I', '/1m'), /content-length: 1048576/i)
      assert.match(await curl(proxy, '-i', '/none'), /^HTTP\/1.1 204/)
      assert.match(await curl(proxy, '-i', '/absent'), /^HTTP\/1.1 404/)
      assert.match(await curl(proxy, '-i', '-H', 'Host: 127.1', '/'), /400[^]*host$/)
    } finally {
      await proxy.close()
    }
  }
})

test('bodies of every size and framing arrive as they were sent', async (t) => {
  const server = createServer((incoming, response) => {
    const pieces: Buffer[] = []
    incoming.on('data', (piece: Buffer) => pieces.push(piece))
    // Unknown length: the answer is chunked.
    incoming.on('end', () => {
      response.write(Buffer.concat(pieces))
      setImmediate(() => response.end())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await openCodecProxy((server.address() as AddressInfo).port)
  t.after(async () => {
    await proxy.close()
    server.close()
  })
  for (const bytes of [0, 1, 1_000, 20_000, 70_000, 3_000_000]) {
    const body = Buffer.alloc(bytes, 'The quick brown fox')
    for (const framing of ['content-length', 'chunked']) {
      const sent = framing === 'chunked' ? Readable.from([body]) : body
      const returned = await post(proxy.port, sent)
      assert.ok(returned.equals(body), `${bytes} bytes, ${framing}`)
    }
  }
})

/** @returns the body of the answer. */
async function post(port: number, body: Buffer | Readable): Promise<Buffer> {
  const { body: answer } = await request(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    body,
    reset: true,
  })
  return Buffer.from(await answer.arrayBuffer())
}

test('a client that leaves in the middle of an answer ends it upstream', async (t) => {
  let closed = false
  const server = createServer((_request, response) => {
    response.writeHead(200)
    const more = (): void => {
      while (response.writable && response.write(Buffer.alloc(100_000)));
    }
    response.on('drain', more)
    response.on('close', () => (closed = true))
    more()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await openCodecProxy((server.address() as AddressInfo).port)
  t.after(async () => {
    await proxy.close()
    server.close()
  })
  const client = connect(proxy.port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n')
  await once(client, 'data')
  client.destroy()
  await until(() => closed)
})
