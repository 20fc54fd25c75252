import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthority } from './authority.ts'
import { formatForwarded, resolveClient, trustRanges } from './forwarded.ts'
import { type HeaderFacts, scanHeaders } from './headers.ts'
import {
  isSecretKey,
  redactBody,
  redactHeaders,
  redactPath,
  redactQuery,
  redactRequestLine,
  redactShapes,
  redactText,
} from './redact.ts'
import { answerHeaders, responseHead } from './response-head.ts'
import { formatTraceparent, isRequestId, openTracer } from './trace-context.ts'

const id = '0af7651916cd43dd8448eb211c80319c'
const parent = 'b7ad6b7169203331'

function facts(...raw: string[]): HeaderFacts {
  const scanned = scanHeaders(raw)
  assert.ok(typeof scanned !== 'string')
  return scanned.facts
}

test('a right traceparent is continued: its trace, its span as parent, a new span of ours', () => {
  const trace = openTracer()(`00-${id}-${parent}-01`, 'vendor=a, other=b')
  assert.deepEqual(
    { ...trace, span: '' },
    { id, parent, flags: '01', state: 'vendor=a,other=b', span: '' },
  )
  assert.match(formatTraceparent(trace), new RegExp(`^00-${id}-(?!${parent})[0-9a-f]{16}-01$`))
})

test('a traceparent that is not exactly right begins a new trace, and its state is dropped', () => {
  const wrong = [
    `00-${id}-${parent}`,
    `00-${id}-${parent}-01-x`,
    `ff-${id}-${parent}-01`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `00-${id.toUpperCase()}-${parent}-01`,
    `00-${id}-${parent}-0`,
    '',
    'x',
  ]
  for (const text of wrong) {
    const trace = openTracer()(text, 'vendor=a')
    assert.notEqual(trace.id, id, text)
    assert.equal(trace.parent, undefined)
    assert.equal(trace.state, undefined)
  }
})

test('a traceparent of a later version is read as far as it is known', () => {
  assert.deepEqual(
    { ...openTracer()(`cc-${id}-${parent}-ff-what`, undefined), span: '' },
    { id, parent, flags: '01', span: '' },
  )
})

test('a tracestate with one wrong member, a repeated key or over 512 characters is dropped whole', () => {
  for (const state of [
    'a=1,B=2',
    'a=1,a=2',
    'a',
    `a=${'x'.repeat(520)}`,
    Array.from({ length: 33 }, (_, at) => `k${at}=1`).join(','),
  ]) {
    assert.equal(openTracer()(`00-${id}-${parent}-01`, state).state, undefined, state)
  }
})

test('a request id is passed on when it is short and plain', () => {
  assert.ok(isRequestId('8f14e45f-ceea.A_1'))
  for (const text of ['', 'a b', 'a\r\nb', 'x'.repeat(129), 'a/b'])
    assert.ok(!isRequestId(text), text)
})

test('a chain is read from the right for as long as hops are trusted', () => {
  const trusted = trustRanges(['10.0.0.0/8', '192.0.2.9', '2001:db8::/32'])
  const client = (...raw: string[]): unknown => resolveClient('10.0.0.1', facts(...raw), trusted)
  assert.deepEqual(client('X-Forwarded-For', '6.6.6.6, 198.51.100.7, 10.0.0.2'), {
    address: '198.51.100.7',
    scheme: undefined,
  })
  assert.deepEqual(client('X-Forwarded-For', '10.0.0.3'), {
    address: '10.0.0.3',
    scheme: undefined,
  })
  assert.deepEqual(client('X-Forwarded-For', '6.6.6.6, unknown'), {
    address: '10.0.0.1',
    scheme: undefined,
  })
  assert.deepEqual(client('X-Forwarded-For', '198.51.100.7', 'X-Forwarded-Proto', 'https'), {
    address: '198.51.100.7',
    scheme: 'https',
  })
  assert.deepEqual(
    client('Forwarded', 'for=6.6.6.6, for="198.51.100.7:4711";proto=https, for="[2001:db8::2]"'),
    { address: '198.51.100.7', scheme: 'https' },
  )
  assert.deepEqual(client('Forwarded', 'for=_hidden'), { address: '10.0.0.1', scheme: undefined })
  assert.equal(
    client('Forwarded', 'for=198.51.100.7', 'X-Forwarded-For', '198.51.100.8'),
    'forwarded_conflict',
  )
  assert.deepEqual(client(), { address: '10.0.0.1', scheme: undefined })
})

