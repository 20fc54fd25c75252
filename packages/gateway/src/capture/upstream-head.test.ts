import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchangeRaw, openBench, openUpstream, parseAnswer } from './testing/inbound.ts'

const request = (method: string, more = ''): string =>
  `${method} / HTTP/1.1\r\nHost: orders.test\r\nConnection: close\r\n${more}\r\n`

test('a request that may have a body says upstream how long it is, also when there is none', async (t) => {
  const upstream = await openUpstream(t, (request, response) =>
    response.end(`${request.headers['content-length']}`),
  )
  const bench = await openBench(t, { upstream })
  const length = async (head: string): Promise<string> =>
    parseAnswer(await exchangeRaw(t, bench.port, head)).body
  assert.equal(await length(request('GET')), 'undefined')
  assert.equal(await length(request('POST')), '0')
  assert.equal(await length(request('PUT', 'Content-Length: 0\r\n')), '0')
})
