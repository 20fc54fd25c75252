import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { Actor } from '@countersign/record/vocabulary'
import { givenRequest, openRoom } from './testing/given.ts'
import type { Room } from './testing/given.ts'
import { givenKeyPair, openProvider, openPuppet, sign } from './testing/issuers.ts'
import type { KeyPair, Puppet } from './testing/issuers.ts'

const trusting = (url: string, more: Record<string, unknown> = {}) => ({
  identities: [{ issuer: url, audience: 'orders', allowInsecureHttp: true, ...more }],
})
const bearer = (room: Room, token: string, offsetMs = 0): Promise<Actor> =>
  Promise.resolve(
    room.identity.identify(
      givenRequest(
        {
          authorization: `Bearer ${token}`,
          occurredNs: room.clock.nowNs() + BigInt(offsetMs) * 1_000_000n,
        },
        room.clock,
      ),
    ),
  )
const defectsOf = async (room: Room, token: string): Promise<readonly string[]> => {
  const actor = await bearer(room, token)
  assert.equal(actor.type, actor.credential.defects.includes('long_lived') ? 'user' : 'unknown')
  return actor.credential.defects
}
const nowSeconds = () => Math.floor(Date.now() / 1000)
const claimsFor = (puppet: Puppet, more: Record<string, unknown> = {}) => ({
  iss: puppet.url,
  aud: 'orders',
  sub: 'alice',
  iat: nowSeconds(),
  exp: nowSeconds() + 600,
  ...more,
})
const rsa: KeyPair = await givenKeyPair('RS256', 'one')
const ec: KeyPair = await givenKeyPair('ES256', 'two')

for (const alg of ['RS256', 'ES256']) {
  test(`a token of an independent provider, signed by ${alg}, names its client`, async () => {
    await using provider = await openProvider()
    await using room = await openRoom(trusting(provider.url, { type: 'service' }))
    const token = await provider.token(alg)
    const asked = provider.asked.length
    const actor = await bearer(room, token)
    assert.deepEqual([actor.type, actor.name, actor.credential.kind], ['service', 'billing', 'jwt'])
    assert.match(actor.id, /^[0-9a-f]{32}$/)
    assert.match(actor.credential.fingerprint ?? '', /^[0-9a-f]{32}$/)
    assert.deepEqual(
      [actor.credential.issuer, actor.credential.audience, actor.credential.defects],
      [provider.url, ['orders'], []],
    )
    // Verified once: afterwards the very same actor, at once, and keys were fetched a single time.
    const again = room.identity.identify(
      givenRequest({ authorization: `bearer ${token}` }, room.clock),
    )
    assert.equal(again, actor)
    assert.deepEqual(provider.asked.slice(asked), ['/.well-known/openid-configuration', '/jwks'])
    // The tail of every spelling: padded, or with other spare bits, or with its signature changed.
    assert.deepEqual(await defectsOf(room, `${token}=`), ['malformed'])
    const [head, body, signature = ''] = token.split('.')
    assert.deepEqual(await defectsOf(room, `${head}.${body}.${signature.slice(4)}AAAA`), [
      'bad_signature',
    ])
  })
}

test('a token is judged by the time of the request, with a minute of skew, also when it is cached', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  const token = await sign(ec, claimsFor(puppet, { nbf: nowSeconds() }))
  assert.equal((await bearer(room, token)).name, 'alice')
  assert.equal((await bearer(room, token, 650_000)).name, 'alice')
  const late = await bearer(room, token, 665_000)
  assert.deepEqual(
    [late.id, late.type, late.name, late.credential.defects],
    ['unknown', 'unknown', '', ['expired']],
  )
  assert.deepEqual((await bearer(room, token, -120_000)).credential.defects, ['not_yet_valid'])
})

test('one token has one spelling', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  const token = await sign(ec, claimsFor(puppet))
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  // 64 bytes of signature leave four spare bits in the last character.
  const other = alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1] ?? ''
  const spellings = [
    `${token}=`,
    `${token}==`,
    `${token.slice(0, -1)}${other}`,
    ` ${token}x`,
    token.replace('.', '=.'),
    `${token}.`,
    `.${token}`,
    token.replaceAll('.', '..'),
  ]
  for (const text of spellings) assert.deepEqual(await defectsOf(room, text), ['malformed'], text)
  assert.equal((await bearer(room, token)).name, 'alice')
})

