import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReadAccess } from '@countersign/record/reading'
import type { Actor, Decision } from '@countersign/record/vocabulary'
import fc from 'fast-check'
import { compileReading } from './reading.ts'
import type { Reading, ReadRoute } from './reading.ts'
import { givenActor, givenConfig, givenRequest, nobody, noonNs, stranger } from './testing/given.ts'

const routes: readonly ReadRoute[] = [
  { method: 'GET', template: '/', action: 'log.page', crud: 'read' },
  { method: 'GET', template: '/openapi.json', action: 'log.openapi', crud: 'read' },
  { method: 'GET', template: '/v1/search', action: 'log.search', crud: 'read' },
  { method: 'POST', template: '/v1/search', action: 'log.search', crud: 'read' },
  { method: 'POST', template: '/v1/unmaskings', action: 'log.unmask', crud: 'create' },
  { method: 'GET', template: '/v1/logs/{n}/tile/{rest...}', action: 'log.tile', crud: 'read' },
]
const services = {
  orders: { owner: { team: 'shop' } },
  basket: { owner: { team: 'shop' } },
  billing: { owner: { team: 'money' } },
  batch: {},
}
interface Access {
  readonly role: string
  readonly to: string | readonly string[]
  readonly services?: readonly string[]
  readonly until?: string | undefined
}

function reading(access: readonly Access[], more: Record<string, unknown> = {}): Reading {
  return compileReading(givenConfig({ services, reader: { access, ...more } }), routes)
}

const operator = givenActor({
  name: 'operator:root',
  credential: { kind: 'operator_key', defects: [] },
})
const anna = givenActor({ name: 'anna', groups: ['audit', 'shop'] })

/** What is asked for, and as what. */
interface Asked {
  readonly path?: string
  readonly role?: string
}

function decided(of: Reading, actor: Actor, { path = '/v1/search', role }: Asked = {}): Decision {
  const captured = givenRequest({ path })
  const headers = role === undefined ? [] : [['countersign-role', role] as const]
  return of.decide(actor, { ...captured, request: { ...captured.request, headers } })
}

test('each role has its scope and its condition for sealed content', () => {
  const of = reading([
    { role: 'viewer', to: 'user:anna', services: ['orders', 'batch'] },
    { role: 'owner', to: 'authenticated' },
    { role: 'auditor', to: 'group:audit' },
    { role: 'investigator', to: ['user:anna', 'group:audit'] },
    { role: 'subject', to: 'authenticated' },
  ])
  const expected: ReadAccess[] = [
    {
      role: 'viewer',
      rule: 'reader.access[0]: role viewer to user',
      unmask: 'never',
      scope: { kind: 'services', services: ['batch', 'orders'] },
    },
    {
      role: 'owner',
      rule: 'reader.access[1]: role owner to authenticated',
      unmask: 'with_purpose',
      scope: { kind: 'services', services: ['basket', 'orders'] },
    },
    {
      role: 'auditor',
      rule: 'reader.access[2]: role auditor to group:audit',
      unmask: 'with_purpose',
      scope: { kind: 'all' },
    },
    {
      role: 'investigator',
      rule: 'reader.access[3]: role investigator to user',
      unmask: 'with_approval',
      scope: { kind: 'all' },
    },
    {
      role: 'subject',
      rule: 'reader.access[4]: role subject to authenticated',
      unmask: 'always',
      scope: { kind: 'self', actor: anna.id },
    },
  ]
  assert.deepEqual(of.accesses(anna, noonNs), expected)
  const decision = decided(of, anna)
  assert.deepEqual(
    [decision.allowed, decision.reason, decision.mode, decision.depth, decision.rule],
    [true, 'granted', 'strict', 'meta', 'reader.access[2]: role auditor to group:audit'],
  )
  assert.deepEqual(decision.roles, ['auditor', 'investigator', 'owner', 'subject', 'viewer'])
  assert.deepEqual([decision.action, decision.route], ['log.search', '/v1/search'])
  assert.equal(decision.policyHash, of.hash)
  assert.deepEqual(of.kindOf(decision), { class: 'read', crud: 'read' })
})

test('who owns nothing, or whose time is over, is refused and not shown an empty log', () => {
  const of = reading([
    { role: 'owner', to: 'authenticated' },
    { role: 'auditor', to: 'user:alice', until: '2026-11-21' },
  ])
  const decision = decided(of, givenActor({ groups: ['press'] }))
  assert.deepEqual([decision.allowed, decision.reason, decision.roles], [false, 'no_grant', []])
  const dayNs = 86_400_000_000_000n
  // The last day counts to its end.
  assert.equal(of.accesses(givenActor(), noonNs - dayNs / 2n).length, 0)
  assert.equal(of.accesses(givenActor(), noonNs - dayNs / 2n - 1n).length, 1)
})

