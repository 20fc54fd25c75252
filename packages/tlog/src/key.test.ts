import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/key.json' with { type: 'json' }
import { decodeHex, encodeHex } from './base64.ts'
import {
  checkVerifierKey,
  formatSkey,
  formatVkey,
  keyId,
  parseSkey,
  parseVkey,
  SignatureType,
} from './key.ts'
import { publicKeyOf, sha256, throwsCode } from './testing.test.ts'

for (const { name, vkey, keyName, id, type, publicKey } of vectors.valid) {
  test(`a vkey reads and writes: ${name}`, () => {
    const key = parseVkey(vkey, sha256)
    assert.deepEqual(
      { ...key, publicKey: encodeHex(key.publicKey) },
      { name: keyName, id, type, publicKey },
    )
    assert.equal(formatVkey(key), vkey)
  })
}

for (const { name, vkey, error } of vectors.invalid) {
  test(`a vkey is refused: ${name}`, () => throwsCode(() => parseVkey(vkey, sha256), error))
}

test('every encoding of the 8 points of small order is refused, whatever the key signs', () => {
  assert.equal(vectors.smallOrderPublicKeys.length, 14)
  for (const hex of vectors.smallOrderPublicKeys) {
    for (const type of [SignatureType.ed25519, SignatureType.cosignatureV1]) {
      const key = { name: 'log.example', type, publicKey: decodeHex(hex) }
      throwsCode(
        () => checkVerifierKey({ ...key, id: keyId(key, sha256) }, sha256),
        'KEY_SMALL_ORDER',
        hex,
      )
    }
  }
})

test('every encoding of a y that is not reduced is refused', () => {
  for (let low = 0xed; low <= 0xff; low++) {
    for (const high of [0x7f, 0xff]) {
      const publicKey = new Uint8Array(32).fill(0xff)
      publicKey[0] = low
      publicKey[31] = high
      const key = { name: 'log.example', type: SignatureType.ed25519, publicKey }
      throwsCode(
        () => formatVkey({ ...key, id: 0 }),
        low < 0xef ? 'KEY_SMALL_ORDER' : 'KEY_NON_CANONICAL',
      )
    }
  }
})

for (const { name, skey, keyName, id, type, seed, publicKey } of vectors.validPrivate) {
  test(`a private key reads and writes: ${name}`, () => {
    const key = parseSkey(skey, sha256, publicKeyOf)
    assert.deepEqual({ ...key, seed: encodeHex(key.seed) }, { name: keyName, id, type, seed })
    assert.equal(encodeHex(publicKeyOf(key.seed, type)), publicKey)
    assert.equal(formatSkey(key), skey)
  })
}

for (const { name, skey, error } of vectors.invalidPrivate) {
  test(`a private key is refused: ${name}`, () =>
    throwsCode(() => parseSkey(skey, sha256, publicKeyOf), error))
}

test('an error about a private key does not hold the key', () => {
  for (const { skey } of vectors.invalidPrivate) {
    const secret = skey.slice(-20)
    assert.throws(
      () => parseSkey(skey, sha256, publicKeyOf),
      (error: Error) => !error.message.includes(secret),
    )
  }
})

test('any ML-DSA-44 key reads back from its vkey, and any seed from its private key', () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length }).map((raw) => Uint8Array.from(raw))
  const type = SignatureType.mlDsa44
  fc.assert(
    fc.property(bytes(1312), bytes(32), (publicKey, seed) => {
      const key = { name: 'pq.example', type, publicKey }
      const id = keyId(key, sha256)
      assert.deepEqual(parseVkey(formatVkey({ ...key, id }), sha256), { ...key, id })
      const secret = { name: 'pq.example', type, id, seed }
      assert.deepEqual(parseSkey(formatSkey(secret), sha256), secret)
    }),
    { numRuns: 20 },
  )
})

test('any key reads back from its vkey', () => {
  const name = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 20 })
    .filter((text) => !/[\p{White_Space}+\p{Cc}]/u.test(text))
  const publicKey = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => publicKeyOf(bytes))
  fc.assert(
    fc.property(name, publicKey, fc.constantFrom(0x01, 0x04), (keyName, bytes, type) => {
      const key = { name: keyName, type, publicKey: Uint8Array.from(bytes) }
      const whole = { ...key, id: keyId(key, sha256) }
      assert.deepEqual(parseVkey(formatVkey(whole), sha256), whole)
    }),
  )
})

test('a name with any Unicode space, a plus or a control character is refused', () => {
  const bad = [
    ' ',
    '+',
    '\n',
    '\u0085',
    '\u00a0',
    '\u1680',
    '\u2000',
    '\u200a',
    '\u2028',
    '\u2029',
    '\u202f',
    '\u205f',
    '\u3000',
    '\u001f',
    '\ud800',
  ]
  const key = vectors.valid[0]
  assert.ok(key !== undefined)
  for (const character of bad) {
    const named = {
      name: `a${character}b`,
      id: key.id,
      type: key.type,
      publicKey: decodeHex(key.publicKey),
    }
    throwsCode(() => formatVkey(named), 'KEY_NAME_INVALID', JSON.stringify(character))
  }
})
