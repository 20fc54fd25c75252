import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Actor } from '@countersign/record/vocabulary'
import { createApiKey } from './api-key-file.ts'
import { forgetSubject, openSubjects } from './subjects.ts'
import { givenAuthority } from './testing/certificates.ts'
import { givenFolder, givenRequest, openRoom } from './testing/given.ts'
import type { Presenting } from './testing/given.ts'
import { givenKeyPair, openPuppet, sign } from './testing/issuers.ts'

test('who was forgotten comes back as somebody new, by whatever proof, and all others stay who they are', async () => {
  const pair = await givenKeyPair('ES256', 'one')
  await using issuer = await openPuppet([pair.publicJwk])
  const made: string[] = []
  let certificate = new Uint8Array()
  await using room = await openRoom(
    {
      identities: [
        { issuer: issuer.url, audience: 'orders', algorithms: ['ES256'], allowInsecureHttp: true },
        { clientCertificates: 'ca.pem' },
        { keys: 'keys.yaml' },
      ],
      services: {
        orders: { egress: { credentials: 'orders.yaml', sourceAddresses: ['10.0.0.0/8'] } },
      },
    },
    async (folder) => {
      for (const [file, name] of [
        ['keys', 'alice'],
        ['keys', 'bob'],
        ['orders', 'orders'],
      ] as const)
        made.push((await createApiKey(join(folder, `${file}.yaml`), { name, type: 'user' })).key)
      const authority = await givenAuthority(folder, 'ca')
      certificate = new Uint8Array(await authority.issue({ subject: '/CN=payments' }))
    },
  )
  room.clock.moveMs(60_000)
  const [alice = '', bob = '', orders = ''] = made
  const seconds = Number(room.clock.nowNs() / 1_000_000_000n)
  const token = await sign(pair, {
    iss: issuer.url,
    aud: 'orders',
    sub: 'carol',
    iat: seconds,
    exp: seconds + 600,
  })
  const presented: Presenting[] = [
    { apiKey: alice },
    { authorization: `Bearer ${token}` },
    { certificate },
    { direction: 'egress', proxyAuthorization: `Bearer ${orders}` },
    { direction: 'egress', address: '10.1.2.3' },
    { apiKey: bob },
  ]
  const everybody = async (): Promise<Actor[]> =>
    Promise.all(presented.map(async (one) => room.identity.identify(givenRequest(one, room.clock))))
  const before = await everybody()
  assert.ok(before.every(({ id }) => /^[0-9a-f]{32}$/.test(id)))
  assert.deepEqual(await everybody(), before)
  const stateDir = join(room.folder, 'state')
  for (const { id } of before.slice(0, 5)) await forgetSubject({ stateDir, pseudonym: id })
  await nextTurn()
  const after = await everybody()
  for (const [at, { id, name }] of after.slice(0, 5).entries()) {
    assert.notEqual(id, before[at]?.id, name)
    assert.equal(name, before[at]?.name)
  }
  assert.deepEqual(after[5], before[5])
  assert.deepEqual(await everybody(), after)
})

test('a name that was forgotten is in no file of the store any more, and forgetting twice is as forgetting once', async () => {
  await using folder = await givenFolder()
  const subjects = await openSubjects(folder.path)
  const name = JSON.stringify(['user', '', 'somebody-to-forget'])
  const pseudonym = subjects.pseudonym(name)
  for (let n = 0; n < 40; n++) subjects.pseudonym(`other ${n}`)
  const holds = (): string[] =>
    readdirSync(folder.path).filter((file) =>
      readFileSync(join(folder.path, file)).includes('somebody-to-forget'),
    )
  assert.ok(holds().length > 0)
  assert.equal(subjects.forgotten(), false)
  await forgetSubject({ stateDir: folder.path, pseudonym })
  await forgetSubject({ stateDir: folder.path, pseudonym })
  assert.deepEqual(holds(), [])
  await nextTurn()
  assert.equal(subjects.forgotten(), true)
  assert.equal(subjects.forgotten(), false)
  assert.notEqual(subjects.pseudonym(name), pseudonym)
  subjects.close()
})