test('alg none and an HMAC keyed with the public key are weak', async () => {
  await using puppet = await openPuppet([rsa.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const unsigned = (alg: string) => `${part({ alg, kid: 'one' })}.${part(claimsFor(puppet))}`
  assert.deepEqual(await defectsOf(room, `${unsigned('none')}.`), ['weak_alg'])
  assert.deepEqual(await defectsOf(room, `${unsigned('none')}.AAAA`), ['weak_alg'])
  const mac = createHmac('sha256', JSON.stringify(rsa.publicJwk))
    .update(unsigned('HS256'))
    .digest('base64url')
  assert.deepEqual(await defectsOf(room, `${unsigned('HS256')}.${mac}`), ['weak_alg'])
  assert.deepEqual(puppet.asked, [], 'nothing was fetched for them')
})

test('a signature by another key of the same name is bad', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  const impostor = await givenKeyPair('ES256', 'two')
  assert.deepEqual(await defectsOf(room, await sign(impostor, claimsFor(puppet))), [
    'bad_signature',
  ])
})

test('each thing that is wrong with the claims has its own defect', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  const expected: [Record<string, unknown>, string[]][] = [
    [{ iss: 'https://elsewhere.example' }, ['unknown_issuer']],
    [{ iss: `${puppet.url}/` }, ['unknown_issuer']],
    [{ aud: 'invoices' }, ['aud_mismatch']],
    [{ aud: undefined }, ['aud_mismatch', 'no_aud']],
    [{ exp: undefined }, ['malformed', 'no_exp']],
    [{ exp: 'soon' }, ['malformed']],
    [{ exp: nowSeconds() - 120 }, ['expired']],
    [{ sub: undefined }, ['malformed']],
    [{ sub: 'x'.repeat(257) }, ['malformed']],
    [{ groups: [1] }, ['malformed']],
    [{ groups: Array.from({ length: 257 }, (_, at) => `g${at}`) }, ['malformed']],
    [{ pad: 'x'.repeat(8_192) }, ['too_large']],
    [{ exp: nowSeconds() + 30 * 86_400 }, ['long_lived']],
  ]
  for (const [claims, defects] of expected) {
    assert.deepEqual(
      await defectsOf(room, await sign(ec, claimsFor(puppet, claims))),
      defects,
      JSON.stringify(defects),
    )
  }
})

test('headers by which a token would choose its own key are refused', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  for (const header of [
    { jku: `${puppet.url}/mine` },
    { jwk: ec.publicJwk },
    { x5u: puppet.url },
    { x5c: [] },
  ]) {
    assert.deepEqual(await defectsOf(room, await sign(ec, claimsFor(puppet), header)), [
      'malformed',
    ])
  }
  const critical = Buffer.from(
    JSON.stringify({ alg: 'ES256', crit: ['b64'], b64: false }),
  ).toString('base64url')
  assert.deepEqual(await defectsOf(room, `${critical}.e30.AAAA`), ['malformed'])
  assert.ok(!puppet.asked.includes('/mine'))
})

test('groups, mail and the way of signing in come from the claims', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(
    trusting(puppet.url, { nameClaim: 'email', groupsClaim: 'roles' }),
  )
  const claims = claimsFor(puppet, {
    email: 'a@example.com',
    roles: ['ops'],
    amr: ['pwd', 'mfa'],
    aud: ['x', 'orders'],
  })
  const actor = await bearer(room, await sign(ec, claims))
  assert.deepEqual(
    [actor.name, actor.email, actor.groups, actor.credential.mfa],
    ['a@example.com', 'a@example.com', ['ops'], true],
  )
})

