import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Actor } from '@countersign/record/vocabulary'
import { createApiKey } from './api-key-file.ts'
import { IdentityError } from './errors.ts'
import { Lru } from '../platform.ts'
import { openSubjects } from './subjects.ts'
import { givenAuthority } from './testing/certificates.ts'
import { givenFolder, givenRequest, openRoom } from './testing/given.ts'
import type { Presenting, Room } from './testing/given.ts'

const parts = {
  identities: [{ clientCertificates: 'ca.pem' }, { keys: 'keys.yaml' }],
  services: {
    orders: { egress: { credentials: 'orders.yaml', sourceAddresses: ['10.0.0.0/8', 'fd00::1'] } },
    billing: { egress: { credentials: 'billing.yaml', sourceAddresses: ['10.1.0.0/16'] } },
  },
}
interface World extends AsyncDisposable {
  readonly room: Room
  readonly keys: Readonly<Record<'user' | 'orders' | 'billing', string>>
  readonly certificate: Uint8Array
  readonly foreign: Uint8Array
}
async function openWorld(): Promise<World> {
  const made: string[] = []
  let certificates: Uint8Array[] = []
  const room = await openRoom(parts, async (folder) => {
    for (const name of ['keys', 'orders', 'billing']) {
      made.push((await createApiKey(join(folder, `${name}.yaml`), { name: 'x', type: 'user' })).key)
    }
    const [ca, other] = [await givenAuthority(folder, 'ca'), await givenAuthority(folder, 'other')]
    certificates = [
      await ca.issue({ subject: '/CN=orders' }),
      await other.issue({ subject: '/CN=orders' }),
    ]
  })
  const [user = '', orders = '', billing = ''] = made
  const [certificate = new Uint8Array(), foreign = new Uint8Array()] = certificates
  // openssl stamps whole seconds, and took some.
  room.clock.moveMs(60_000)
  const keys = { user, orders, billing }
  return {
    room,
    keys,
    certificate,
    foreign,
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  }
}
const basic = (user: string, password: string) => `Basic ${btoa(`${user}:${password}`)}`
const summary = (actor: Actor) =>
  [actor.type, actor.name, actor.credential.kind, actor.credential.defects.join()].join(' ')

test('out: certificate, then proxy credential, then source address; what is bad is never rescued', async () => {
  await using world = await openWorld()
  const { room, keys, certificate, foreign } = world
  const caller = async (presenting: Presenting) =>
    summary(
      await room.identity.identify(
        givenRequest({ direction: 'egress', ...presenting }, room.clock),
      ),
    )
  const inside = { address: '10.9.9.9' }
  const proxy = (proxyAuthorization: string) => ({ ...inside, proxyAuthorization })

  assert.equal(await caller({}), 'anonymous  none ')
  assert.equal(await caller(inside), 'service orders source_address ')
  assert.equal(await caller({ address: '::ffff:10.1.2.3' }), 'service billing source_address ')
  assert.equal(await caller({ address: 'fd00::1' }), 'service orders source_address ')
  assert.equal(
    await caller(proxy(basic('billing', keys.billing))),
    'service billing proxy_credential no_exp',
  )
  assert.equal(
    await caller(proxy(`Bearer ${keys.billing}`)),
    'service billing proxy_credential no_exp',
  )
  assert.equal(
    await caller({ ...proxy(basic('billing', keys.billing)), certificate }),
    'service orders client_certificate ',
  )

  assert.equal(
    await caller(proxy(basic('orders', keys.billing))),
    'unknown  proxy_credential malformed',
  )
  assert.equal(await caller(proxy(basic('orders', 'guess'))), 'unknown  proxy_credential malformed')
  assert.equal(await caller(proxy(basic('x', keys.user))), 'unknown  proxy_credential unknown_key')
  for (const header of [
    '',
    'Basic',
    'Basic !!!',
    `Negotiate ${keys.billing}`,
    `Basic ${btoa(keys.billing)}`,
  ]) {
    assert.equal(await caller(proxy(header)), 'unknown  proxy_credential malformed', header)
  }
  assert.equal(
    await caller({ ...proxy(basic('billing', keys.billing)), certificate: foreign }),
    'unknown  client_certificate untrusted',
  )
  // What is meant for the destination is nothing to us.
  assert.equal(
    await caller({ ...inside, authorization: `Bearer ${keys.user}` }),
    'service orders source_address ',
  )
})

test('in: certificate, then Authorization, then X-API-Key; addresses and proxy credentials prove nothing', async () => {
  await using world = await openWorld()
  const { room, keys, certificate, foreign } = world
  const actor = async (presenting: Presenting) =>
    summary(await room.identity.identify(givenRequest(presenting, room.clock)))
  assert.equal(
    await actor({ address: '10.0.0.1', proxyAuthorization: `Bearer ${keys.orders}` }),
    'anonymous  none ',
  )
  assert.equal(await actor({ apiKey: keys.user }), 'user x api_key no_exp')
  assert.equal(
    await actor({ apiKey: keys.user, certificate }),
    'service orders client_certificate ',
  )
  assert.equal(
    await actor({ apiKey: keys.user, certificate: foreign }),
    'unknown  client_certificate untrusted',
  )
  assert.equal(
    await actor({ apiKey: keys.user, authorization: 'Bearer x.y.z' }),
    'unknown  jwt malformed',
  )
  assert.equal(
    await actor({ apiKey: keys.user, authorization: basic('x', keys.user) }),
    'unknown  jwt malformed',
  )
  assert.equal(
    await actor({ authorization: `Bearer ${keys.orders}` }),
    'unknown  api_key unknown_key',
  )
})

test('a subject has one pseudonym, by whatever proof and after a restart; two subjects have two', async () => {
  await using world = await openWorld()
  const { room, keys, certificate } = world
  const idOf = async (presenting: Presenting) =>
    (await room.identity.identify(givenRequest({ direction: 'egress', ...presenting }, room.clock)))
      .id
  const ids = [
    await idOf({ certificate }),
    await idOf({ proxyAuthorization: `Bearer ${keys.orders}` }),
    await idOf({ address: '10.0.0.1' }),
  ]
  assert.equal(new Set(ids).size, 1)
  assert.notEqual(await idOf({ address: '10.1.0.1' }), ids[0])
  // A second worker on the same folder reads the same names.
  const subjects = await openSubjects(join(room.folder, 'state'))
  assert.equal(subjects.pseudonym(JSON.stringify(['service', '', 'orders'])), ids[0])
  subjects.close()
})

test('pseudonyms that can not be kept are an operating error', async () => {
  await using folder = await givenFolder()
  const isUnavailable = (error: unknown) =>
    error instanceof IdentityError && error.code === 'IDENTITY_SUBJECTS_UNAVAILABLE'
  await mkdir(join(folder.path, 'subjects.db'))
  await assert.rejects(openSubjects(folder.path), isUnavailable)
  const subjects = await openSubjects(join(folder.path, 'state'))
  assert.equal(subjects.pseudonym('a'), subjects.pseudonym('a'))
  subjects.close()
  assert.throws(() => subjects.pseudonym('b'), isUnavailable)
})

test('what was used least recently is forgotten first', () => {
  const lru = new Lru<string, number>(2)
  lru.set('a', 1)
  lru.set('b', 2)
  assert.equal(lru.get('a'), 1)
  lru.set('c', 3)
  assert.deepEqual([lru.get('a'), lru.get('b'), lru.get('c'), lru.size], [1, undefined, 3, 2])
})
