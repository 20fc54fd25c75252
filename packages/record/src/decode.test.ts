import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test from 'node:test'

import { hashLeaf } from '@countersign/tlog/hash'

import { decodeEntry, scanEntry } from './decode.ts'
import { RecordError } from './errors.ts'

interface Vectors {
  valid: {
    name: string
    json: string
    addenda: string[]
    digests: string[]
    leaf: string
    entry: string
  }[]
  invalid: { name: string; member: string; entry: string }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../testdata/record-v1.json', import.meta.url), 'utf8'),
)
const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest()
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex')

for (const vector of vectors.valid) {
  test(`a record is read: ${vector.name}`, () => {
    const entry = bytes(vector.entry)
    const { leaf, digests } = decodeEntry(entry)
    assert.equal(JSON.stringify(leaf), vector.json)
    assert.deepEqual(digests.map(hex), vector.digests)
    assert.deepEqual(
      vector.addenda.map((content) => hex(sha256(bytes(content)))),
      vector.digests,
    )
    assert.equal(hex(hashLeaf(sha256, entry)), vector.leaf)
    assert.equal(scanEntry(entry).id, leaf.id)
  })
}

for (const vector of vectors.invalid) {
  test(`no record: ${vector.name}`, () => {
    for (const read of [decodeEntry, scanEntry]) {
      assert.throws(
        () => read(bytes(vector.entry)),
        (error) =>
          error instanceof RecordError &&
          error.code === 'RECORD_MALFORMED' &&
          error.message.includes(vector.member),
      )
    }
  })
}

test('an entry over 65,535 bytes is refused before anything is read', () => {
  assert.throws(() => decodeEntry(new Uint8Array(65_536)), { code: 'ENTRY_TOO_LARGE' })
})

test('text that nearly is a record is refused in time that grows with its length alone', () => {
  // The expression would go through these again and again if it could match them in two ways.
  const long =
    '{"v":1,"id":"01890a5d-ac96-774b-bcce-b302099a8059","class":"ledger","action":"' +
    'a\\\\'.repeat(20_000) +
    '"'
  const labels = `${long.slice(0, 80)}x","phase":"single","labels":[${'"a",'.repeat(12_000)}`
  for (const json of [long, labels]) {
    const startMs = performance.now()
    for (let round = 0; round < 10; round++)
      assert.throws(() => scanEntry(new TextEncoder().encode(`${json}\n\0`)), RecordError)
    assert.ok(performance.now() - startMs < 2000)
  }
})
