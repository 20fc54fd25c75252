import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { parseSkey, parseVkey } from '@countersign/tlog/key'
import vectors from '../../../tlog/testdata/cosignature.json' with { type: 'json' }
import {
  ed25519PublicKey,
  ed25519Sign,
  ed25519Verify,
  mlDsa44,
  sha256,
  sha256Hex,
} from '../cryptography.ts'

test('SHA-256 of the empty string is the one everybody knows', () => {
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  equal(sha256Hex(''), empty)
  equal(Buffer.from(sha256(new Uint8Array(0))).toString('hex'), empty)
})

test('Ed25519 signs and verifies as RFC 8032, section 7.1, test 2', async () => {
  const seed = Buffer.from(
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    'hex',
  )
  const publicKey = ed25519PublicKey(seed)
  equal(
    Buffer.from(publicKey).toString('hex'),
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  )
  const message = Uint8Array.of(0x72)
  const signature = await ed25519Sign(seed)(message)
  ok(Buffer.from(signature).toString('hex').startsWith('92a009a9f0d4cab8720e820b5f642540'))
  equal(await ed25519Verify(publicKey, message, signature), true)
  equal(await ed25519Verify(publicKey, Uint8Array.of(0x73), signature), false)
  equal(await ed25519Verify(new Uint8Array(31), message, signature), false)
})

test('ML-DSA-44 makes the key of a seed, signs with it, and refuses what is not of its size', async () => {
  // Of the vectors of tlog: public key and signature were made by Go's filippo.io/mldsa.
  const [vector] = vectors.mlDsa44Lines
  ok(vector !== undefined)
  const { seed } = parseSkey(vector.skey, sha256)
  const { publicKey } = parseVkey(vector.vkey, sha256)
  deepEqual(mlDsa44.publicKey(seed), publicKey)
  const message = Buffer.from(vector.message, 'hex')
  const theirs = Buffer.from(vector.line.split(' ')[2] ?? '', 'base64').subarray(12)
  equal(await mlDsa44.verify(publicKey, message, theirs), true)
  const ours = await mlDsa44.sign(seed)(message)
  equal(await mlDsa44.verify(publicKey, message, ours), true)
  equal(await mlDsa44.verify(publicKey, Buffer.from('another'), ours), false)
  equal(await mlDsa44.verify(publicKey.subarray(1), message, ours), false)
  equal(await mlDsa44.verify(publicKey, message, ours.subarray(1)), false)
  equal(await mlDsa44.verify(new Uint8Array(1312), message, ours), false)
})
