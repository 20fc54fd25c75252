import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/bundle.json' with { type: 'json' }
import { decodeHex, encodeHex } from './base64.ts'
import { decodeBundle, encodeBundle, encodeEntry } from './bundle.ts'
import { throwsCode } from './testing.test.ts'

for (const { name, bundle, entries } of vectors.valid) {
  test(`a bundle reads and writes: ${name}`, () => {
    assert.deepEqual(decodeBundle(decodeHex(bundle), entries.length).map(encodeHex), entries)
    assert.deepEqual(decodeBundle(decodeHex(bundle)).map(encodeHex), entries)
    assert.equal(encodeHex(encodeBundle(entries.map(decodeHex))), bundle)
  })
}

for (const { name, bundle, count, error } of vectors.invalid) {
  test(`a bundle is refused: ${name}`, () =>
    throwsCode(() => decodeBundle(decodeHex(bundle), count), error))
}

test('an entry over 65,535 bytes is refused and never cut short', () => {
  for (const { bytes, error } of vectors.tooLarge) {
    throwsCode(() => encodeEntry(new Uint8Array(bytes)), error)
    throwsCode(() => encodeBundle([new Uint8Array(1), new Uint8Array(bytes)]), error)
  }
  const largest = new Uint8Array(65_535).fill(1)
  assert.deepEqual(decodeBundle(encodeEntry(largest), 1), [largest])
})

test('any 1 to 256 entries read back, and a bundle cut anywhere does not', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 })
  fc.assert(
    fc.property(entries, fc.nat(), (all, at) => {
      const bundle = encodeBundle(all)
      assert.deepEqual(decodeBundle(bundle, all.length), all)
      throwsCode(
        () => decodeBundle(bundle.subarray(0, at % bundle.length), all.length),
        'BUNDLE_MALFORMED',
      )
    }),
  )
})
