import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy } from './compile.ts'
import type { Policy } from './compile.ts'
import { PolicyError } from './errors.ts'
import { givenActor, givenConfig, givenRequest, noonNs, nobody, stranger } from './testing/given.ts'

const policy: Policy = compilePolicy(
  givenConfig({
    roles: { support: ['orders.read'], billing: ['orders.read', 'invoices.*'], root: ['*'] },
    grants: [
      { role: 'support', to: ['group:support', 'user:carol@example.com'] },
      { role: 'billing', to: 'service:billing', until: '2026-11-22' },
      { role: 'root', to: 'user:root' },
    ],
    services: {
      orders: {
        upstream: 'http://127.0.0.1:9001',
        hosts: ['orders.example.com'],
        routes: [
          {
            match: 'GET /orders/{id}',
            permission: 'orders.read',
            labels: ['pii'],
            record: 'headers',
          },
          { match: 'POST /orders/new', permission: 'orders.write', mode: 'bounded' },
          { match: 'GET /orders/latest', permission: 'orders.latest' },
          { match: 'GET /files/{rest...}', permission: 'files.read' },
          { match: 'GET /files/index', permission: 'files.index' },
          { match: '* /admin/{rest...}', deny: true },
          { match: 'GET /admin/health', public: true },
          { match: 'GET /health', public: true },
        ],
      },
      invoices: {
        upstream: 'http://127.0.0.1:9002',
        hosts: ['*.invoices.example.com', '*.eu.invoices.example.com'],
        routes: [{ match: 'GET /', permission: 'invoices.lines.read' }],
      },
      other: { upstream: 'http://127.0.0.1:9003', routes: [{ match: 'GET /', public: true }] },
    },
  }),
)
const support = givenActor({ groups: ['support'] })
const root = givenActor({ name: 'root' })
const billing = givenActor({ type: 'service', name: 'billing' })
const at = (method: string, path: string, host = 'orders.example.com') =>
  givenRequest({ method, path, host })

test('a grant to a group opens the route whose permission its role carries', () => {
  assert.deepEqual(policy.decide(support, at('GET', '/orders/17')), {
    allowed: true,
    rule: 'grants[0]: role support to group:support',
    reason: 'granted',
    explanation: 'role support carries orders.read',
    wouldDeny: false,
    policyHash: policy.hash,
    mode: 'strict',
    acknowledge: 'D0',
    depth: 'headers',
    labels: ['pii'],
    roles: ['support'],
    action: 'orders.read',
    service: 'orders',
    route: '/orders/{id}',
    routeMatch: 'declared',
  })
})

test('a rule that names a person keeps the name out of the record', () => {
  const carol = givenActor({ name: 'carol@example.com' })
  assert.equal(policy.decide(carol, at('GET', '/orders/1')).rule, 'grants[0]: role support to user')
})

test('no credential, a bad credential and no grant are three different refusals', () => {
  const request = at('GET', '/orders/17')
  const reasons = [nobody, stranger, givenActor()].map((actor) => policy.decide(actor, request))
  assert.deepEqual(
    reasons.map(({ allowed, reason, rule }) => [allowed, reason, rule]),
    ['no_credential', 'bad_credential', 'no_grant'].map((reason) => [
      false,
      reason,
      'services.orders.routes[0]: GET /orders/{id}',
    ]),
  )
})

test('a public route is open to nobody and to a stranger, and says so', () => {
  for (const actor of [nobody, stranger, support]) {
    const decision = policy.decide(actor, at('GET', '/health'))
    assert.deepEqual([decision.allowed, decision.reason], [true, 'public'])
    assert.equal(decision.rule, 'services.orders.routes[7]: GET /health')
  }
})

test('an explicit deny wins over a more specific public route and over every grant', () => {
  for (const path of [
    '/admin/health',
    '/admin/%68ealth',
    '/admin/',
    '/admin/x/y',
    '/admin;v=1/x',
    '/admin%3Bv/x',
  ]) {
    assert.equal(policy.decide(root, at('GET', path)).reason, 'denied_explicitly', path)
  }
})

test('literal segments beat parameters, and the rest comes last', () => {
  const routes = ['/orders/latest', '/orders/17', '/files/index', '/files/a/b', '/files/'].map(
    (path) => policy.decide(root, at('GET', path)).route,
  )
  assert.deepEqual(routes, [
    '/orders/latest',
    '/orders/{id}',
    '/files/index',
    '/files/{rest...}',
    '/files/{rest...}',
  ])
})

test('a literal that takes another method does not hide a parameter', () => {
  assert.equal(policy.decide(root, at('GET', '/orders/new')).route, '/orders/{id}')
  const created = policy.decide(root, at('POST', '/orders/new'))
  assert.deepEqual([created.route, created.mode], ['/orders/new', 'bounded'])
})

test('HEAD is matched by GET routes', () => {
  assert.equal(policy.decide(support, at('HEAD', '/orders/17')).allowed, true)
})

