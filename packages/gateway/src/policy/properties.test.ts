import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Actor, Captured } from '@countersign/record/vocabulary'
import { metadataAddresses } from './address-class.ts'
import { compilePolicy } from './compile.ts'
import type { Policy } from './compile.ts'
import {
  givenActor,
  givenCall,
  givenConfig,
  givenRequest,
  noonNs,
  nobody,
  stranger,
} from './testing/given.ts'

const permissions = ['a.read', 'a.write', 'b.read'] as const
const grantee = fc.constantFrom('user:alice', 'group:ops', 'service:s', 'authenticated', 'anyone')
const until = fc.constantFrom('2026-11-21', '2026-11-22', '2026-11-23')
const grant = fc.record(
  {
    role: fc.constantFrom('r0', 'r1', 'r2'),
    to: fc.oneof(grantee, fc.array(grantee, { minLength: 1, maxLength: 3 })),
    until,
  },
  { requiredKeys: ['role', 'to'] },
)
const roles = fc.record({
  r0: fc.subarray([...permissions, 'a.*', '*']),
  r1: fc.subarray([...permissions, 'b.*']),
  r2: fc.subarray([...permissions]),
})
const path = fc.array(fc.constantFrom('x', 'y', '{id}', 'z'), { minLength: 1, maxLength: 3 })
const route = fc.record({
  match: fc
    .tuple(fc.constantFrom('GET', 'POST', '*'), path, fc.boolean())
    .map(([method, segments, rest]) => {
      const named = segments.map((segment, at) => (segment === '{id}' ? `{p${at}}` : segment))
      return `${method} /${named.join('/')}${rest ? '/{rest...}' : ''}`
    }),
  permission: fc.constantFrom(...permissions),
})
const shapeOf = ({ match }: { match: string }) => match.replaceAll(/\{p\d\}/g, '{}')
const routes = fc.uniqueArray(route, { selector: shapeOf, minLength: 1, maxLength: 6 })
const actor: fc.Arbitrary<Actor> = fc.constantFrom(
  nobody,
  stranger,
  givenActor(),
  givenActor({ name: 'bob', groups: ['ops'] }),
  givenActor({ type: 'service', name: 's' }),
)
const inbound: fc.Arbitrary<Captured> = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE'),
    path: fc
      .array(fc.constantFrom('x', 'y', 'z', 'w', '%78', '..', ''), { minLength: 1, maxLength: 4 })
      .map((segments) => `/${segments.join('/')}`),
    occurredNs: fc.constantFrom(noonNs, noonNs + 86_400_000_000_000n),
  })
  .map(givenRequest)

interface World {
  readonly roles: Record<string, string[]>
  readonly grants: unknown[]
  readonly routes: { match: string; permission: string; deny?: boolean }[]
}
const world: fc.Arbitrary<World> = fc.record({
  roles,
  grants: fc.array(grant, { maxLength: 4 }),
  routes,
})
const compile = (given: World): Policy =>
  compilePolicy(
    givenConfig({
      roles: given.roles,
      grants: given.grants,
      services: { s: { upstream: 'http://s', routes: given.routes } },
    }),
  )

test('explain and decide never differ, and explain says something', () => {
  fc.assert(
    fc.property(world, actor, inbound, (given, who, what) => {
      const policy = compile(given)
      const { decision, steps } = policy.explain(who, what)
      assert.deepEqual(decision, policy.decide(who, what))
      assert.ok(steps.length >= 2)
    }),
  )
})

test('a policy answers the same whatever it was asked before, also when the clock goes back over the end of a grant', () => {
  fc.assert(
    fc.property(world, fc.array(fc.tuple(actor, inbound), { maxLength: 12 }), (given, asked) => {
      const policy = compile(given)
      for (const [who, what] of asked)
        assert.deepEqual(policy.decide(who, what), compile(given).decide(who, what))
    }),
  )
})

test('adding a grant never removes access', () => {
  fc.assert(
    fc.property(
      world,
      fc.tuple(grant, fc.nat(4)),
      fc.tuple(actor, inbound),
      (given, [extra, at], [who, what]) => {
        fc.pre(compile(given).decide(who, what).allowed)
        const more = compile({ ...given, grants: given.grants.toSpliced(at, 0, extra) })
        assert.equal(more.decide(who, what).allowed, true)
      },
    ),
  )
})

