import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import test from 'node:test'
import { cosign } from '@countersign/tlog/cosignature'
import { formatVkey, keyId, parseVkey, SignatureType } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import { formatNote, parseNote } from '@countersign/tlog/note'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { nodeCrypto } from './node-io.ts'
import { logKey, openEntries, SampleLog } from './sample-log.testing.ts'
import { verifyLog } from './verify.ts'
import type { Report } from './verify.ts'
import { knownKeys, timeText } from './witnesses.ts'

interface Witness {
  readonly key: VerifierKey
  readonly line: (text: string) => Promise<string>
}

function makeWitness(name: string): Witness {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const named = { name, type: SignatureType.cosignatureV1, publicKey: raw }
  const key = { ...named, id: keyId(named, nodeCrypto.sha256) }
  const signer = { ...key, timestamp: 1_700_000_000n }
  return {
    key,
    line: async (text) =>
      cosign(text, { ...signer, sign: (message) => sign(null, message, privateKey) }),
  }
}

const [one, two] = [makeWitness('w1.example'), makeWitness('w2.example')]

function policyFor(quorum: string): string {
  return [
    `log ${logKey.vkey}`,
    `witness w1 ${formatVkey(one.key)}`,
    `witness w2 ${formatVkey(two.key)}`,
    `group some ${quorum} w1 w2`,
    'quorum some',
    '',
  ].join('\n')
}

/** A small log whose checkpoint these witnesses cosigned. */
async function report(witnesses: readonly Witness[], quorum?: string): Promise<Report> {
  const files = new Map<string, Uint8Array>()
  const log = new SampleLog((path, bytes) => files.set(path, bytes), openEntries())
  log.append(5)
  const { text, signatures } = parseNote(await log.publish())
  const lines = await Promise.all(witnesses.map(async ({ line }) => line(text)))
  const note = formatNote(text, [...signatures.map(({ line }) => line), ...lines])
  files.set('checkpoint', Buffer.from(note))
  return verifyLog({
    source: { read: (path) => files.get(path) },
    crypto: nodeCrypto,
    keys: [parseVkey(logKey.vkey, nodeCrypto.sha256)],
    policy: quorum === undefined ? undefined : parsePolicy(policyFor(quorum), nodeCrypto.sha256),
  })
}

test('the quorum of a policy must hold, and who cosigned is named with the time', async () => {
  const met = await report([one, two], 'all')
  assert.equal(met.verified, true)
  assert.deepEqual(met.quorum, { asked: 'all of (w1, w2)', met: true })
  assert.deepEqual(met.witnessedBy, [
    { name: 'w1.example', time: '2023-11-14T22:13:20Z' },
    { name: 'w2.example', time: '2023-11-14T22:13:20Z' },
  ])
  assert.equal((await report([two], 'any')).verified, true)
  const unmet = await report([two], 'all')
  assert.equal(unmet.verified, false)
  assert.deepEqual(unmet.findings, [
    {
      code: 'QUORUM_UNMET',
      path: 'checkpoint',
      message: 'the policy asks for all of (w1, w2); it is cosigned by w2.example',
    },
  ])
  assert.match((await report([], 'any')).findings[0]?.message ?? '', /by none of them/)
})

test('without a policy cosignatures are nobody’s demand, and strangers count for nothing', async () => {
  const { verified, witnessedBy, quorum } = await report([one])
  assert.deepEqual([verified, witnessedBy, quorum], [true, [], undefined])
  assert.equal((await report([makeWitness('w1.example')], 'any')).verified, false)
})

test('a cosignature of a known witness that does not verify rejects the checkpoint', async () => {
  const forged = { ...one, line: async (text: string) => one.line(text.replace(/\n5\n/, '\n6\n')) }
  const { verified, findings } = await report([forged, two], 'any')
  assert.equal(verified, false)
  assert.equal(findings[0]?.code, 'CHECKPOINT_SIGNATURE')
})

test('a key that is given and in the policy is known once', () => {
  const key = parseVkey(logKey.vkey, nodeCrypto.sha256)
  const policy = parsePolicy(policyFor('any'), nodeCrypto.sha256)
  assert.equal(knownKeys([key, one.key], policy).length, 3)
})

test('a time that no calendar has is told as the seconds it is', () => {
  assert.equal(timeText(0n), '1970-01-01T00:00:00Z')
  assert.equal(timeText(8_640_000_000_000n), '+275760-09-13T00:00:00Z')
  assert.equal(timeText(2n ** 63n - 1n), '9223372036854775807 s')
})