test('an undeclared path and an undeclared method are no route, and are told apart', () => {
  const undeclared = policy.decide(root, at('GET', '/nothing'))
  assert.deepEqual(
    [undeclared.reason, undeclared.routeMatch, undeclared.service],
    ['no_route', 'undeclared', 'orders'],
  )
  const mismatch = policy.decide(root, at('DELETE', '/orders/17'))
  assert.deepEqual([mismatch.reason, mismatch.routeMatch], ['no_route', 'mismatch'])
})

test('a trailing slash, an empty parameter and non-canonical paths match nothing', () => {
  const paths = [
    '/orders/',
    '/orders/17/',
    '/orders',
    '*',
    '',
    'orders/17',
    '/orders/..',
    '/orders/%2E%2E',
  ]
  for (const path of [
    ...paths,
    '/orders/a%2Fb',
    '/orders/a%5Cb',
    '/orders/a%00',
    `/orders/${'x/'.repeat(300)}`,
  ]) {
    assert.equal(policy.decide(root, at('GET', path)).reason, 'no_route', path)
  }
})

test('percent-encoded letters are the same path', () => {
  assert.equal(policy.decide(root, at('GET', '/%6Frders/latest')).route, '/orders/latest')
  assert.equal(policy.decide(root, at('GET', '/orders/%FF')).route, '/orders/{id}')
})

test('a host name belongs to the services that name it, then to the longest suffix, then to those without hosts', () => {
  const hosts = [
    'orders.example.com.',
    'a.invoices.example.com',
    'a.eu.invoices.example.com',
    'invoices.example.com',
  ]
  const services = hosts.map((host) => policy.decide(root, at('GET', '/', host)).service)
  assert.deepEqual(services, ['orders', 'invoices', 'invoices', 'other'])
})

test('an unknown host is no service when every service names its hosts', () => {
  const named = compilePolicy(
    givenConfig({
      services: {
        a: { upstream: 'http://a', hosts: ['a.test'], routes: [{ match: 'GET /', public: true }] },
      },
    }),
  )
  const decision = named.decide(nobody, at('GET', '/', 'b.test'))
  assert.deepEqual(
    [decision.allowed, decision.reason, decision.service],
    [false, 'no_service', undefined],
  )
})

const onInvoices = (occurredNs: bigint) =>
  givenRequest({ path: '/', host: 'a.invoices.example.com', occurredNs })

test('an end date is the last day on which a grant holds', () => {
  const midnightNs = noonNs + 12n * 3_600_000_000_000n
  assert.equal(policy.decide(billing, onInvoices(midnightNs - 1n)).reason, 'granted')
  const after = policy.decide(billing, onInvoices(midnightNs))
  assert.deepEqual([after.reason, after.roles], ['no_grant', []])
})

const granted = (to: string) =>
  compilePolicy(
    givenConfig({
      roles: { reader: ['x.read'] },
      grants: [{ role: 'reader', to }],
      services: {
        x: { upstream: 'http://x', routes: [{ match: 'GET /', permission: 'x.read' }] },
      },
    }),
  )

const verdicts = (to: string) =>
  [nobody, stranger, billing].map((actor) => granted(to).decide(actor, at('GET', '/')).allowed)

test('a grant to anyone covers nobody and strangers; authenticated covers neither', () => {
  assert.deepEqual(verdicts('anyone'), [true, true, true])
  assert.deepEqual(verdicts('authenticated'), [false, false, true])
  assert.deepEqual(verdicts('user:billing'), [false, false, false])
})

test('two routes for the same requests are refused, whatever their parameters are called', () => {
  const services = {
    a: { upstream: 'http://a', routes: [{ match: 'GET /x/{id}', public: true }] },
    b: { upstream: 'http://b', routes: [{ match: 'POST,GET /x/{name}', public: true }] },
  }
  assert.throws(
    () => compilePolicy(givenConfig({ services })),
    (error) => error instanceof PolicyError && error.code === 'POLICY_ROUTE_AMBIGUOUS',
  )
})

const hashOf = (parts: Record<string, unknown>) => compilePolicy(givenConfig(parts)).hash

test('the hash changes with what decides, and with nothing else', () => {
  assert.match(hashOf({}), /^[0-9a-f]{64}$/)
  assert.equal(hashOf({}), hashOf({ origin: 'elsewhere' }))
  assert.equal(hashOf({ roles: { a: ['x'], b: ['y'] } }), hashOf({ roles: { b: ['y'], a: ['x'] } }))
  assert.notEqual(hashOf({}), hashOf({ roles: { a: ['x'] } }))
})

test('a route says how safe its record must be, and whatever has no route asks for no more than durable', () => {
  const levels = compilePolicy(
    givenConfig({
      witnesses: { policy: 'w.policy' },
      services: {
        orders: {
          upstream: 'http://127.0.0.1:9001',
          routes: [
            { match: 'GET /a', public: true, acknowledge: 'D2' },
            { match: 'GET /b', public: true, acknowledge: 'D1' },
            { match: 'GET /c', public: true },
          ],
        },
      },
    }),
  )
  const asked = ['/a', '/b', '/c', '/d'].map(
    (path) => levels.decide(nobody, at('GET', path)).acknowledge,
  )
  assert.deepEqual(asked, ['D2', 'D1', 'D0', 'D0'])
})
