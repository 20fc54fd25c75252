import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as check, constantFrom, property, string, array } from 'fast-check'
import { parseHead } from './canonical-request.ts'
import { isAsserted } from './headers.ts'
import { canonicalTarget } from './target.ts'

const piece = constantFrom(
  '/',
  '//',
  '.',
  '..',
  '%2e',
  '%2E%2e',
  ';',
  '%2f',
  '%5c',
  '\\',
  '%',
  '%25',
  '%7e',
  'a',
  'B',
  '%c3%a9',
  '\u00e9',
  '|',
  '?',
  '#',
  '=',
  '*',
  ' ',
  '\u0001',
  '%00',
  '%41',
  '%zz',
)
const hostile = array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join('')}`)
const raw = (
  url: string,
  rawHeaders: string[] = ['Host', 'a.test'],
): Parameters<typeof parseHead>[0] => ({
  method: 'GET',
  url,
  httpVersionMajor: 1,
  httpVersionMinor: 1,
  rawHeaders,
})
const options = { listener: 'origin', scheme: 'http', bodyBytesMax: 1_000 } as const

test('a canonical path is its own canonical form, so what is forwarded reads as what was decided on', () => {
  check(
    property(hostile, (target) => {
      const once = canonicalTarget(target)
      if (typeof once === 'string') return
      const written = once.query === undefined ? once.path : `${once.path}?${once.query}`
      assert.deepEqual(canonicalTarget(written), once)
    }),
    { numRuns: 5_000 },
  )
})

test('a canonical path has no dot segment, no empty segment, no backslash, no control and no lower-case escape', () => {
  check(
    property(hostile, (target) => {
      const canonical = canonicalTarget(target)
      if (typeof canonical === 'string') return
      assert.match(canonical.path, /^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}|\/(?!\/))*$/)
      assert.doesNotMatch(canonical.path, /\/\.{1,2}(?:\/|$|;)|%2F|%5C|%[01][0-9A-F]|%7F/)
    }),
    { numRuns: 5_000 },
  )
})

test('a URL parser reads a canonical path as the same path', () => {
  check(
    property(hostile, (target) => {
      const canonical = canonicalTarget(target)
      if (typeof canonical === 'string') return
      assert.equal(new URL(`http://a.test${canonical.path}`).pathname, canonical.path)
    }),
    { numRuns: 5_000 },
  )
})

test('any text at all is either a target or a named defect', () => {
  check(
    property(string({ unit: 'binary', maxLength: 40 }), (text) => {
      const parsed = parseHead(raw(text), options)
      assert.ok(typeof parsed === 'string' || parsed.request.path.startsWith('/'))
    }),
  )
})

const name = constantFrom(
  'Accept',
  'X-Custom',
  'x-forwarded-for',
  'X-Forwarded-User',
  'X.Forwarded.User',
  'Keep-Alive',
  'TE',
  'Trailer',
  'Proxy-Authorization',
  'Cookie',
  'Forwarded',
  'Remote-User',
  'Countersign-Record',
  'X-Original-URL',
  'Traceparent',
  'Expect',
  'Content-Length',
)
const header = array(name, { maxLength: 8 })
const connection = array(
  constantFrom('close', 'keep-alive', 'x-custom', 'accept', 'te', 'x-other'),
  { maxLength: 3 },
)

test('no hop-by-hop, asserted or Connection-named header is ever passed on', () => {
  check(
    property(header, connection, (names, tokens: readonly string[]) => {
      const lines = [
        'Host',
        'a.test',
        ...names.flatMap((each) => [each, '1']),
        ...(tokens.length === 0 ? [] : ['Connection', tokens.join(', ')]),
      ]
      const parsed = parseHead(raw('/', lines), options)
      if (typeof parsed === 'string') return
      for (const [passed] of parsed.request.headers) {
        assert.ok(!isAsserted(passed), passed)
        assert.ok(!tokens.includes(passed), passed)
        assert.ok(
          ![
            'te',
            'trailer',
            'keep-alive',
            'proxy-authorization',
            'content-length',
            'host',
          ].includes(passed),
          passed,
        )
      }
    }),
    { numRuns: 2_000 },
  )
})
