import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/receipt.json' with { type: 'json' }
import { encodeHex } from './base64.ts'
import { TlogError } from './errors.ts'
import { hashLeaf } from './hash.ts'
import {
  EXTRA_BYTES_MAX,
  formatReceipt,
  parseReceipt,
  RECEIPT_BYTES_MAX,
  verifyReceipt,
} from './receipt.ts'
import { UINT64_MAX } from './size.ts'
import { rejectsCode, sha256, throwsCode, verify } from './testing.test.ts'
import { utf8 } from './text.ts'
import { parsePolicy } from './witness-policy.ts'

const crypto = { sha256, verify }

for (const { name, receipt, entry, policy: text, index, size, extra } of vectors.valid) {
  test(`a receipt verifies: ${name}`, async () => {
    const policy = parsePolicy(text, sha256)
    const verified = await verifyReceipt({ receipt, entry: utf8(entry), policy, ...crypto })
    assert.equal(verified.index, BigInt(index))
    assert.equal(verified.checkpoint.size, BigInt(size))
    const parsed = parseReceipt(utf8(receipt))
    assert.equal(encodeHex(parsed.extra ?? new Uint8Array()), extra)
    assert.equal(formatReceipt(parsed), receipt)
    const leafHash = hashLeaf(sha256, utf8(entry))
    assert.deepEqual(
      await verifyReceipt({ receipt: parsed, leafHash, policy, ...crypto }),
      verified,
    )
  })
}

for (const { name, receipt, entry, policy: text, error } of vectors.invalid) {
  test(`a receipt is refused: ${name}`, async () => {
    const policy = parsePolicy(text, sha256)
    await rejectsCode(
      () => verifyReceipt({ receipt, entry: utf8(entry), policy, ...crypto }),
      error,
    )
  })
}

const [first] = vectors.valid
assert.ok(first !== undefined)
const good = parseReceipt(first.receipt)

test('the keys of the log alone are enough where no quorum is asked for', async () => {
  const keys = parsePolicy(first.policy, sha256).logs.map(({ key }) => key)
  const { verified } = await verifyReceipt({
    receipt: first.receipt,
    entry: utf8(first.entry),
    keys,
    ...crypto,
  })
  assert.equal(verified.length, 1)
  await rejectsCode(
    () => verifyReceipt({ receipt: first.receipt, entry: utf8(first.entry), keys: [], ...crypto }),
    'NOTE_UNSIGNED',
  )
})

test('a receipt put together by hand is checked like a parsed one', async () => {
  const policy = parsePolicy(first.policy, sha256)
  const proof = [...good.proof, new Uint8Array(32)]
  await rejectsCode(
    () =>
      verifyReceipt({ receipt: { ...good, proof }, entry: utf8(first.entry), policy, ...crypto }),
    'PROOF_LENGTH',
  )
})

test('a receipt that would not read back is not written', () => {
  throwsCode(() => formatReceipt({ ...good, index: -1n }), 'SIZE_UNSAFE')
  throwsCode(() => formatReceipt({ ...good, extra: new Uint8Array(0) }), 'RECEIPT_MALFORMED')
  throwsCode(
    () => formatReceipt({ ...good, extra: new Uint8Array(EXTRA_BYTES_MAX + 1) }),
    'RECEIPT_MALFORMED',
  )
  throwsCode(() => formatReceipt({ ...good, proof: [new Uint8Array(31)] }), 'HASH_LENGTH')
  const hashes = Array.from({ length: 65 }, () => new Uint8Array(32))
  throwsCode(() => formatReceipt({ ...good, proof: hashes }), 'PROOF_TOO_LONG')
  throwsCode(() => formatReceipt({ ...good, checkpoint: 'nothing' }), 'NOTE_MALFORMED')
  assert.equal(
    parseReceipt(formatReceipt({ ...good, extra: new Uint8Array(EXTRA_BYTES_MAX) })).extra?.length,
    EXTRA_BYTES_MAX,
  )
})

test('a receipt over its size is refused before it is read', () => {
  throwsCode(() => parseReceipt(new Uint8Array(RECEIPT_BYTES_MAX + 1)), 'RECEIPT_MALFORMED')
  throwsCode(() => parseReceipt(new Uint8Array(RECEIPT_BYTES_MAX)), 'CONTROL_CHARACTER')
})

test('any receipt reads back as itself', () => {
  const proof = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 64 })
  const extra = fc.option(fc.uint8Array({ minLength: 1, maxLength: 100 }), { nil: undefined })
  fc.assert(
    fc.property(fc.bigInt(0n, UINT64_MAX), proof, extra, (index, hashes, bytes) => {
      const receipt = {
        index,
        proof: hashes,
        checkpoint: good.checkpoint,
        ...(bytes === undefined ? {} : { extra: bytes }),
      }
      assert.deepEqual(parseReceipt(formatReceipt(receipt)), receipt)
    }),
  )
})

test('no flipped bit of a receipt verifies as it did', async () => {
  const policy = parsePolicy(first.policy, sha256)
  const whole = utf8(first.receipt)
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length * 8 - 1), async (bit) => {
      const bytes = Uint8Array.from(whole)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await assert.rejects(
        () => verifyReceipt({ receipt: bytes, entry: utf8(first.entry), policy, ...crypto }),
        TlogError,
      )
    }),
    { numRuns: 300 },
  )
})
