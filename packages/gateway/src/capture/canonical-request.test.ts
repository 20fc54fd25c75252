import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HeadOptions, parseHead } from './canonical-request.ts'

function names(listener: HeadOptions['listener'], ...raw: string[]): string[] {
  const url = listener === 'origin' ? '/a' : 'http://orders.test/a'
  const head = { method: 'GET', url, httpVersionMajor: 1, httpVersionMinor: 1 }
  const parsed = parseHead(
    { ...head, rawHeaders: ['Host', 'orders.test', ...raw] },
    { listener, scheme: 'http', bodyBytesMax: 1024 },
  )
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed.request.headers.map(([name]) => name)
}

const key = `csk_abcdefgh_${'A'.repeat(43)}`

test("the gateway's own keys end at the gateway, however they are spelled", () => {
  assert.deepEqual(names('origin', 'Authorization', `Bearer ${key}`, 'Accept', '*/*'), ['accept'])
  assert.deepEqual(names('origin', 'authorization', `bearer   ${key}`), [])
  assert.deepEqual(names('origin', 'X-Api-Key', key, 'Accept', '*/*'), ['accept'])
})

test("other people's credentials are passed on: they may be meant for the upstream", () => {
  assert.deepEqual(names('origin', 'Authorization', 'Bearer eyJ.a.b', 'Cookie', 'a=1'), [
    'authorization',
    'cookie',
  ])
  assert.deepEqual(names('origin', 'X-Api-Key', 'something'), ['x-api-key'])
})

test('on the way out a key of a gateway is for the destination', () => {
  assert.deepEqual(names('proxy', 'Authorization', `Bearer ${key}`), ['authorization'])
})