test('who asks to read as something else than granted is refused, and a role that is none is left to the API', () => {
  const of = reading([
    { role: 'viewer', to: 'user:alice', services: ['orders'] },
    { role: 'subject', to: 'authenticated' },
  ])
  const alice = givenActor()
  const refused = decided(of, alice, { role: 'auditor' })
  assert.deepEqual([refused.allowed, refused.reason], [false, 'no_grant'])
  assert.match(refused.explanation, /as asked; it may as subject, viewer$/)
  assert.equal(decided(of, alice, { role: 'subject' }).rule.slice(0, 16), 'reader.access[1]')
  assert.equal(decided(of, alice).rule.slice(0, 16), 'reader.access[0]')
  assert.equal(decided(of, alice, { role: 'root' }).allowed, true)
})

test('the operator reads as configured, by the credential and not by the name', () => {
  const alike = givenActor({
    name: 'operator',
    groups: ['operator'],
    credential: { kind: 'api_key', defects: [] },
  })
  const twin = givenActor({ ...alike, name: 'operator:root' })
  for (const [role, expected] of [
    [undefined, ['auditor', 'with_purpose']],
    ['investigator', ['investigator', 'with_approval']],
    ['viewer', ['viewer', 'never']],
    ['none', undefined],
  ] as const) {
    const of = reading([], role === undefined ? {} : { operator: role })
    const [access] = of.accesses(operator, noonNs)
    const found = access === undefined ? undefined : [access.role, access.unmask]
    assert.deepEqual(found, expected)
    assert.equal(decided(of, operator).allowed, expected !== undefined)
    if (access !== undefined)
      assert.deepEqual([access.rule, access.scope.kind], [`reader.operator: ${access.role}`, 'all'])
    for (const other of [alike, twin]) assert.deepEqual(of.accesses(other, noonNs), [])
  }
})

test('a request that is refused says why', () => {
  const of = reading([{ role: 'auditor', to: 'group:audit' }])
  const cases: readonly [Actor, string, Decision['reason']][] = [
    [nobody, '/v1/search', 'no_credential'],
    [stranger, '/v1/search', 'bad_credential'],
    [givenActor(), '/v1/search', 'no_grant'],
    [anna, '/v1/serach', 'no_route'],
    [anna, '/v1/search/', 'no_route'],
    [anna, '/v1/unmaskings', 'no_route'],
  ]
  for (const [actor, path, reason] of cases) {
    const decision = decided(of, actor, { path })
    assert.deepEqual([decision.allowed, decision.reason], [false, reason])
    assert.equal(decision.mode, 'strict')
    if (reason !== 'no_route') continue
    assert.equal(decision.action, 'log.request')
    assert.deepEqual(of.kindOf(decision), { class: 'read' })
  }
  assert.equal(decided(of, anna, { path: '/v1/unmaskings' }).routeMatch, 'mismatch')
  assert.equal(decided(of, anna, { path: '/v1/logs/0/tile/entries/000' }).action, 'log.tile')
})

test('the explanation is the decision, with what was looked at', () => {
  const of = reading([{ role: 'auditor', to: 'group:audit' }])
  const { decision, steps } = of.explain(anna, givenRequest({ path: '/v1/search' }))
  assert.deepEqual(decision, decided(of, anna))
  assert.deepEqual(
    steps.map(({ at, outcome }) => `${at} ${outcome}`),
    [
      'reader.access[0]: role auditor to group:audit auditor, all',
      'the API matches /v1/search: log.search',
      'reader.access[0]: role auditor to group:audit read as auditor',
    ],
  )
})

test('the hash is of all that the answers depend on, and of nothing else', () => {
  const before = reading([{ role: 'auditor', to: 'group:audit' }])
  assert.equal(reading([{ role: 'auditor', to: 'group:audit' }]).hash, before.hash)
  assert.notEqual(reading([{ role: 'owner', to: 'group:audit' }]).hash, before.hash)
  assert.notEqual(
    reading([{ role: 'auditor', to: 'group:audit' }], { operator: 'none' }).hash,
    before.hash,
  )
  const limited = reading([{ role: 'auditor', to: 'group:audit' }], { limits: { rowsMax: 1 } })
  assert.equal(limited.hash, before.hash)
})

