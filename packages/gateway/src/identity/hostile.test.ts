import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createApiKey } from './api-key-file.ts'
import { givenRequest, openRoom } from './testing/given.ts'

const part = fc.oneof(
  fc.base64String().map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  fc.json().map((text) => Buffer.from(text).toString('base64url')),
  fc
    .record({ alg: fc.constantFrom('RS256', 'none', 'HS256', ''), kid: fc.string() })
    .map((header) => Buffer.from(JSON.stringify(header)).toString('base64url')),
  fc
    .record({
      iss: fc.constantFrom('https://login.example', 'x'),
      aud: fc.anything(),
      exp: fc.anything(),
    })
    .map((claims) => Buffer.from(JSON.stringify(claims) ?? '').toString('base64url')),
)
const token = fc.oneof(
  fc.string(),
  fc.tuple(part, part, part).map((parts) => parts.join('.')),
  fc.string({ minLength: 43, maxLength: 43 }).map((secret) => `csk_aaaaaaaa_${secret}`),
)
const scheme = fc.constantFrom('Bearer ', 'bearer  ', 'Basic ', 'Digest ', '', 'Bearer\t')

test('whatever is presented, identify answers, and what proves nothing makes nobody', async () => {
  await using room = await openRoom(
    {
      identities: [
        { keys: 'keys.yaml' },
        { issuer: 'https://login.example', audience: 'a', jwks: 'https://127.0.0.1:1/jwks' },
      ],
      services: { s: { egress: { credentials: 'keys.yaml' } } },
    },
    async (folder) => {
      await createApiKey(join(folder, 'keys.yaml'), { name: 'a', type: 'user' })
    },
  )
  const presented = fc.record(
    {
      authorization: fc.tuple(scheme, token).map((parts) => parts.join('')),
      proxyAuthorization: fc.tuple(scheme, token).map((parts) => parts.join('')),
      apiKey: token,
      address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(presented, fc.constantFrom('inbound', 'egress'), async (what, direction) => {
      const actor = await room.identity.identify(givenRequest({ ...what, direction }, room.clock))
      assert.ok(['anonymous', 'unknown'].includes(actor.type))
      assert.deepEqual([actor.name, actor.groups, actor.id], ['', [], actor.type])
      assert.equal(actor.type === 'unknown', actor.credential.defects.length > 0)
    }),
    { numRuns: 500 },
  )
})
