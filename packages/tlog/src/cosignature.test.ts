import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/cosignature.json' with { type: 'json' }
import { decodeHex, encodeHex } from './base64.ts'
import {
  cosign,
  cosignatureMessage,
  cosignMlDsa44,
  formatMlDsa44Signature,
  formatTimestampedSignature,
  mlDsa44Message,
  parseMlDsa44Signature,
  parseTimestampedSignature,
  TIMESTAMP_MAX,
} from './cosignature.ts'
import { parseSkey, parseVkey } from './key.ts'
import { formatNote, openNote } from './note.ts'
import { formatSignatureLine, parseSignatureLine } from './signature-line.ts'
import {
  publicKeyOf,
  rejectsCode,
  sha256,
  signer,
  throwsCode,
  verify,
  verifyMlDsa44,
} from './testing.test.ts'

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

for (const { name, text, skey, vkey, timestamp, message, line } of vectors.mlDsa44Lines) {
  test(`an ML-DSA-44 cosignature is made and verified: ${name}`, async () => {
    const [key, time] = [parseSkey(skey, sha256, publicKeyOf), BigInt(timestamp)]
    assert.equal(encodeHex(mlDsa44Message(text, { name: key.name, timestamp: time })), message)
    const { signature } = parseMlDsa44Signature(parseSignatureLine(line).signature)
    const signs: string[] = []
    const sign = (bytes: Uint8Array): Uint8Array => {
      signs.push(encodeHex(bytes))
      return signature
    }
    assert.equal(await cosignMlDsa44(text, { ...key, sign, timestamp: time }), line)
    assert.deepEqual(signs, [message])
    const made = await cosignMlDsa44(text, {
      ...key,
      sign: signer(key.seed, key.type),
      timestamp: time,
    })
    const trust = { keys: [parseVkey(vkey, sha256)], sha256, verify, verifyMlDsa44 }
    for (const each of [line, made]) {
      const { verified } = await openNote(formatNote(text, [each]), trust)
      assert.deepEqual(
        verified.map(({ timestamp: at }) => at),
        [time],
      )
    }
  })
}

test('no bit of an ML-DSA-44 cosignature may differ, nor of what it signs', async () => {
  const [vector, other] = vectors.mlDsa44Lines
  assert.ok(vector !== undefined && other !== undefined)
  const { text, vkey, line } = vector
  const trust = { keys: [parseVkey(vkey, sha256)], sha256, verify, verifyMlDsa44 }
  const { name, keyId, signature } = parseSignatureLine(line)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: signature.length * 8 - 1 }), async (bit) => {
      const changed = Uint8Array.from(signature)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const bad = formatSignatureLine({ name, id: keyId }, changed)
      await rejectsCode(() => openNote(formatNote(text, [bad]), trust), 'SIGNATURE_INVALID')
    }),
  )
  for (const [what, said] of [
    ['another size', text.replace('\n42\n', '\n43\n')],
    ['another origin', text.replace('one', 'two')],
    ['another root', `${text.split('\n', 2).join('\n')}\n${other.text.split('\n')[2]}\n`],
  ] as const)
    await rejectsCode(() => openNote(formatNote(said, [line]), trust), 'SIGNATURE_INVALID', what)
  const cut = formatSignatureLine({ name, id: keyId }, signature.subarray(0, -1))
  await rejectsCode(() => openNote(formatNote(text, [cut]), trust), 'SIGNATURE_INVALID')
})

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

test('any time and ML-DSA-44 signature read back as themselves, and no other length is made', () => {
  fc.assert(
    fc.property(
      fc.bigInt(0n, TIMESTAMP_MAX),
      fc.uint8Array({ minLength: 2420, maxLength: 2420 }),
      (timestamp, signature) => {
        assert.deepEqual(parseMlDsa44Signature(formatMlDsa44Signature({ timestamp, signature })), {
          timestamp,
          signature,
        })
      },
    ),
    { numRuns: 20 },
  )
  throwsCode(
    () => formatMlDsa44Signature({ timestamp: 1n, signature: new Uint8Array(64) }),
    'SIGNATURE_MALFORMED',
  )
})

test('a cosignature never leaves out its time', async () => {
  const [vector] = vectors.mlDsa44Lines
  assert.ok(vector !== undefined)
  const cosigner = { name: 'w.example', id: 1, sign: () => new Uint8Array(2420), timestamp: 0n }
  await rejectsCode(() => cosignMlDsa44(vector.text, cosigner), 'TIMESTAMP_RANGE')
})

test('a signer that does not answer with 64 bytes is refused', async () => {
  const [vector] = vectors.ed25519
  assert.ok(vector !== undefined)
  const cosigner = { name: 'w.example', id: 1, sign: () => new Uint8Array(65), timestamp: 1n }
  await rejectsCode(() => cosign(vector.text, cosigner), 'SIGNATURE_MALFORMED')
})
