import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { incomplete, refused } from './field-lines.ts'
import { defaultChunkLimits, defaultHeadLimits } from './limits.ts'
import { RequestHeadReader } from './request-head.ts'
import { cutAt, mutated, readRequests, request, smuggling } from './testing/requests.ts'

const limits = { ...defaultHeadLimits, ...defaultChunkLimits }
const defectOf = (text: string, over: Partial<typeof limits> = {}): string | undefined =>
  readRequests([Buffer.from(text, 'latin1')], { ...limits, ...over }).defect

test('a head is read as it is written', () => {
  const { messages, defect } = readRequests([
    Buffer.from(
      'GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-Empty:\r\nX-Latin: caf\xe9 \t\r\nX-A:\t b  c\r\n\r\n',
      'latin1',
    ),
  ])
  assert.equal(defect, undefined)
  assert.deepEqual(messages[0]?.head, {
    method: 'GET',
    url: '/a?b',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    rawHeaders: ['Host', 'a.test', 'X-Empty', '', 'X-Latin', 'caf\xe9', 'X-A', 'b  c'],
    framing: 0,
    close: false,
    expectsContinue: false,
  })
})

test('a client that wants to close, that is old, or that expects to be told to continue is known', () => {
  const head = (text: string) => readRequests([Buffer.from(text)]).messages[0]?.head
  assert.equal(head('GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n')?.close, true)
  assert.equal(head('GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n')?.close, false)
  assert.equal(head('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')?.close, true)
  assert.equal(head('GET / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n')?.expectsContinue, true)
  assert.equal(head('GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n')?.expectsContinue, false)
})

for (const [name, text] of Object.entries(smuggling)) {
  test(`${name}: refused`, () => {
    const { messages, defect } = readRequests([Buffer.from(text, 'latin1')])
    assert.notEqual(defect, undefined)
    assert.deepEqual(messages, [])
  })
}

test('a defect has the name it is recorded under', () => {
  const get = 'GET / HTTP/1.1\r\n'
  assert.equal(defectOf('\x16\x03\x01'), 'syntax')
  assert.equal(defectOf('GET / HTTP/1.1\n'), 'syntax')
  assert.equal(defectOf('BREW / HTTP/1.1\r\n'), 'method')
  assert.equal(defectOf('GET /\x01 HTTP/1.1\r\n'), 'target_character')
  assert.equal(defectOf('GET / HTTP/3.0\r\n'), 'http_version')
  assert.equal(defectOf('GET /\r\n'), 'http_version')
  assert.equal(defectOf(`${get}A : b\r\n`), 'header_name')
  assert.equal(defectOf(`${get}A: \x01\r\n`), 'header_value')
  assert.equal(defectOf(`${get}A: b\rc\r\n`), 'syntax')
  assert.equal(defectOf(`${get}Content-Length: x\r\n\r\n`), 'content_length')
  assert.equal(defectOf(`${get}Content-Length: 1\r\nContent-Length: 1\r\n`), 'content_length')
  assert.equal(defectOf(`${get}Transfer-Encoding: x\r\n\r\n`), 'transfer_encoding')
  assert.equal(
    defectOf(`${get}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`),
    'length_and_chunked',
  )
  assert.equal(defectOf(`${get}Expect: a\r\nExpect: b\r\n\r\n`), 'expectation')
})

test('the limits of a head are reached exactly', () => {
  const head = 'GET /aa HTTP/1.1\r\nA: b\r\n\r\n'
  assert.equal(defectOf(head, { headBytesMax: head.length }), undefined)
  assert.equal(defectOf(head, { headBytesMax: head.length - 1 }), 'headers_too_large')
  const line = 'GET /aa HTTP/1.1\r\n'.length
  assert.equal(defectOf(head, { lineBytesMax: line }), undefined)
  assert.equal(defectOf(head, { lineBytesMax: line - 1 }), 'headers_too_large')
  const three = 'GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\n\r\n'
  assert.equal(defectOf(three, { fieldsMax: 3 }), undefined)
  assert.equal(defectOf(three, { fieldsMax: 2 }), 'headers_too_many')
  // A line that never ends does not grow beyond the limit.
  assert.equal(defectOf('G'.repeat(101), { headBytesMax: 100 }), 'headers_too_large')
})

test('a body behind the head does not count as head', () => {
  const body = 'x'.repeat(50_000)
  const text = `POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  assert.equal(readRequests([Buffer.from(text)]).messages[0]?.body, body)
})

test('a head of one-byte pieces is read in linear time and within its limit', () => {
  const reader = new RequestHeadReader({ ...limits, headBytesMax: 32_768 })
  const line = Buffer.from(
    `GET /${'a'.repeat(10_000)} HTTP/1.1\r\nA: ${'b'.repeat(20_000)}\r\n\r\n`,
  )
  let result = 0
  for (let at = 0; at < line.length; at++) result = reader.feed(line.subarray(at, at + 1), 0)
  assert.equal(result, 1)
  assert.equal(reader.take()?.url?.length, 10_001)
})

test('the request line of a defect is kept, cut at 1 KiB', () => {
  const lineOf = (text: string): string => {
    const reader = new RequestHeadReader({ ...limits, headBytesMax: 3_000 })
    assert.equal(reader.feed(Buffer.from(text, 'latin1'), 0), refused)
    return reader.requestLine
  }
  assert.equal(lineOf('GET /a HTTP/1.1\r\nA : b\r\n\r\n'), 'GET /a HTTP/1.1')
  assert.equal(lineOf('GET /a\r\n\r\n'), 'GET /a')
  assert.equal(lineOf('\x16\x03\x01'), '\x16\x03\x01')
  assert.equal(lineOf(`GET /${'a'.repeat(4_000)}`).length, 1_024)
  const reader = new RequestHeadReader(limits)
  assert.equal(reader.feed(Buffer.from('GET /par'), 0), incomplete)
  assert.equal(reader.requestLine, 'GET /par')
})

test('requests are read alike however their bytes are cut', () => {
  const small = {
    ...limits,
    headBytesMax: 160,
    lineBytesMax: 40,
    fieldsMax: 5,
    trailerBytesMax: 12,
  }
  const stream = fc
    .array(fc.oneof(request, mutated), { minLength: 1, maxLength: 3 })
    .map((all) => Buffer.concat(all))
  const cuts = fc.array(fc.nat(), { maxLength: 12 })
  fc.assert(
    fc.property(stream, cuts, fc.boolean(), (bytes, places, tight) => {
      const within = tight ? small : limits
      const whole = readRequests([bytes], within)
      assert.deepEqual(readRequests(cutAt(bytes, places), within), whole)
      const single = Array.from(bytes, (byte) => Buffer.of(byte))
      assert.deepEqual(readRequests(single, within), whole)
    }),
    { numRuns: 400 },
  )
})

test('a well-formed request is accepted, with its whole body', () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 3 }), (all) => {
      const { messages, defect } = readRequests([Buffer.concat(all)])
      assert.equal(defect, undefined)
      assert.equal(messages.length, all.length)
    }),
  )
})