test('what is not a range is refused when it is configured', () => {
  assert.throws(() => trustRanges(['10.0.0.0/33']))
  assert.throws(() => trustRanges(['proxy.example']))
})

test('Forwarded quotes what RFC 7239 wants quoted', () => {
  assert.equal(
    formatForwarded('2001:db8::1', 'a.test:8080', 'https'),
    'for="[2001:db8::1]";host="a.test:8080";proto=https',
  )
})

test('only a DNS name or an address in its usual spelling is a host', () => {
  for (const [text, host, port] of [
    ['A.test:8080', 'a.test', 8080],
    ['192.0.2.1', '192.0.2.1', undefined],
    ['[::1]:1', '::1', 1],
    ['[::ffff:127.0.0.1]', '::ffff:7f00:1', undefined],
    ['a_b.test', 'a_b.test', undefined],
  ] as const) {
    assert.deepEqual(parseAuthority(text), { host, port })
  }
  for (const text of [
    '',
    '127.1',
    '0177.0.0.1',
    '0x7f000001',
    '1.2.3.4.5',
    '169.254.43518',
    'a..b',
    '.a',
    'a.',
    '-a',
    'a-',
    '::1',
    '[::1',
    '[::1%lo]',
    'a:0',
    'a:b',
    'a b',
    'a/b',
    '\u2460.test',
    `${'a'.repeat(64)}.test`,
    'a.0x1f',
  ]) {
    assert.equal(parseAuthority(text), 'host', text)
  }
})

test('an answer is judged as strictly as a request, and can not speak for us', () => {
  const head = responseHead(200, {
    connection: 'X-Private, keep-alive',
    'x-private': '1',
    'keep-alive': 'timeout=5',
    'countersign-decision': 'granted',
    'countersign-record': 'x',
    'set-cookie': ['a=1', 'b=2'],
    'content-length': '5',
    'transfer-encoding': undefined,
    upgrade: 'h2c',
  })
  assert.deepEqual(head, {
    headers: ['set-cookie', 'a=1', 'set-cookie', 'b=2', 'content-length', '5'],
    bytes: 5,
  })
  const wrong: Parameters<typeof responseHead>[1][] = [
    { 'content-length': ['5', '5'] },
    { 'content-length': '+5' },
    { 'content-length': '5', 'transfer-encoding': 'chunked' },
    { 'transfer-encoding': 'gzip, chunked' },
    { 'transfer-encoding': ['chunked', 'chunked'] },
    { 'content-type': ['a/b', 'c/d'] },
    { connection: 'set-cookie' },
  ]
  for (const headers of wrong)
    assert.equal(responseHead(200, headers), undefined, JSON.stringify(headers))
  assert.equal(responseHead(204, { 'content-length': '1' }), undefined)
})