test('adding a deny never adds access, and what it matches is denied to everybody', () => {
  fc.assert(
    fc.property(world, route, fc.tuple(actor, inbound), (given, extra, [who, what]) => {
      const before = compile(given).decide(who, what)
      const after = compile({
        ...given,
        routes: [...given.routes, { ...extra, deny: true }],
      }).decide(who, what)
      if (after.allowed) assert.equal(before.allowed, true)
      const alone = compile({ ...given, routes: [extra] }).decide(who, what)
      if (alone.routeMatch === 'declared') assert.equal(after.reason, 'denied_explicitly')
    }),
  )
})

test('expired grants give nothing', () => {
  fc.assert(
    fc.property(world, actor, inbound, (given, who, what) => {
      const expired = given.grants.map((one) => ({ ...Object(one), until: '2026-11-21' }))
      const decision = compile({ ...given, grants: expired }).decide(who, what)
      assert.deepEqual([decision.allowed, decision.roles], [false, []])
    }),
  )
})

const hex = (value: number) => value.toString(16)
const fullWidth = (text: string) =>
  text.replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit)))

/** Every way of writing an IPv4 address that some resolver understands. */
function spellings(address: string): string[] {
  const parts = address.split('.').map(Number)
  const [a = 0, b = 0, c = 0, d = 0] = parts
  const words = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`
  const inverse = `${hex((a * 256 + b) ^ 0xffff)}:${hex((c * 256 + d) ^ 0xffff)}`
  const number = ((a * 256 + b) * 256 + c) * 256 + d
  return [
    address,
    `${address}.`,
    String(number),
    `0x${hex(number)}`,
    `0${number.toString(8)}`,
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    parts.map((part) => `0x${hex(part)}`).join('.'),
    parts.map((part) => `0${part.toString(8)}`).join('.'),
    fullWidth(address),
    address.replaceAll('.', '。'),
    `::ffff:${address}`,
    `::ffff:${words}`,
    `::${address}`,
    `::${words}`,
    `64:ff9b::${words}`,
    `64:ff9b:1::${words}`,
    `2002:${words}::`,
    `2001:0:${words}::1`,
    `2001:0:808:808::${inverse}`,
    `0:0:0:0:0:FFFF:${words}`,
    `::ffff:0:${words}`,
    `::ffff:${address}%eth0`,
    `[::ffff:${address}]`,
  ]
}

test('no allow rule, mode or range opens the floor, however the address is written', () => {
  const forms = metadataAddresses.flatMap((address) =>
    address.includes(':')
      ? [address, address.toUpperCase(), address.replace('::', ':0:0:0:0:0:')]
      : spellings(address),
  )
  const host = fc.constantFrom(
    ...forms,
    'metadata.google.internal',
    'metadata.google.internal.',
    'metadata.goog',
  )
  const allow = fc.subarray([
    '*',
    '*.internal',
    'metadata.google.internal',
    '169.254.169.254',
    '[fd00:ec2::254]:80',
  ])
  const port = fc.constantFrom(80, 443)
  fc.assert(
    fc.property(
      host,
      fc.tuple(fc.constantFrom('open', 'report', 'enforce'), allow),
      port,
      (name, [mode, listed], at) => {
        const egress = { mode, allow: listed, allowPrivate: ['0.0.0.0/0', '::/0'] }
        const policy = compilePolicy(givenConfig({ services: { s: { egress } } }))
        const caller = givenActor({ type: 'service', name: 's' })
        const decision = policy.decide(caller, givenCall(name, { port: at }))
        assert.equal(decision.allowed, false, name)
        // And should the name stage ever be fooled: the same answer from a name server is refused as well.
        const fooled = { ...decision, allowed: true }
        const target = {
          host: 'a.test',
          port: at,
          addresses: [name],
          service: 's',
          own: () => false,
        }
        assert.equal(policy.decideAddresses(fooled, target).decision.allowed, false, name)
      },
    ),
    { numRuns: 1_000 },
  )
})
