import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, createHmac, webcrypto } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import vectors from '../testdata/chunked-encryption.json' with { type: 'json' }
import { decodeHex, encodeHex } from './base64.ts'
import { openChunked, openChunkedAsync, sealChunked, sealedBytes } from './chunked-encryption.ts'
import type { AsyncOpenPrimitives, OpenPrimitives, SealPrimitives } from './chunked-encryption.ts'
import { TlogError } from './errors.ts'
import { rejectsCode, sha256, throwsCode } from './testing.test.ts'

/** Of node:crypto. */
const node: SealPrimitives & OpenPrimitives = {
  hmacSha512: (key, message) => createHmac('sha512', key).update(message).digest(),
  aes256GcmSeal({ key, nonce, plaintext }, target) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    target.set(cipher.update(plaintext))
    cipher.final()
    target.set(cipher.getAuthTag(), plaintext.length)
  },
  aes256GcmOpen({ key, nonce, sealed }) {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
    decipher.setAuthTag(sealed.subarray(-16))
    const plaintext = decipher.update(sealed.subarray(0, -16))
    try {
      decipher.final()
      return plaintext
    } catch {
      // The tag does not hold: that is the answer.
      return undefined
    }
  },
}

/** Of a browser. */
const web: AsyncOpenPrimitives = {
  async hmacSha512(key, message) {
    const hmac = { name: 'HMAC', hash: 'SHA-512' }
    const imported = await webcrypto.subtle.importKey('raw', key, hmac, false, ['sign'])
    return new Uint8Array(await webcrypto.subtle.sign('HMAC', imported, message))
  },
  async aes256GcmOpen({ key, nonce: iv, sealed }) {
    const imported = await webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
    try {
      return new Uint8Array(
        await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv }, imported, sealed),
      )
    } catch {
      // As above.
      return undefined
    }
  },
}

const plaintextOf = (bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => 31 * i + 7)

interface Sealed {
  readonly sealed: Uint8Array
  readonly key: Uint8Array
  readonly context: Uint8Array
  readonly plaintext: Uint8Array
}

function sealVector(name: string): Sealed {
  const vector = vectors.valid.find((one) => one.name === name)
  assert.ok(vector, name)
  const input = {
    key: decodeHex(vector.key),
    salt: decodeHex(vector.salt),
    context: decodeHex(vector.context),
  }
  const plaintext = plaintextOf(vector.plaintextBytes)
  return { ...input, plaintext, sealed: sealChunked(plaintext, input, node) }
}

for (const vector of vectors.valid) {
  test(`a message seals to the bytes of another implementation, and opens again: ${vector.name}`, async () => {
    const { sealed, plaintext, ...input } = sealVector(vector.name)
    assert.equal(sealed.length, vector.sealedBytes)
    assert.equal(sealedBytes(plaintext.length), vector.sealedBytes)
    assert.equal(encodeHex(sha256(sealed)), vector.sealedSha256)
    if ('sealed' in vector) assert.equal(encodeHex(sealed), vector.sealed)
    assert.deepEqual(openChunked(sealed, input, node), plaintext)
    assert.deepEqual(await openChunkedAsync(sealed, input, web), plaintext)
  })
}

type Change = (typeof vectors.invalid)[number]

function changed(change: Change): Sealed {
  const from = sealVector(change.of)
  let sealed = Uint8Array.from(from.sealed)
  if ('cut' in change && change.cut !== undefined) sealed = sealed.slice(0, change.cut)
  if ('flip' in change && change.flip !== undefined)
    sealed[change.flip] = (sealed[change.flip] ?? 0) ^ 1
  if ('append' in change && change.append !== undefined)
    sealed = Uint8Array.of(...sealed, ...decodeHex(change.append))
  if ('exchange' in change && change.exchange !== undefined) {
    const [[a = 0, aEnd = 0] = [], [b = 0, bEnd = 0] = []] = change.exchange
    const first = sealed.slice(a, aEnd)
    sealed.copyWithin(a, b, bEnd)
    sealed.set(first, b)
  }
  const key = 'key' in change && change.key !== undefined ? decodeHex(change.key) : from.key
  const context =
    'context' in change && change.context !== undefined ? decodeHex(change.context) : from.context
  return { ...from, sealed, key, context }
}

for (const change of vectors.invalid) {
  test(`a message that was changed is refused: ${change.name}`, async () => {
    const { sealed, key, context } = changed(change)
    throwsCode(() => openChunked(sealed, { key, context }, node), change.error)
    await rejectsCode(() => openChunkedAsync(sealed, { key, context }, web), change.error)
  })
}

test('what AES-GCM alone opens under two keys opens under the one it commits to', async () => {
  const { chunk, sealed, keys } = vectors.twoKeys
  for (const { key, derivedKey, nonce, plaintext, error } of keys) {
    const alone = node.aes256GcmOpen({
      key: decodeHex(derivedKey),
      nonce: decodeHex(nonce),
      sealed: decodeHex(chunk),
    })
    assert.ok(alone)
    assert.equal(encodeHex(alone), plaintext)
    const input = { key: decodeHex(key), context: new Uint8Array(0) }
    const open = (): Uint8Array => openChunked(decodeHex(sealed), input, node)
    const openLater = (): Promise<Uint8Array> => openChunkedAsync(decodeHex(sealed), input, web)
    if (error === undefined) {
      assert.equal(encodeHex(open()), plaintext)
      assert.equal(encodeHex(await openLater()), plaintext)
    } else {
      throwsCode(open, error)
      await rejectsCode(openLater, error)
    }
  }
})

test('a commitment is checked before any chunk is opened', () => {
  const { sealed, context } = sealVector('a context')
  let opened = 0
  const watched: OpenPrimitives = {
    ...node,
    aes256GcmOpen: (chunk) => {
      opened++
      return node.aes256GcmOpen(chunk)
    },
  }
  throwsCode(
    () => openChunked(sealed, { key: new Uint8Array(32), context }, watched),
    'SEALED_COMMITMENT',
  )
  assert.equal(opened, 0)
})

test('a salt of another length is refused', () => {
  const input = { key: new Uint8Array(32), salt: new Uint8Array(16), context: new Uint8Array(0) }
  throwsCode(() => sealChunked(new Uint8Array(1), input, node), 'SEALING_INPUT')
})

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const bytes24 = fc.uint8Array({ minLength: 24, maxLength: 24 })

test('whatever was sealed opens to itself, and nothing else does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        key: bytes32,
        salt: bytes24,
        context: fc.uint8Array({ maxLength: 80 }),
        plaintext: fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.integer({ min: -1, max: 1 }).map((more) => plaintextOf(16_384 + more)),
        ),
        flipAt: fc.nat(),
        cutTo: fc.nat(),
      }),
      async ({ plaintext, flipAt, cutTo, ...input }) => {
        const sealed = sealChunked(plaintext, input, node)
        assert.deepEqual(openChunked(sealed, input, node), plaintext)
        assert.deepEqual(await openChunkedAsync(sealed, input, web), plaintext)
        const flipped = Uint8Array.from(sealed)
        const at = flipAt % (sealed.length * 8)
        flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
        assert.throws(() => openChunked(flipped, input, node), TlogError)
        const cut = sealed.subarray(0, cutTo % sealed.length)
        assert.throws(() => openChunked(cut, input, node), TlogError)
        await assert.rejects(openChunkedAsync(cut, input, web), TlogError)
      },
    ),
    { numRuns: 60 },
  )
})
