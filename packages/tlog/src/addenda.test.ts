import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/addenda.json' with { type: 'json' }
import { addendumPath, decodeAddendaEntry, encodeAddendaEntry } from './addenda.ts'
import { decodeHex, encodeHex } from './base64.ts'
import { TlogError } from './errors.ts'
import { throwsCode } from './testing.test.ts'

for (const { name, entry, content, offsets, digests } of vectors.valid) {
  test(`an entry with addenda reads and writes: ${name}`, () => {
    const decoded = decodeAddendaEntry(decodeHex(entry))
    assert.equal(encodeHex(decoded.content), content)
    assert.deepEqual(decoded.offsets, offsets)
    assert.deepEqual(decoded.digests.map(encodeHex), digests)
    assert.equal(encodeHex(encodeAddendaEntry(decodeHex(content), offsets)), entry)
  })
}

for (const { name, entry, error } of vectors.invalid) {
  test(`an entry with addenda is refused: ${name}`, () =>
    throwsCode(() => decodeAddendaEntry(decodeHex(entry)), error))
}

for (const { name, contentBytes, offsets, error } of vectors.invalidOffsets) {
  test(`an entry with addenda is not written: ${name}`, () => {
    throwsCode(() => encodeAddendaEntry(new Uint8Array(contentBytes), offsets), error)
  })
}

test('an entry over 65,535 bytes is refused', () => {
  for (const { bytes, error } of vectors.tooLarge)
    throwsCode(() => decodeAddendaEntry(new Uint8Array(bytes)), error)
  assert.equal(decodeAddendaEntry(new Uint8Array(65_535)).content.length, 65_534)
})

test('an addendum has one path, which cannot leave its folder', () => {
  for (const { digest, path } of vectors.paths) assert.equal(addendumPath(digest), path)
  for (const { name, input, error } of vectors.invalidDigests)
    throwsCode(() => addendumPath(input), error, name)
})

test('any content with digests in it reads back, also as a view into a larger buffer', () => {
  const gaps = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(gaps, (texts) => {
      const parts: Uint8Array[] = []
      const offsets: number[] = []
      let length = 0
      for (const text of texts) {
        parts.push(text, new Uint8Array(32).fill(7))
        offsets.push(length + text.length)
        length += text.length + 32
      }
      const entry = encodeAddendaEntry(Buffer.concat(parts), offsets)
      const larger = Buffer.concat([Uint8Array.of(9), entry, Uint8Array.of(9)]).subarray(
        1,
        entry.length + 1,
      )
      const decoded = decodeAddendaEntry(larger)
      assert.deepEqual(decoded.offsets, offsets)
      assert.ok(Buffer.concat(parts).equals(decoded.content))
      for (const digest of decoded.digests) assert.ok(digest.every((byte) => byte === 7))
    }),
  )
})

test('bytes that read at all are the bytes that would be written', () => {
  const bytes = fc
    .array(fc.constantFrom(0, 1, 2, 32), { minLength: 1, maxLength: 100 })
    .map((list) => Uint8Array.from(list))
  fc.assert(
    fc.property(bytes, (entry) => {
      try {
        const { content, offsets } = decodeAddendaEntry(entry)
        assert.deepEqual(encodeAddendaEntry(content, offsets), entry)
      } catch (error) {
        assert.ok(error instanceof TlogError)
      }
    }),
    { numRuns: 1000 },
  )
})
