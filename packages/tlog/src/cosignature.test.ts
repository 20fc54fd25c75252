import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/cosignature.json' with { type: 'json' }
import { decodeHex, encodeHex } from './base64.ts'
import {
  cosign,
  cosignatureMessage,
  formatTimestampedSignature,
  mlDsa44Message,
  parseMlDsa44Signature,
  parseTimestampedSignature,
  TIMESTAMP_MAX,
} from './cosignature.ts'
import { parseSignatureLine } from './signature-line.ts'
import { rejectsCode, signer, throwsCode } from './testing.test.ts'

for (const { name, text, keyName, id, seed, timestamp, message, line } of vectors.ed25519) {
  test(`a cosignature is made: ${name}`, async () => {
    const time = BigInt(timestamp)
    assert.equal(encodeHex(cosignatureMessage(text, time)), message)
    assert.equal(
      await cosign(text, { name: keyName, id, sign: signer(decodeHex(seed)), timestamp: time }),
      line,
    )
    assert.equal(parseTimestampedSignature(parseSignatureLine(line).signature).timestamp, time)
  })
}

for (const { name, text, keyName, timestamp, message } of vectors.mlDsa44) {
  test(`the message of an ML-DSA-44 cosignature is made: ${name}`, () => {
    assert.equal(
      encodeHex(mlDsa44Message(text, { name: keyName, timestamp: BigInt(timestamp) })),
      message,
    )
  })
}

for (const { name, text, timestamp, error } of vectors.invalid) {
  test(`a cosignature is not made: ${name}`, async () => {
    const sign = signer(new Uint8Array(32))
    await rejectsCode(
      () => cosign(text, { name: 'w.example', id: 1, sign, timestamp: BigInt(timestamp) }),
      error,
    )
  })
}

for (const { name, hex, error } of vectors.invalidSignatures) {
  test(`the bytes of a cosignature are refused: ${name}`, () =>
    throwsCode(() => parseTimestampedSignature(decodeHex(hex)), error))
}

test('a name or an origin over 255 bytes has no ML-DSA-44 message', () => {
  const [vector] = vectors.mlDsa44
  assert.ok(vector !== undefined)
  throwsCode(
    () => mlDsa44Message(vector.text, { name: 'x'.repeat(256), timestamp: 1n }),
    'KEY_NAME_INVALID',
  )
  throwsCode(
    () => mlDsa44Message(`${'x'.repeat(256)}${vector.text}`, { name: 'x', timestamp: 1n }),
    'CHECKPOINT_MALFORMED',
  )
  throwsCode(() => parseMlDsa44Signature(new Uint8Array(72)), 'SIGNATURE_MALFORMED')
})

test('any time and signature read back as themselves', () => {
  fc.assert(
    fc.property(
      fc.bigInt(0n, TIMESTAMP_MAX),
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
      (timestamp, signature) => {
        assert.deepEqual(
          parseTimestampedSignature(formatTimestampedSignature({ timestamp, signature })),
          { timestamp, signature },
        )
      },
    ),
  )
})

test('a signer that does not answer with 64 bytes is refused', async () => {
  const [vector] = vectors.ed25519
  assert.ok(vector !== undefined)
  const cosigner = { name: 'w.example', id: 1, sign: () => new Uint8Array(65), timestamp: 1n }
  await rejectsCode(() => cosign(vector.text, cosigner), 'SIGNATURE_MALFORMED')
})
