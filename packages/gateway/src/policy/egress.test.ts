import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy } from './compile.ts'
import type { Policy } from './compile.ts'
import { PolicyError } from './errors.ts'
import { givenActor, givenCall, givenConfig, nobody, stranger } from './testing/given.ts'

const lists = {
  allow: [
    'api.stripe.com',
    '*.example.com',
    'db.internal:5432',
    '10.1.2.3',
    '[2600::1]:8443',
    'split.test',
  ],
  deny: ['evil.example.com', '*.bad.example.com:443'],
  allowPrivate: ['10.0.0.0/8', '127.0.0.0/8', '64:ff9b::/96', '169.254.0.0/16', 'fd00::/8', '::/0'],
}
const policy: Policy = compilePolicy(
  givenConfig({
    services: {
      strict: { egress: { mode: 'enforce', ...lists, recordMode: 'bounded', labels: ['pci'] } },
      learning: { egress: { mode: 'report', ...lists } },
      free: { egress: { mode: 'open', deny: lists.deny } },
      closed: {},
    },
  }),
)
const caller = (name: string) => givenActor({ type: 'service', name })
const reason = (name: string, host: string, parts = {}) =>
  policy.decide(caller(name), givenCall(host, parts)).reason
const notOwn = () => false
const resolved = (
  name: string,
  addresses: string[],
  own: (address: string, port: number) => boolean = notOwn,
) =>
  policy.decideAddresses(policy.decide(caller(name), givenCall('split.test')), {
    host: 'split.test',
    port: 443,
    addresses,
    service: name,
    own,
  })

test('only a service with an egress block may call out', () => {
  for (const actor of [
    nobody,
    stranger,
    givenActor({ name: 'strict' }),
    caller('closed'),
    caller('nowhere'),
  ]) {
    const decision = policy.decide(actor, givenCall('api.stripe.com'))
    assert.deepEqual(
      [decision.allowed, decision.reason, decision.service],
      [false, 'unregistered_caller', undefined],
    )
  }
})

test('a listed name passes, with the line of the list as its rule', () => {
  const decision = policy.decide(caller('strict'), givenCall('api.stripe.com'))
  assert.deepEqual(decision, {
    allowed: true,
    rule: 'services.strict.egress.allow[0]: api.stripe.com',
    reason: 'egress_allowed',
    explanation: 'api.stripe.com is listed',
    wouldDeny: false,
    policyHash: policy.hash,
    mode: 'bounded',
    acknowledge: 'D0',
    depth: 'opaque',
    labels: ['pci'],
    roles: [],
    action: 'egress.connect',
    service: 'strict',
    routeMatch: 'declared',
  })
})

test('a suffix pattern names everything below, never the apex and never a look-alike', () => {
  const hosts = [
    'a.example.com',
    'a.b.example.com.',
    'example.com',
    'badexample.com',
    'example.com.evil.test',
  ]
  assert.deepEqual(
    hosts.map((host) => reason('strict', host)),
    [
      'egress_allowed',
      'egress_allowed',
      'egress_not_listed',
      'egress_not_listed',
      'egress_not_listed',
    ],
  )
})

test('deny beats allow in every mode', () => {
  for (const name of ['strict', 'learning', 'free']) {
    assert.equal(reason(name, 'evil.example.com'), 'denied_explicitly')
    assert.equal(reason(name, 'evil.example.com.'), 'denied_explicitly')
    assert.equal(reason(name, 'x.bad.example.com'), 'denied_explicitly')
  }
})

test('CONNECT goes to 443 and plain requests to 80, unless the pattern names a port', () => {
  assert.equal(reason('strict', 'api.stripe.com', { port: 22 }), 'port_forbidden')
  assert.equal(reason('strict', 'db.internal', { port: 5432 }), 'egress_allowed')
  assert.equal(reason('strict', 'db.internal'), 'port_forbidden')
  const plain = { kind: 'http', method: 'GET', path: '/' } as const
  assert.equal(reason('strict', 'api.stripe.com', { ...plain, port: 80 }), 'egress_allowed')
  assert.equal(reason('strict', 'api.stripe.com', { ...plain, port: 443 }), 'port_forbidden')
  assert.equal(
    policy.decide(caller('strict'), givenCall('a.example.com', { ...plain, port: 80 })).action,
    'egress.request',
  )
})

const verdict = (name: string, parts = {}) => {
  const decision = policy.decide(caller(name), givenCall('unlisted.test', parts))
  return [decision.allowed, decision.reason, decision.wouldDeny]
}

test('report and open let the unlisted pass and say what enforce would do', () => {
  assert.deepEqual(verdict('learning'), [true, 'egress_reported', true])
  assert.deepEqual(verdict('free', { port: 22 }), [true, 'egress_open', true])
  assert.deepEqual(verdict('strict'), [false, 'egress_not_listed', false])
})

test('literal addresses are judged before anything is dialled, in every mode', () => {
  assert.equal(reason('strict', '10.1.2.3'), 'egress_allowed')
  assert.equal(reason('strict', '2600::1', { port: 8443 }), 'egress_allowed')
  assert.equal(reason('free', '8.8.8.8'), 'egress_open')
  for (const host of [
    '10.1.2.3',
    '127.0.0.1',
    '::1',
    '0.0.0.0',
    '198.18.0.1',
    '100.64.0.1',
    '240.0.0.1',
  ]) {
    assert.equal(reason('free', host), 'address_forbidden', host)
  }
})

