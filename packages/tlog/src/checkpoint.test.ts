import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/checkpoint.json' with { type: 'json' }
import { decodeHex, encodeHex } from './base64.ts'
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { UINT64_MAX } from './size.ts'
import { throwsCode } from './testing.test.ts'

for (const { name, text, origin, size, root } of vectors.valid) {
  test(`a checkpoint reads and writes: ${name}`, () => {
    const checkpoint = parseCheckpoint(text)
    assert.deepEqual(
      { ...checkpoint, root: encodeHex(checkpoint.root) },
      { origin, size: BigInt(size), root },
    )
    assert.equal(formatCheckpoint({ origin, size: BigInt(size), root: decodeHex(root) }), text)
  })
}

for (const { name, input, error } of vectors.invalid) {
  test(`a checkpoint is refused: ${name}`, () => throwsCode(() => parseCheckpoint(input), error))
}

test('a checkpoint that would not read back is not written', () => {
  const good = { origin: 'log.example', size: 1n, root: new Uint8Array(32) }
  throwsCode(() => formatCheckpoint({ ...good, origin: '' }), 'CHECKPOINT_MALFORMED')
  throwsCode(() => formatCheckpoint({ ...good, origin: 'a\nb' }), 'CHECKPOINT_MALFORMED')
  throwsCode(() => formatCheckpoint({ ...good, origin: 'a\tb' }), 'CONTROL_CHARACTER')
  throwsCode(() => formatCheckpoint({ ...good, origin: '\udc00' }), 'UTF8_MALFORMED')
  throwsCode(() => formatCheckpoint({ ...good, size: -1n }), 'SIZE_UNSAFE')
  throwsCode(() => formatCheckpoint({ ...good, size: 2n ** 64n }), 'SIZE_UNSAFE')
  throwsCode(() => formatCheckpoint({ ...good, root: new Uint8Array(31) }), 'HASH_LENGTH')
})

test('any checkpoint reads back as itself', () => {
  const origin = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  const root = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(origin, fc.bigInt(0n, UINT64_MAX), root, (name, size, hash) => {
      const checkpoint = { origin: name, size, root: hash }
      assert.deepEqual(parseCheckpoint(formatCheckpoint(checkpoint)), checkpoint)
    }),
  )
})