test('a flood of unknown key ids causes one fetch in half a minute, and a new key is found after it', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  const fetches = () => puppet.asked.filter((path) => path === '/jwks').length
  const flood = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async (_, at) =>
        defectsOf(room, await sign(ec, claimsFor(puppet, { at }), { kid: `k${at}` })),
      ),
    )
  assert.deepEqual(new Set((await flood(50)).flat()), new Set(['unknown_key']))
  assert.equal(fetches(), 1)
  const rotated = await givenKeyPair('ES256', 'three')
  puppet.keys = [ec.publicJwk, rotated.publicJwk]
  let made = 0
  const token = () => sign(rotated, claimsFor(puppet, { at: made++ }))
  assert.deepEqual(await defectsOf(room, await token()), ['unknown_key'])
  room.clock.moveMs(30_000)
  // All of them wait for the one fetch.
  const actors = await Promise.all(
    [token(), token(), token()].map(async (one) => bearer(room, await one)),
  )
  assert.deepEqual(
    actors.map((actor) => actor.name),
    ['alice', 'alice', 'alice'],
  )
  assert.equal(fetches(), 2)
})

test('keys outlive a provider that is down, and a provider that was never up is keys_unavailable', async () => {
  const puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  assert.equal((await bearer(room, await sign(ec, claimsFor(puppet, { n: 1 })))).name, 'alice')
  await puppet[Symbol.asyncDispose]()
  const far = { exp: nowSeconds() + 200_000 }
  room.clock.moveMs(11 * 60_000)
  assert.equal(
    (await bearer(room, await sign(ec, claimsFor(puppet, { ...far, n: 2 })))).name,
    'alice',
  )
  room.clock.moveMs(86_400_000)
  assert.deepEqual(await defectsOf(room, await sign(ec, claimsFor(puppet, { ...far, n: 3 }))), [
    'keys_unavailable',
  ])
})

test('a key that is withdrawn takes with it what it verified', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url))
  const token = await sign(ec, claimsFor(puppet))
  assert.equal((await bearer(room, token)).name, 'alice')
  puppet.keys = [rsa.publicJwk]
  room.clock.moveMs(30_000)
  assert.equal((await bearer(room, await sign(rsa, claimsFor(puppet)))).name, 'alice')
  assert.deepEqual(await defectsOf(room, token), ['unknown_key'])
})

test('discovery follows no redirect, believes no other issuer, and reads no endless or foreign document', async () => {
  const path = '/.well-known/openid-configuration'
  const json = (document: unknown) => (puppet: Puppet) =>
    puppet.answers.set(path, (_request, response) => response.end(JSON.stringify(document)))
  const hostile: ((puppet: Puppet) => void)[] = [
    (puppet) =>
      puppet.answers.set(path, (_, response) =>
        response.writeHead(302, { location: '/jwks' }).end(),
      ),
    (puppet) => json({ issuer: 'https://other.example', jwks_uri: `${puppet.url}/jwks` })(puppet),
    (puppet) => json({ issuer: puppet.url, jwks_uri: 'http://198.51.100.1/jwks' })(puppet),
    (puppet) =>
      json({ issuer: puppet.url, jwks_uri: `${puppet.url}/jwks`, pad: 'x'.repeat(300_000) })(
        puppet,
      ),
    (puppet) => json({ issuer: puppet.url, jwks_uri: 'file:///etc/passwd' })(puppet),
    (puppet) => {
      puppet.keys = Array.from({ length: 65 }, () => ec.publicJwk)
    },
    (puppet) => {
      puppet.keys = [{ kty: 'oct', k: 'AAAA', kid: 'two', alg: 'HS256' }]
    },
  ]
  for (const [at, arrange] of hostile.entries()) {
    await using puppet = await openPuppet([ec.publicJwk])
    arrange(puppet)
    await using room = await openRoom(trusting(puppet.url))
    assert.deepEqual(
      await defectsOf(room, await sign(ec, claimsFor(puppet))),
      ['keys_unavailable'],
      String(at),
    )
  }
})

test('plain http is not fetched unless it was allowed', async () => {
  await using puppet = await openPuppet([ec.publicJwk])
  await using room = await openRoom(trusting(puppet.url, { allowInsecureHttp: false }))
  assert.deepEqual(await defectsOf(room, await sign(ec, claimsFor(puppet))), ['keys_unavailable'])
  assert.deepEqual(puppet.asked, [])
})
