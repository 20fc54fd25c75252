import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  array,
  assert as assertProperty,
  boolean,
  integer,
  nat,
  property,
  tuple,
  uint8Array,
  uniqueArray,
} from 'fast-check'
import { ClientHelloReader, type HelloProgress } from './client-hello.ts'
import {
  asRecord,
  fragment,
  handmadeHello,
  realHello,
  serverName,
  u16,
  vector16,
} from './egress/testing/hello.ts'

const cap = 16_384

function readClientHello(bytes: Uint8Array, bytesMax: number): HelloProgress {
  return new ClientHelloReader(bytesMax).push(bytes)
}

test('the hello of a real client gives name, protocols and versions', async () => {
  const hello = await realHello({
    servername: 'API.example.com',
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  assert.deepEqual(readClientHello(hello, cap), {
    state: 'complete',
    hello: {
      sni: 'api.example.com',
      alpn: ['h2', 'http/1.1'],
      versions: ['TLSv1.3', 'TLSv1.2'],
      ech: false,
    },
  })
})

test('a hello without a name has none', async () => {
  const progress = readClientHello(await realHello({ maxVersion: 'TLSv1.2' }), cap)
  assert(progress.state === 'complete')
  assert.equal(progress.hello.sni, undefined)
  assert.deepEqual(progress.hello.versions, ['TLSv1.2'])
})

test('a hello that stops before its extensions is TLS without a name', () => {
  assert.deepEqual(readClientHello(handmadeHello({}), cap), {
    state: 'complete',
    hello: { alpn: [], versions: ['TLSv1.2'], ech: false },
  })
})

test('reserved values are passed over and Encrypted ClientHello is noticed', () => {
  const hello = handmadeHello({
    extensions: [
      [0x0a0a, Buffer.alloc(1)],
      serverName('public.example'),
      [16, vector16(Buffer.concat([Buffer.from([2, 0x1a, 0x1a]), Buffer.from('\u0002h2')]))],
      [43, Buffer.concat([Buffer.from([6]), u16(0x2a2a), u16(0x0304), u16(0x7f1c)])],
      [0xfe0d, Buffer.alloc(40)],
    ],
  })
  assert.deepEqual(readClientHello(hello, cap), {
    state: 'complete',
    hello: { sni: 'public.example', alpn: ['h2'], versions: ['0x7f1c', 'TLSv1.3'], ech: true },
  })
})

test('a hello split into two segments at every byte is incomplete before and complete after', async () => {
  const whole = await realHello({ servername: 'api.example.com', ALPNProtocols: ['h2'] })
  const expected = readClientHello(whole, cap)
  for (const size of [whole.length, 97, 1]) {
    const cut = fragment(whole, size)
    for (let length = 0; length < cut.length; length += size === 1 ? 13 : 1) {
      const reader = new ClientHelloReader(cap)
      assert.deepEqual(
        reader.push(cut.subarray(0, length)),
        { state: 'incomplete' },
        `${size} ${length}`,
      )
      assert.deepEqual(reader.push(cut.subarray(length)), expected)
      assert.deepEqual(reader.push(Buffer.from('and early data')), expected)
    }
  }
})

test('a hello that comes byte by byte in one-byte records is read all the same', async () => {
  const whole = await realHello({ servername: 'api.example.com' })
  const reader = new ClientHelloReader(cap)
  let progress: HelloProgress = { state: 'incomplete' }
  for (const value of fragment(whole, 1)) {
    assert.equal(progress.state, 'incomplete')
    progress = reader.push(Uint8Array.of(value))
  }
  assert.deepEqual(progress, readClientHello(whole, cap))
})

test('bytes that are not TLS are known on the first byte that gives it away', () => {
  for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0-x', '\u0000', '\u0080\u002e\u0001']) {
    const bytes = Buffer.from(text, 'latin1').subarray(0, 1)
    assert.deepEqual(readClientHello(bytes, cap), { state: 'defect', defect: 'not_tls' })
  }
  assert.deepEqual(readClientHello(Buffer.from([22, 2]), cap), {
    state: 'defect',
    defect: 'not_tls',
  })
  assert.deepEqual(readClientHello(Buffer.from([22, 3, 5]), cap), {
    state: 'defect',
    defect: 'not_tls',
  })
  assert.deepEqual(readClientHello(Buffer.alloc(0), cap), { state: 'incomplete' })
})

const name = serverName('api.example.com')
const broken: Readonly<Record<string, Buffer>> = {
  'another handshake message': asRecord(Buffer.from([2, 0, 0, 0])),
  'an empty record': Buffer.from([22, 3, 1, 0, 0]),
  'a record that is too long': Buffer.from([22, 3, 1, 0x40, 1]),
  'an alert between the records': Buffer.concat([
    asRecord(Buffer.from([1, 0, 1])),
    Buffer.from([21, 3, 1, 0, 2, 1, 0]),
  ]),
  'bytes behind the message in its record': asRecord(
    Buffer.concat([handmadeHello({ extensions: [name] }).subarray(5), Buffer.from([1])]),
  ),
  'bytes behind the extensions': handmadeHello({ extensions: [name], trailing: Buffer.from([0]) }),
  'an SSLv2 version inside': handmadeHello({ version: 0x0002, extensions: [name] }),
  'two server name extensions': handmadeHello({ extensions: [name, serverName('evil.example')] }),
  'two names in one extension': handmadeHello({
    extensions: [serverName('api.example.com', 'evil.example')],
  }),
  'an empty list of names': handmadeHello({ extensions: [[0, vector16(Buffer.alloc(0))]] }),
  'an empty server name extension': handmadeHello({ extensions: [[0, Buffer.alloc(0)]] }),
  'an empty name': handmadeHello({ extensions: [serverName('')] }),
  'a name with a NUL': handmadeHello({
    extensions: [serverName('api.example.com\0.evil.example')],
  }),
  'a name with a trailing dot': handmadeHello({ extensions: [serverName('api.example.com.')] }),
  'a name in raw UTF-8': handmadeHello({ extensions: [serverName('bücher.example')] }),
  'a name of another type': handmadeHello({
    extensions: [[0, vector16(Buffer.concat([Buffer.from([1]), vector16(Buffer.from('a'))]))]],
  }),
  'an empty protocol': handmadeHello({ extensions: [[16, vector16(Buffer.from([0]))]] }),
  'no protocols': handmadeHello({ extensions: [[16, vector16(Buffer.alloc(0))]] }),
  'half a version': handmadeHello({ extensions: [[43, Buffer.from([3, 3, 4, 3])]] }),
  'an extension longer than what holds it': handmadeHello({
    extensions: [[0, Buffer.from([0, 9, 0])]],
  }),
}

for (const [what, bytes] of Object.entries(broken)) {
  test(`a hello with ${what} is malformed`, () => {
    assert.deepEqual(readClientHello(bytes, cap), { state: 'defect', defect: 'malformed' })
  })
}

test('a hello is refused as soon as it says that it is larger than the cap', async () => {
  const tooLarge = { state: 'defect', defect: 'too_large' }
  assert.deepEqual(
    readClientHello(asRecord(Buffer.from([1, 1, 0, 0])).subarray(0, 9), cap),
    tooLarge,
  )
  const hello = await realHello({ servername: 'api.example.com' })
  assert.deepEqual(readClientHello(hello.subarray(0, 5), hello.length - 1), tooLarge)
  assert.equal(readClientHello(hello, hello.length).state, 'complete')
  // Tiny records spend the cap on headers.
  assert.deepEqual(readClientHello(fragment(hello, 1), hello.length * 2), tooLarge)
})

test('any bytes end in one of the three states', () => {
  assertProperty(
    property(uint8Array({ maxLength: 2_000 }), boolean(), (noise, begun) => {
      const bytes = begun
        ? Buffer.concat([handmadeHello({ extensions: [] }).subarray(0, 44), noise])
        : noise
      assert(['incomplete', 'complete', 'defect'].includes(readClientHello(bytes, cap).state))
    }),
    { numRuns: 2_000 },
  )
})

test('a hello with bytes changed, cut or added never throws and never reads past its end', async () => {
  const hello = await realHello({
    servername: 'api.example.com',
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  assertProperty(
    property(
      array(tuple(nat(hello.length - 1), nat(255)), { minLength: 1, maxLength: 8 }),
      nat(hello.length),
      integer({ min: 1, max: 600 }),
      (changes, length, size) => {
        // The message ends where its buffer ends: a read past it would show as a differing result below.
        const guarded = Buffer.alloc(hello.length + 64, 0xff)
        const alone = Uint8Array.from(hello)
        for (const [at, value] of changes) alone[at] = value
        guarded.set(alone)
        const cut = fragment(alone.subarray(0, length), size)
        assert(['incomplete', 'complete', 'defect'].includes(readClientHello(cut, cap).state))
        assert.deepEqual(
          readClientHello(guarded.subarray(0, length), cap),
          readClientHello(alone.subarray(0, length), cap),
        )
      },
    ),
    { numRuns: 2_000 },
  )
})

test('splitting a hello into records anywhere changes nothing', async () => {
  const hello = await realHello({ servername: 'api.example.com', ALPNProtocols: ['h2'] })
  const expected = readClientHello(hello, cap)
  const message = hello.subarray(5)
  assertProperty(
    property(
      uniqueArray(integer({ min: 1, max: message.length - 1 }), { maxLength: 12 }),
      (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), message.length]
        const records = edges
          .slice(1)
          .map((end, index) => asRecord(message.subarray(edges[index], end)))
        assert.deepEqual(readClientHello(Buffer.concat(records), cap), expected)
      },
    ),
  )
})
