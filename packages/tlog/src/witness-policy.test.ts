import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import keys from '../testdata/key.json' with { type: 'json' }
import vectors from '../testdata/policy.json' with { type: 'json' }
import { formatVkey, keyId, parseVkey, SignatureType } from './key.ts'
import { publicKeyOf, sha256, throwsCode } from './testing.test.ts'
import { utf8 } from './text.ts'
import {
  ASKED_WITNESSES_MAX,
  askableWitnesses,
  describeQuorum,
  evaluateQuorum,
  parsePolicy,
  policyKeys,
  POLICY_BYTES_MAX,
  POLICY_LINES_MAX,
} from './witness-policy.ts'

for (const { name, policy: text, quorums } of vectors.valid) {
  test(`a policy reads and decides: ${name}`, () => {
    const policy = parsePolicy(text, sha256)
    assert.deepEqual(parsePolicy(utf8(text), sha256), policy)
    for (const { witnesses, met } of quorums) {
      const verified = witnesses.map((vkey) => ({ key: parseVkey(vkey, sha256), timestamp: 1n }))
      assert.equal(evaluateQuorum(policy, verified), met)
    }
  })
}

for (const { name, input, error } of vectors.invalid) {
  test(`a policy is refused: ${name}`, () => throwsCode(() => parsePolicy(input, sha256), error))
}

test('an error of a policy says on which line', () => {
  assert.throws(() => parsePolicy('# fine\nquorum a\n', sha256), /line 2/)
})

test('a policy that is not UTF-8 is refused', () => {
  throwsCode(() => parsePolicy(Uint8Array.of(0x23, 0xff, 0x0a), sha256), 'UTF8_MALFORMED')
})

test('a URL is kept, and a log key that is also a witness key is listed once', () => {
  const pq = keys.valid.find(({ type }) => type === SignatureType.mlDsa44)
  assert.ok(pq !== undefined)
  const text = `log ${pq.vkey} https://log.example/\nwitness w ${pq.vkey} https://w.example/\nquorum w\n`
  const policy = parsePolicy(text, sha256)
  assert.equal(policy.logs[0]?.url, 'https://log.example/')
  assert.equal(policy.witnesses[0]?.url, 'https://w.example/')
  assert.deepEqual(policyKeys(policy).map(formatVkey), [pq.vkey])
})

/** The vkey of the witness whose seed is `seed` in each byte pair. */
function witnessVkey(seed: number): string {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, seed)
  const key = {
    name: `w${seed}.example`,
    type: SignatureType.cosignatureV1,
    publicKey: Uint8Array.from(publicKeyOf(bytes)),
  }
  return formatVkey({ ...key, id: keyId(key, sha256) })
}

test('256 witnesses and groups are accepted, one more or a longer file is not', () => {
  const lines = Array.from(
    { length: POLICY_LINES_MAX + 1 },
    (_, at) => `witness w${at} ${witnessVkey(at)}\n`,
  )
  const groups = Array.from(
    { length: POLICY_LINES_MAX + 1 },
    (_, at) => `group g${at} any ${at === 0 ? 'w0' : `g${at - 1}`}\n`,
  )
  const full = `${lines.slice(0, -1).join('')}${groups.slice(0, -1).join('')}quorum g255\n`
  const policy = parsePolicy(full, sha256)
  assert.ok(evaluateQuorum(policy, [{ key: parseVkey(witnessVkey(0), sha256) }]))
  throwsCode(() => parsePolicy(`${lines.join('')}quorum none\n`, sha256), 'POLICY_MALFORMED')
  throwsCode(
    () => parsePolicy(`${lines[0] ?? ''}${groups.join('')}quorum none\n`, sha256),
    'POLICY_MALFORMED',
  )
  const long = `quorum none\n#${'x'.repeat(POLICY_BYTES_MAX - 14)}\n`
  assert.equal(parsePolicy(long, sha256).quorum, 'none')
  throwsCode(() => parsePolicy(`${long}#\n`, sha256), 'POLICY_MALFORMED')
})

test('k of n is met by any k witnesses and by no fewer, and more never unmeets it', () => {
  const vkeys = Array.from({ length: 6 }, (_, at) => witnessVkey(at))
  const all = vkeys.map((vkey) => ({ key: parseVkey(vkey, sha256), timestamp: 1n }))
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.subarray(all), (threshold, verified) => {
      const lines = vkeys.map((vkey, at) => `witness w${at} ${vkey}\n`).join('')
      const policy = parsePolicy(
        `${lines}group g ${threshold} w0 w1 w2 w3 w4 w5\nquorum g\n`,
        sha256,
      )
      assert.equal(evaluateQuorum(policy, verified), verified.length >= threshold)
    }),
  )
})

/** A policy of witnesses with fresh keys. */
function policyWith(urls: readonly (string | undefined)[], rest: string): string {
  const lines = urls.map((url, at) => {
    const named = {
      name: `w${at}.example`,
      type: SignatureType.cosignatureV1,
      publicKey: publicKeyOf(new Uint8Array(32).fill(at + 1)),
    }
    const vkey = formatVkey({ ...named, id: keyId(named, sha256) })
    return `witness w${at} ${vkey} ${url ?? ''}`
  })
  return `${lines.join('\n')}\n${rest}`
}

test('a quorum is said in words', () => {
  const none = [undefined, undefined, undefined, undefined, undefined]
  const groups = 'group a 2 w0 w1 w2\ngroup b any w3 w4\ngroup both all a b\nquorum both\n'
  assert.equal(
    describeQuorum(parsePolicy(policyWith(none, groups), sha256)),
    'all of (2 of (w0, w1, w2), any of (w3, w4))',
  )
  const alone = parsePolicy(policyWith([undefined], 'quorum w0\n'), sha256)
  assert.equal(describeQuorum(alone), 'w0')
  assert.equal(describeQuorum(parsePolicy('quorum none\n', sha256)), 'no cosignature')
})

test('witnesses can be asked at a plain http or https URL only, and not too many of them', () => {
  const asked = (urls: readonly (string | undefined)[]) =>
    askableWitnesses(parsePolicy(policyWith(urls, 'quorum none\n'), sha256))
  const good = ['http://127.0.0.1:8090', 'https://w.example/submit/']
  assert.deepEqual(
    asked(good).map(({ url }) => url),
    good,
  )
  for (const bad of [
    undefined,
    'w.example',
    'ftp://w.example/',
    'http://a:b@w.example/',
    'http://w.example/?x=1',
    'http://w.example/#x',
    'http://[::',
  ]) {
    assert.throws(() => asked([good[0], bad]), /the witness "w1"|URL of the witness "w1"/)
  }
  const url = good[0]
  assert.equal(asked(Array.from({ length: ASKED_WITNESSES_MAX }, () => url)).length, 64)
  throwsCode(
    () => asked(Array.from({ length: ASKED_WITNESSES_MAX + 1 }, () => url)),
    'POLICY_MALFORMED',
  )
})