test('the same of an answer that our own codec read, whose framing is judged before', () => {
  assert.deepEqual(
    answerHeaders(
      [
        ['Connection', 'X-Private', 'connection', 'keep-alive', 'X-Private', '1'],
        ['Keep-Alive', 'timeout=5', 'Countersign-Decision', 'granted', 'COUNTERSIGN-RECORD', 'x'],
        ['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'Content-Length', '5', 'Upgrade', 'h2c'],
        ['Transfer-Encoding', 'chunked', 'Content-Type', 'a/b', 'Location', '/'],
      ].flat(),
    ),
    ['set-cookie', 'a=1', 'set-cookie', 'b=2', 'content-type', 'a/b', 'location', '/'],
  )
  for (const wrong of [
    ['Content-Type', 'a/b', 'content-type', 'a/b'],
    ['Location', '/a', 'Location', '/b'],
    ['Connection', 'close', 'Connection', 'Set-Cookie'],
  ])
    assert.equal(answerHeaders(wrong), undefined, wrong.join())
})

test('secrets in headers are redacted by name and by shape, and say so', () => {
  const jwt = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl'
  assert.deepEqual(
    redactHeaders([
      ['authorization', 'Bearer abc'],
      ['cookie', 'a=1'],
      ['set-cookie', 'a=1'],
      ['x-session-token', 'abc'],
      ['x-note', `see ${jwt} and 4111 1111 1111 1111`],
      ['accept', 'text/html'],
      ['x-order', '1234567890123456'],
    ]),
    [
      ['authorization', '[redacted]'],
      ['cookie', '[redacted]'],
      ['set-cookie', '[redacted]'],
      ['x-session-token', '[redacted]'],
      ['x-note', 'see [redacted] and [redacted]'],
      ['accept', 'text/html'],
      ['x-order', '1234567890123456'],
    ],
  )
  assert.equal(
    redactShapes('-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n'),
    '[redacted]\n',
  )
})

test('secrets in bodies are redacted: JSON by key at any depth, forms by key, cut-off JSON by pattern', () => {
  const redact = (body: string, type: string): string =>
    redactBody(Buffer.from(body), type).toString()
  assert.equal(
    redact(
      '{"user":"a","passw\\u006frd":"x","nested":[{"client_secret":{"k":1}}],"card":4111111111111111}',
      'application/json',
    ),
    '{"user":"a","password":"[redacted]","nested":[{"client_secret":"[redacted]"}],"card":"[redacted]"}',
  )
  assert.equal(
    redact('user=a&password=hunter2&x=1', 'application/x-www-form-urlencoded'),
    'user=a&password=[redacted]&x=1',
  )
  assert.equal(
    redact('{"user":"a","password":"hunt', 'application/json'),
    '{"user":"a","password":"[redacted]"',
  )
  assert.equal(redact('Grüße', 'text/plain'), 'Grüße')
})

test('secrets in paths and queries are redacted, also percent-encoded ones; the rest stays as it was', () => {
  assert.equal(redactPath('/orders/42/caf%C3%A9'), '/orders/42/caf%C3%A9')
  assert.equal(redactPath('/cards/4111111111111111/x'), '/cards/[redacted]/x')
  assert.equal(redactPath('/cards/4111%201111%201111%201111'), '/cards/[redacted]')
  assert.equal(
    redactPath('/a/%FF%FE/eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln'),
    '/a/%FF%FE/[redacted]',
  )
  assert.equal(
    redactQuery('q=a+b&access_token=x&pass%77ord=y&next=Bearer%20abcdefgh&flag&x=1'),
    'q=a+b&access_token=[redacted]&pass%77ord=[redacted]&next=[redacted]&flag&x=1',
  )
})

// Each of the shapes of docs/spec/record.md, in every place that is recorded.
const shapes: Readonly<Record<string, string>> = {
  jwt: 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl',
  jwe: 'eyJhbGciOiJkaXIifQ.QR1Owv2ug2WyPBnb.AxY8DCtDaGls.bGljb3Ro.ZQ0KLw',
  bearer: 'Bearer mF_9.B5f-4.1JqM',
  pan: '4111 1111 1111 1111',
}

test('every shape of a secret is redacted in every place that is recorded', () => {
  for (const [name, secret] of Object.entries(shapes)) {
    const last = secret.slice(-6)
    const encoded = encodeURIComponent(secret)
    const places = {
      text: redactText(`agent (${secret}).`),
      path: redactPath(`/a/${encoded}/b`),
      query: redactQuery(`a=1&note=${encoded}`),
      header: redactHeaders([['x-note', `say ${secret}`]])[0]?.[1] ?? '',
      json: redactBody(
        Buffer.from(JSON.stringify({ a: [{ note: `${secret}.` }] })),
        'application/json',
      ).toString(),
      cut: redactBody(Buffer.from(`{"a":[{"note":"${secret}"},`), 'application/json').toString(),
      plain: redactBody(Buffer.from(`say ${secret}.`), 'text/plain').toString(),
      form: redactBody(
        Buffer.from(`a=1&note=${secret}`),
        'application/x-www-form-urlencoded',
      ).toString(),
      line: redactRequestLine(`GET /a?note=${encoded} HTTP/1.1`),
    }
    for (const [place, stored] of Object.entries(places)) {
      assert.ok(stored.includes('[redacted]'), `${name} in ${place}: ${stored}`)
      assert.ok(
        !stored.includes(secret) && !stored.includes(encoded),
        `${name} in ${place}: ${stored}`,
      )
      assert.ok(!stored.includes(last), `${name} in ${place}: ${stored}`)
    }
  }
})

test('every key that names a secret is redacted in every place that has keys, and others are not', () => {
  const names =
    'password passwd newPassword password_confirmation password2 client_secret api_key secretKey signing-key access_token X-Amz-Signature sig pan cvv'
  const secretKeys = names.split(' ')
  for (const key of secretKeys) {
    assert.ok(isSecretKey(key), key)
    const places = {
      query: redactQuery(`a=1&${key}=hunter2&b=2`),
      nested: redactQuery(`next=${encodeURIComponent(`/cb?${key}=hunter2`)}`),
      matrix: redactPath(`/a;${key}=hunter2/b`),
      header: redactHeaders([['referer', `https://example.com/?${key}=hunter2`]])[0]?.[1] ?? '',
      json: redactBody(
        Buffer.from(JSON.stringify({ a: { [key]: 'hunter2' } })),
        'application/json',
      ).toString(),
      form: redactBody(
        Buffer.from(`a=1&${key}=hunter2`),
        'application/x-www-form-urlencoded',
      ).toString(),
      parts: redactBody(
        Buffer.from(
          `--b\r\nContent-Disposition: form-data; name="${key}"\r\n\r\nhunter2\r\n--b--\r\n`,
        ),
        'multipart/form-data; boundary=b',
      ).toString(),
      line: redactRequestLine(`GET http://u:hunter2@example.com/a?${key}=hunter2 HTTP/1.1`),
    }
    for (const [place, stored] of Object.entries(places)) {
      assert.ok(stored.includes('[redacted]'), `${key} in ${place}: ${stored}`)
      assert.ok(!stored.includes('hunter2'), `${key} in ${place}: ${stored}`)
    }
  }
  for (const key of [
    'user',
    'timespan',
    'japan',
    'secretary',
    'design',
    'config',
    'keyboard',
    'note',
  ])
    assert.ok(!isSecretKey(key), key)
})

test('what is no secret stays as it is', () => {
  for (const text of [
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    'order 1234567890123456.',
    '0.4111111111111111',
    'a=1; b=2',
  ])
    assert.equal(redactText(text), text)
  assert.equal(redactRequestLine('GET /a?b=c HTTP/1.1'), 'GET /a?b=c HTTP/1.1')
  assert.equal(redactRequestLine('\u0016\u0003\u0001'), '\u0016\u0003\u0001')
})

test('a request id that is a token or a key is not taken over: it would stand in the leaf for ever', () => {
  for (const good of ['r-1', '019a0000-0000-7000-8000-000000000001', 'A.b_c-9'])
    assert.ok(isRequestId(good), good)
  for (const bad of [shapes['jwt'] ?? '', 'csk_abcdefgh_x', 'a b', ''])
    assert.ok(!isRequestId(bad), bad)
})
