import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sealedBytes } from '@countersign/tlog/chunked-encryption'
import { ADDENDUM_BYTES_MAX, BODY_PIECE_BYTES_MAX } from './encode.ts'
import {
  decodeEnvelope,
  encodeEnvelope,
  envelopeBytes,
  envelopeHead,
  sealingContext,
} from './envelope.ts'
import { RecordError } from './errors.ts'
import { dropAfter } from './retention.ts'
import { SALT_BYTES } from './salt.ts'
import { SUBJECT_PATTERN, subjectOf } from './subject.ts'

const subject = fc.stringMatching(/^[\x21-\x7e]{1,64}$/)
const period = fc.option(
  fc
    .integer({ min: 0, max: 40_000 })
    .map((days) => dropAfter(BigInt(days) * 86_400_000_000_000n, 1)),
  { nil: undefined },
)
const wrappedKey = fc.uint8Array({ minLength: 40, maxLength: 40 })

test('an envelope reads back, also from the start of more bytes', () => {
  fc.assert(
    fc.property(
      fc.tuple(subject, period),
      wrappedKey,
      fc.uint8Array(),
      ([name, day], key, more) => {
        const envelope = encodeEnvelope(envelopeHead(name, day), key)
        const { subject: read, period: readDay, wrappedKey: readKey } = decodeEnvelope(envelope)
        assert.equal(read, name)
        assert.equal(readDay, day)
        assert.deepEqual(readKey, key)
        assert.equal(envelopeBytes(Uint8Array.of(...envelope, ...more)), envelope.length)
        for (let cut = 0; cut < envelope.length; cut++)
          assert.equal(envelopeBytes(envelope.subarray(0, cut)), undefined)
      },
    ),
    { numRuns: 30 },
  )
})

test('an envelope with another version, length, subject or key is refused', () => {
  const good = encodeEnvelope(envelopeHead('s'), new Uint8Array(40))
  assert.throws(() => decodeEnvelope(Uint8Array.of(...good, 0)), RecordError)
  assert.throws(() => decodeEnvelope(good.with(0, 2)), RecordError)
  assert.throws(() => decodeEnvelope(good.with(0, 3)), RecordError)
  assert.throws(() => decodeEnvelope(good.with(1, 0)), RecordError)
  assert.throws(() => decodeEnvelope(good.with(2, 10)), RecordError)
  assert.throws(() => decodeEnvelope(new Uint8Array(0)), RecordError)
  for (const bad of ['', 'a b', 'é', 'x'.repeat(65)])
    assert.throws(() => encodeEnvelope(envelopeHead(bad), new Uint8Array(40)), RecordError)
  assert.throws(() => encodeEnvelope(envelopeHead('s'), new Uint8Array(32)), RecordError)
})

test('an envelope of a period that is no day is refused, and one of version 1 has none', () => {
  const good = encodeEnvelope(envelopeHead('s', '2026-11-26'), new Uint8Array(40))
  assert.equal(good.length, 2 + 1 + 10 + 40)
  assert.throws(() => decodeEnvelope(good.with(4, 0x2d)), RecordError)
  assert.throws(() => decodeEnvelope(good.with(0, 1)), RecordError)
  for (const bad of ['', '2026-11', '2026-11-266', 'tomorrow..'])
    assert.throws(() => envelopeHead('s', bad), RecordError)
  assert.equal(
    'period' in decodeEnvelope(encodeEnvelope(envelopeHead('s'), good.subarray(13))),
    false,
  )
})

test('a context names one place of one record', () => {
  const leaf = { id: '019a0000-0000-7000-8000-000000000001', phase: 'outcome' } as const
  assert.equal(
    new TextDecoder().decode(sealingContext(leaf, 3)),
    '019a0000-0000-7000-8000-000000000001 outcome 3',
  )
})

test('the largest piece of a body fits an addendum also once it is sealed', () => {
  assert.ok(sealedBytes(BODY_PIECE_BYTES_MAX + SALT_BYTES) <= ADDENDUM_BYTES_MAX)
})

test('who is known is their own subject, and all others of a day share one', () => {
  const noonNs = BigInt(Date.parse('2026-11-25T12:00:00Z')) * 1_000_000n
  const pseudonym = 'a'.repeat(32)
  assert.equal(subjectOf(pseudonym, noonNs), pseudonym)
  assert.equal(subjectOf('anonymous', noonNs), 'anonymous/2026-11-25')
  assert.equal(subjectOf('unknown', noonNs + 43_200_000_000_000n), 'unknown/2026-11-26')
  for (const one of [pseudonym, 'anonymous/2026-11-25', 'unknown/2026-11-26'])
    assert.match(one, SUBJECT_PATTERN)
  for (const other of ['anonymous', 'A'.repeat(32), `${pseudonym}a`, 'nobody/2026-11-25', ''])
    assert.doesNotMatch(other, SUBJECT_PATTERN)
})
