import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/add-checkpoint.json' with { type: 'json' }
import {
  ADD_CHECKPOINT_BYTES_MAX,
  formatAddCheckpoint,
  formatLatestSize,
  parseAddCheckpoint,
  parseLatestSize,
} from './add-checkpoint.ts'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { UINT64_MAX } from './size.ts'
import { throwsCode } from './testing.test.ts'
import { utf8 } from './text.ts'

for (const { name, body, oldSize, proof, checkpoint } of vectors.valid) {
  test(`a request reads and writes: ${name}`, () => {
    const request = parseAddCheckpoint(utf8(body))
    assert.deepEqual(
      { ...request, proof: request.proof.map(encodeBase64) },
      { oldSize: BigInt(oldSize), proof, checkpoint },
    )
    assert.equal(
      formatAddCheckpoint({ oldSize: BigInt(oldSize), proof: proof.map(decodeBase64), checkpoint }),
      body,
    )
  })
}

for (const { name, input, error } of vectors.invalid) {
  test(`a request is refused: ${name}`, () => throwsCode(() => parseAddCheckpoint(input), error))
}

test('the latest size reads and writes', () => {
  for (const size of vectors.latestSizes) {
    assert.equal(formatLatestSize(BigInt(size)), `${size}\n`)
    assert.equal(parseLatestSize(utf8(`${size}\n`)), BigInt(size))
  }
  throwsCode(() => formatLatestSize(-1n), 'SIZE_UNSAFE')
})

for (const { name, input, error } of vectors.invalidLatestSizes) {
  test(`the latest size is refused: ${name}`, () => throwsCode(() => parseLatestSize(input), error))
}

const [first] = vectors.valid
assert.ok(first !== undefined)
const { checkpoint } = first

test('a request that would not read back is not written', () => {
  throwsCode(() => formatAddCheckpoint({ oldSize: -1n, proof: [], checkpoint }), 'SIZE_UNSAFE')
  throwsCode(
    () => formatAddCheckpoint({ oldSize: 1n, proof: [new Uint8Array(31)], checkpoint }),
    'HASH_LENGTH',
  )
  const hashes = Array.from({ length: 64 }, () => new Uint8Array(32))
  throwsCode(
    () => formatAddCheckpoint({ oldSize: 1n, proof: hashes, checkpoint }),
    'PROOF_TOO_LONG',
  )
  throwsCode(
    () => formatAddCheckpoint({ oldSize: 1n, proof: [], checkpoint: `\n${checkpoint}` }),
    'CHECKPOINT_MALFORMED',
  )
})

test('a request over its size is refused before it is read', () => {
  throwsCode(
    () => parseAddCheckpoint(new Uint8Array(ADD_CHECKPOINT_BYTES_MAX + 1)),
    'ADD_CHECKPOINT_MALFORMED',
  )
  throwsCode(
    () => parseAddCheckpoint(new Uint8Array(ADD_CHECKPOINT_BYTES_MAX)),
    'CONTROL_CHARACTER',
  )
})

test('any request reads back as itself', () => {
  const proof = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 })
  fc.assert(
    fc.property(fc.bigInt(0n, UINT64_MAX), proof, (oldSize, hashes) => {
      const request = { oldSize, proof: hashes, checkpoint }
      assert.deepEqual(parseAddCheckpoint(formatAddCheckpoint(request)), request)
    }),
  )
})
