import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy } from './compile.ts'
import { givenActor, givenCall, givenConfig } from './testing/given.ts'
import type { TunnelSight } from './tunnel.ts'

const policy = compilePolicy(
  givenConfig({
    services: Object.fromEntries(
      ['enforce', 'report', 'open'].map((mode) => [
        mode,
        { egress: { mode, allow: ['api.test', 'db.test:5432'] } },
      ]),
    ),
  }),
)
const findings = ['not_tls', 'sni_missing', 'sni_mismatch'] as const

function shown(mode: string, sight: Partial<TunnelSight>) {
  const caller = givenActor({ type: 'service', name: mode })
  const { host = 'api.test', port = 443 } = sight
  const decision = policy.decide(caller, givenCall(host, { port }))
  assert.equal(decision.allowed, true)
  return { decision, after: policy.decideTunnel(decision, { host, port, ...sight }) }
}

test('a tunnel that shows the name it was opened for is left alone', () => {
  const { decision, after } = shown('enforce', { sni: 'api.test' })
  assert.equal(after, decision)
})

test('mode enforce refuses every finding and says which', () => {
  for (const finding of findings) {
    const { after } = shown('enforce', { finding })
    assert.deepEqual(
      [after.allowed, after.reason, after.rule],
      [false, finding, 'services.enforce.egress.mode: enforce'],
    )
  }
})

test('modes report and open note what enforce would refuse', () => {
  for (const mode of ['report', 'open']) {
    for (const finding of findings) {
      const { after } = shown(mode, { finding })
      assert.deepEqual([after.allowed, after.wouldDeny], [true, true])
    }
  }
})

test('a port that is listed by number need not speak TLS, but must not lie about the name', () => {
  const plain = shown('enforce', { host: 'db.test', port: 5432, finding: 'not_tls' })
  assert.equal(plain.after, plain.decision)
  const lying = shown('enforce', { host: 'db.test', port: 5432, finding: 'sni_mismatch' })
  assert.equal(lying.after.allowed, false)
})

test('a caller that policy no longer knows is refused', () => {
  const { decision } = shown('enforce', {})
  const stale = { ...decision, service: 'gone' }
  const sight = { host: 'api.test', port: 443, finding: 'sni_mismatch' } as const
  assert.equal(policy.decideTunnel(stale, sight).allowed, false)
})
