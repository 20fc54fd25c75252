import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { IdentityError } from './errors.ts'
import { givenAuthority } from './testing/certificates.ts'
import { givenRequest, openRoom } from './testing/given.ts'
import type { Room } from './testing/given.ts'

const parts = {
  identities: [{ clientCertificates: 'services.pem' }],
  services: { billing: {}, 'orders.internal': {} },
}
const judge = async (room: Room, certificate: Uint8Array) => {
  const actor = await room.identity.identify(givenRequest({ certificate }, room.clock))
  return actor.type === 'service' ? actor.name : actor.credential.defects.join()
}
const openWithAuthority = async () => {
  let authority: Awaited<ReturnType<typeof givenAuthority>> | undefined
  const room = await openRoom(parts, async (folder) => {
    authority = await givenAuthority(folder, 'services')
  })
  assert.ok(authority !== undefined)
  // openssl stamps whole seconds, and took some.
  room.clock.moveMs(60_000)
  return { room, authority, [Symbol.asyncDispose]: () => room[Symbol.asyncDispose]() }
}

test('a certificate names a service by SPIFFE, else by DNS, else by CN', async () => {
  await using world = await openWithAuthority()
  const { room, authority } = world
  const expected: [Parameters<typeof authority.issue>[0], string][] = [
    [
      {
        subject: '/CN=other',
        san: 'URI:spiffe://prod.example/ns/pay/sa/billing,DNS:orders.internal',
      },
      'billing',
    ],
    [{ subject: '/CN=other', san: 'DNS:a.example,DNS:Orders.Internal' }, 'orders.internal'],
    [{ subject: '/O=x/CN=billing' }, 'billing'],
    [{ san: 'URI:spiffe://prod.example/undeclared' }, 'undeclared'],
    [{ san: 'URI:https://prod.example/x,DNS:plain' }, 'plain'],
  ]
  for (const [leaf, name] of expected)
    assert.equal(await judge(room, await authority.issue(leaf)), name)
})

test('hostile names are malformed, never another service', async () => {
  await using world = await openWithAuthority()
  const { room, authority } = world
  const hostile = [
    { subject: '/CN=other', san: 'URI:spiffe://a/billing,URI:spiffe://b/orders' },
    { subject: '/CN=other', san: 'URI:spiffe://a/billing,URI:https://b/' },
    { subject: '/CN=other', san: 'URI:spiffe://a/x/../billing' },
    { subject: '/CN=other', san: 'URI:spiffe://a/billing?x=1' },
    { subject: '/CN=other', san: 'URI:spiffe://a/' },
    { subject: '/CN=other', san: 'URI:SPIFFE://a/billing' },
    { subject: '/CN=other', san: 'DNS:*.billing' },
    // Names with a comma inside: to a reader of text they look like two.
    { subject: '/CN=other', san: '@names\n[names]\nDNS.1=x, DNS:billing' },
    { subject: '/CN=other', san: '@names\n[names]\nURI.1=x, URI:spiffe://a/billing' },
    { subject: '/CN=other', san: '@names\n[names]\notherName.1=1.2.3.4;UTF8:x, DNS:billing' },
    { subject: '/CN=billing/CN=other' },
    { subject: '/CN=bill ing' },
    { subject: '/CN=billing\nCN=x' },
    { subject: '/O=billing' },
  ]
  for (const leaf of hostile) {
    const verdict = await judge(room, await authority.issue(leaf))
    // An otherName is no name of ours: then the CN counts.
    assert.ok(['malformed', 'other'].includes(verdict), `${JSON.stringify(leaf)}: ${verdict}`)
  }
})

test('a certificate of another authority, an authority itself and bytes that are none prove nothing', async () => {
  await using world = await openWithAuthority()
  const { room, authority } = world
  const impostor = await givenAuthority(room.folder, 'impostor')
  const intermediate = await authority.issue({ subject: '/CN=billing', isAuthority: true })
  assert.equal(await judge(room, await impostor.issue({ subject: '/CN=billing' })), 'untrusted')
  assert.equal(await judge(room, intermediate), 'untrusted')
  assert.equal(await judge(room, new Uint8Array(40)), 'malformed')
  assert.equal(await judge(room, new Uint8Array(40_000)), 'malformed')
})

test('validity is judged by the time of the request; years of it are noted', async () => {
  await using world = await openWithAuthority()
  const { room, authority } = world
  const certificate = await authority.issue({ subject: '/CN=billing', days: 30 })
  const at = (ms: number) =>
    givenRequest(
      { certificate, occurredNs: room.clock.nowNs() + BigInt(ms) * 1_000_000n },
      room.clock,
    )
  const day = 86_400_000
  const verdicts = [29 * day, 31 * day, -day].map(
    async (ms) => (await room.identity.identify(at(ms))).credential.defects,
  )
  assert.deepEqual(await Promise.all(verdicts), [[], ['expired'], ['not_yet_valid']])
  const old = await authority.issue({ subject: '/CN=billing', days: 800 })
  const noted = await room.identity.identify(givenRequest({ certificate: old }, room.clock))
  assert.deepEqual([noted.type, noted.credential.defects], ['service', ['long_lived']])
})

test('authorities that can not be read stop the room from opening', async () => {
  const isUnreadable = (error: unknown) =>
    error instanceof IdentityError && error.code === 'IDENTITY_AUTHORITIES_UNREADABLE'
  await assert.rejects(openRoom(parts), isUnreadable)
  const empty = (folder: string) => writeFile(join(folder, 'services.pem'), 'no certificate')
  await assert.rejects(openRoom(parts, empty), isUnreadable)
})
