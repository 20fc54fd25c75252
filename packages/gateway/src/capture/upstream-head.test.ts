import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchangeRaw, openBench, openUpstream, parseAnswer } from './testing/inbound.ts'

const head = (method: string, more = ''): string =>
  `${method} / HTTP/1.1\r\nHost: orders.test\r\nConnection: close\r\n${more}\r\n`

test('a request that may have a body says upstream how long it is, also when there is none', async (t) => {
  const upstream = await openUpstream(t, (request, response) =>
    response.end(`${request.headers['content-length']}`),
  )
  const bench = await openBench(t, { upstream })
  const length = async (text: string): Promise<string> =>
    parseAnswer(await exchangeRaw(t, bench.port, text)).body
  assert.equal(await length(head('GET')), 'undefined')
  assert.equal(await length(head('POST')), '0')
  assert.equal(await length(head('PUT', 'Content-Length: 0\r\n')), '0')
})