test('an API that offers one thing twice is refused', () => {
  const twice: ReadRoute[] = [
    ...routes,
    { method: 'GET', template: '/v1/search', action: 'log.other', crud: 'read' },
  ]
  assert.throws(() => compileReading(givenConfig(), twice), { code: 'POLICY_TEMPLATE_INVALID' })
  const broken: ReadRoute[] = [{ method: 'GET', template: 'v1', action: 'log.x', crud: 'read' }]
  assert.throws(() => compileReading(givenConfig(), broken), { code: 'POLICY_TEMPLATE_INVALID' })
})

const names = ['alice', 'anna', 'orders'] as const
const groups = ['audit', 'shop', 'money'] as const
const grantee = fc.oneof(
  fc.constantFrom(...names).map((name) => `user:${name}`),
  fc.constantFrom(...names).map((name) => `service:${name}`),
  fc.constantFrom(...groups).map((group) => `group:${group}`),
  fc.constant('authenticated'),
)
const until = fc.option(fc.constantFrom('2026-11-21', '2026-11-22', '2026-12-31'), {
  nil: undefined,
})
const entry: fc.Arbitrary<Access> = fc
  .tuple(
    fc.constantFrom('viewer', 'owner', 'auditor', 'investigator', 'subject'),
    fc.array(grantee, { minLength: 1, maxLength: 3 }),
    fc.subarray(Object.keys(services), { minLength: 1 }),
    until,
  )
  .map(([role, to, some, end]) => ({
    role,
    to,
    ...(role === 'viewer' ? { services: some } : {}),
    ...(end === undefined ? {} : { until: end }),
  }))
const actor: fc.Arbitrary<Actor> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('user', 'service', 'agent'),
      fc.constantFrom(...names),
      fc.subarray([...groups]),
    )
    .map(([type, name, some]) => givenActor({ type, name, groups: some })),
  fc.constantFrom(nobody, stranger),
)
const path = fc.constantFrom('/', '/openapi.json', '/v1/search', '/v1/unmaskings', '/v1/nothing')

test('nobody without an entry of the file reads anything but what is public', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), actor, path, (access, who, where) => {
      const of = reading(access)
      const decision = decided(of, who, { path: where })
      const isPublic = where === '/' || where === '/openapi.json'
      const isKnown = who.type !== 'anonymous' && who.type !== 'unknown'
      const named = access.some(({ to }) =>
        [to].flat().some((one) => {
          const grants = [
            'authenticated',
            `${who.type}:${who.name}`,
            ...who.groups.map((name) => `group:${name}`),
          ]
          return isKnown && grants.includes(one)
        }),
      )
      if (isPublic) assert.deepEqual([decision.allowed, decision.reason], [true, 'public'])
      else if (decision.allowed) assert.ok(named && of.accesses(who, noonNs).length > 0)
      if (!isKnown) assert.deepEqual(of.accesses(who, noonNs), [])
    }),
  )
})

test('one more entry, grantee, service or day narrows nobody', () => {
  const seen = ({ scope, role }: ReadAccess): string[] =>
    scope.kind === 'services' ? scope.services.map((name) => `${role} ${name}`) : [`${role} *`]
  fc.assert(
    fc.property(
      fc.record({ access: fc.array(entry, { maxLength: 3 }), at: fc.nat(2) }),
      fc.record({ entry, to: grantee, service: fc.constantFrom(...Object.keys(services)) }),
      actor,
      ({ access, at }, more, who) => {
        const wider = access.map((one, nth) =>
          nth !== at
            ? { ...one, until: undefined }
            : {
                ...one,
                until: undefined,
                to: [one.to, more.to].flat(),
                ...(one.role === 'viewer'
                  ? { services: [...(one.services ?? []), more.service] }
                  : {}),
              },
        )
        const before = reading(access).accesses(who, noonNs).flatMap(seen)
        const after = new Set(
          reading([...wider, more.entry])
            .accesses(who, noonNs)
            .flatMap(seen),
        )
        for (const one of before) assert.ok(after.has(one), one)
        assert.ok(!decided(reading(access), who).allowed || decided(reading(wider), who).allowed)
      },
    ),
  )
})

test('an entry whose time is over grants nothing, as if it were not there', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), actor, (access, who) => {
      const inForce = access.filter(({ until: end }) => end === undefined || end >= '2026-11-22')
      const without = ({ role, scope, unmask }: ReadAccess): object => ({ role, scope, unmask })
      assert.deepEqual(
        reading(access).accesses(who, noonNs).map(without),
        reading(inForce).accesses(who, noonNs).map(without),
      )
    }),
  )
})
