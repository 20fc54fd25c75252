import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SignatureType } from '@countersign/tlog/key'
import { makeKey } from '../witness.ts'
import { describeConfig } from './describe.ts'
import { ConfigError } from './errors.ts'
import { loadConfig } from './load.ts'
import type { LoadedConfig } from './load.ts'

const folder = await mkdtemp(join(tmpdir(), 'countersign-witnesses-'))
after(() => rm(folder, { recursive: true }))
for (const name of ['signer.key', 'sequencer.key', 'fingerprint.key'])
  await writeFile(join(folder, name), '')

const { vkey } = makeKey('w1.example', SignatureType.cosignatureV1)
const sound = `witness w1 ${vkey} http://127.0.0.1:8090\nquorum w1\n`

async function load({
  policy,
  witnesses = 'witnesses: { policy: ./w.policy }',
  route = '',
  ledger = '',
}: {
  policy?: string
  witnesses?: string
  route?: string
  ledger?: string
}): Promise<LoadedConfig> {
  await rm(join(folder, 'w.policy'), { force: true })
  if (policy !== undefined) await writeFile(join(folder, 'w.policy'), policy)
  const text = `origin: audit.example.com/test
signer: { key: signer.key, state: signer.state }
sequencer: { key: sequencer.key }
fingerprintKey: fingerprint.key
listen: { inbound: 127.0.0.1:0 }
${witnesses}
${ledger}
services:
  orders:
    upstream: http://127.0.0.1:9001
    routes:
      - { match: 'GET /a', public: true${route} }
`
  const path = join(folder, 'c.yaml')
  await writeFile(path, text)
  return loadConfig(path)
}

/** What is said about the policy, and the file holds all the same. */
function warningsOf({ warnings }: LoadedConfig): string[] {
  return warnings.filter(({ key }) => key === 'witnesses.policy').map(({ message }) => message)
}

/** What is wrong, as `key: message`. */
async function problems(given: Parameters<typeof load>[0]): Promise<string[]> {
  try {
    await load(given)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ key, message }) => `${key}: ${message}`)
  }
}

test('the policy is read with the file, and its quorum is said in words', async () => {
  const loaded = await load({ policy: sound, route: ', acknowledge: D2' })
  assert.equal(loaded.quorum, 'w1')
  assert.deepEqual(loaded.config.witnesses, {
    policy: './w.policy',
    timeout: 2000,
    grace: 10_000,
  })
  assert.match(describeConfig(loaded), /# D2 when cosigned by w1\n/)
  assert.deepEqual(warningsOf(loaded), [])
})

test('a policy that is missing, wrong or cannot be asked is told with its line', async () => {
  assert.match((await problems({}))[0] ?? '', /^witnesses\.policy: there is no file /)
  assert.match(
    (await problems({ policy: `# fine\nwitnes w1\n` }))[0] ?? '',
    /^witnesses\.policy: \.\/w\.policy: could not read line 2 of the policy: .*"witnes"/,
  )
  assert.match(
    (await problems({ policy: `witness w1 ${vkey}\nquorum w1\n` }))[0] ?? '',
    /the witness "w1" has no URL, so it cannot be asked/,
  )
})

test('D2 needs witnesses, and a quorum that asks for somebody', async () => {
  const route = ', acknowledge: D2'
  assert.deepEqual(await problems({ witnesses: '', route }), [
    "services.orders.routes[0].acknowledge: D2 needs a quorum: name a policy under 'witnesses'",
  ])
  const none = `witness w1 ${vkey} http://127.0.0.1:8090\nquorum none\n`
  assert.match((await problems({ policy: none, route }))[0] ?? '', /D2 would say nothing/)
  assert.match(warningsOf(await load({ policy: none }))[0] ?? '', /no cosignature is waited for/)
  const other = makeKey('other.example/log', SignatureType.ed25519).vkey
  const named = await load({ policy: `log ${other}\n${sound}` })
  assert.match(warningsOf(named)[0] ?? '', /do not name audit\.example\.com\/test/)
})

test('a level above D0 is for mode strict, by the route itself or by default', async () => {
  for (const acknowledge of ['D1', 'D2']) {
    const found = await problems({
      policy: sound,
      route: `, acknowledge: ${acknowledge}, mode: bounded`,
    })
    assert.match(
      found[0] ?? '',
      new RegExp(`acknowledge: ${acknowledge} needs mode strict: in mode`),
    )
  }
  const route = ', acknowledge: D1'
  const byDefault = await problems({
    policy: sound,
    route,
    ledger: 'ledger: { mode: best-effort }',
  })
  assert.match(byDefault[0] ?? '', /in mode best-effort nothing waits for the record/)
  assert.deepEqual(await problems({ policy: sound, route: `${route}, mode: strict` }), [])
  assert.match(
    (await problems({ policy: sound, route: ', acknowledge: D3' }))[0] ?? '',
    /D0, D1, D2/,
  )
})
