import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/base64.json' with { type: 'json' }
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from './base64.ts'
import { throwsCode } from './testing.test.ts'

test('base64 reads and writes the vectors', () => {
  for (const { input, hex } of vectors.valid) {
    assert.equal(encodeHex(decodeBase64(input)), hex)
    assert.equal(encodeBase64(decodeHex(hex)), input)
  }
})

for (const { name, input, error } of vectors.invalid) {
  test(`base64 refuses ${name}`, () => throwsCode(() => decodeBase64(input), error))
}

for (const { name, input, error } of vectors.invalidHex) {
  test(`hexadecimal refuses ${name}`, () => throwsCode(() => decodeHex(input), error))
}

test('every byte string has one base64 text and one hexadecimal text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes)
      assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString('base64'))
      assert.deepEqual(decodeHex(encodeHex(bytes)), bytes)
    }),
  )
})

test('a base64 text that is read at all is the text that would be written', () => {
  const character = fc.constantFrom('A', 'B', 'Q', 'g', 'w', '/', '+', '=', '-', '_', ' ', '\n')
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 12 }), (text) => {
      let bytes: Uint8Array
      try {
        bytes = decodeBase64(text)
      } catch {
        return
      }
      assert.equal(encodeBase64(bytes), text)
    }),
    { numRuns: 2000 },
  )
})