test('what is neither a name nor a canonical address is refused', () => {
  const hosts = [
    '127.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '1.2.3.0x',
    'fe80::1%eth0',
    'ＡＢ.test',
    '',
    '.',
    'a..b',
    '①.test',
  ]
  for (const host of hosts) assert.equal(reason('free', host), 'address_forbidden', host)
})

test('the first acceptable answer is pinned, in the order of the resolver', () => {
  const { decision, pinned, mixed } = resolved('strict', ['2606:4700::1', '93.184.216.34'])
  assert.deepEqual([decision.allowed, pinned, mixed], [true, '2606:4700::1', false])
  assert.equal(resolved('strict', ['10.0.0.9']).pinned, '10.0.0.9')
})

test('an answer inside the network is refused in every mode unless allowPrivate opens it', () => {
  const refused = resolved('free', ['192.168.1.1', 'fe80::1'])
  assert.deepEqual(
    [refused.decision.allowed, refused.decision.reason, refused.pinned],
    [false, 'address_forbidden', undefined],
  )
  assert.equal(refused.decision.rule, 'services.free.egress.allowPrivate')
  assert.equal(resolved('strict', ['172.16.0.1']).decision.reason, 'address_forbidden')
})

test('public and private answers together are refused in enforce, and noted in the other modes', () => {
  const strict = resolved('strict', ['93.184.216.34', '10.0.0.9'])
  assert.deepEqual(
    [strict.decision.allowed, strict.decision.reason, strict.mixed],
    [false, 'mixed_addresses', true],
  )
  const free = resolved('free', ['10.0.0.9', '93.184.216.34'])
  assert.deepEqual(
    [free.decision.allowed, free.decision.wouldDeny, free.pinned, free.mixed],
    [true, true, '93.184.216.34', true],
  )
})

test('one metadata address among the answers refuses them all, in every mode', () => {
  for (const name of ['strict', 'learning', 'free']) {
    for (const address of [
      '169.254.169.254',
      '::ffff:169.254.169.254',
      '64:ff9b::a9fe:a9fe',
      'fd00:ec2::254',
    ]) {
      const { decision, pinned } = resolved(name, ['93.184.216.34', address])
      assert.deepEqual(
        [decision.allowed, decision.reason, pinned],
        [false, 'metadata_address', undefined],
        address,
      )
    }
  }
})

const own = (address: string, port: number) => address === '10.0.0.9' && port === 443

test('our own listeners are refused under any spelling of their address', () => {
  assert.equal(resolved('strict', ['10.0.0.9'], own).decision.reason, 'own_listener')
  assert.equal(resolved('strict', ['::ffff:10.0.0.9'], own).decision.reason, 'own_listener')
  assert.equal(resolved('strict', ['10.0.0.8'], own).decision.allowed, true)
})

test('a refusal of the name stage stays what it was', () => {
  const refused = policy.decide(caller('strict'), givenCall('unlisted.test'))
  const target = {
    host: 'unlisted.test',
    port: 443,
    addresses: ['8.8.8.8'],
    service: 'strict',
    own: notOwn,
  }
  assert.deepEqual(policy.decideAddresses(refused, target), { decision: refused, mixed: false })
})

test('no answer, and an answer that is no address, dial nothing', () => {
  assert.equal(resolved('free', []).decision.reason, 'address_forbidden')
  assert.equal(resolved('free', ['127.1']).decision.reason, 'address_forbidden')
})

test('NAT64 that was opened passes to a public address only', () => {
  assert.equal(resolved('strict', ['64:ff9b::5db8:d822']).pinned, '64:ff9b::5db8:d822')
  assert.equal(resolved('strict', ['64:ff9b::c0a8:1']).decision.reason, 'address_forbidden')
})

const compile = (egress: Record<string, unknown>) => () =>
  compilePolicy(givenConfig({ services: { a: { egress } } }))
const code = (expected: string) => (error: unknown) =>
  error instanceof PolicyError && error.code === expected

test('patterns and ranges that can not be read do not compile', () => {
  assert.throws(compile({ allow: ['127.1'] }), code('POLICY_PATTERN_INVALID'))
  assert.throws(compile({ allow: ['a.test:70000'] }), code('POLICY_PATTERN_INVALID'))
  const config = givenConfig({ services: { a: { egress: {} } } })
  config.services['a']?.egress?.allowPrivate.push('ten')
  assert.throws(() => compilePolicy(config), code('POLICY_RANGE_INVALID'))
})

test('the calls of a service may demand more of their record than durability', () => {
  const levels = compilePolicy(
    givenConfig({
      witnesses: { policy: 'w.policy' },
      services: { pay: { egress: { allow: ['api.stripe.com'], acknowledge: 'D2' } } },
    }),
  )
  const call = givenCall('api.stripe.com')
  assert.equal(levels.decide(caller('pay'), call).acknowledge, 'D2')
  assert.equal(levels.decide(caller('nowhere'), call).acknowledge, 'D0')
})
