import assert from 'node:assert/strict'
import { chmod, open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Actor } from '@countersign/record/vocabulary'
import { createApiKey, listApiKeys, revokeApiKey } from './api-key-file.ts'
import { IdentityError } from './errors.ts'
import { givenClock, givenFolder, givenLoaded, givenRequest, openRoom } from './testing/given.ts'
import type { Room } from './testing/given.ts'

const withKeys = { identities: [{ keys: 'keys.yaml' }] }
const code = (expected: string) => (error: unknown) =>
  error instanceof IdentityError && error.code === expected
async function present(room: Room, key: string): Promise<Actor> {
  const byHeader = await room.identity.identify(givenRequest({ apiKey: key }, room.clock))
  const byBearer = await room.identity.identify(
    givenRequest({ authorization: `Bearer ${key}` }, room.clock),
  )
  if (key.startsWith('csk_')) assert.deepEqual(byBearer, byHeader)
  return byHeader
}

test('a key is shown once, kept as a hash, and names its actor', async () => {
  let key = ''
  await using room = await openRoom(withKeys, async (folder) => {
    const made = await createApiKey(join(folder, 'keys.yaml'), {
      name: 'bob',
      type: 'user',
      groups: ['support'],
    })
    key = made.key
    assert.match(key, new RegExp(`^csk_${made.id}_[A-Za-z0-9_-]{43}$`))
  })
  const file = join(room.folder, 'keys.yaml')
  const text = await readFile(file, 'utf8')
  assert.ok(!text.includes(key.slice(13)), 'the secret is not at rest')
  assert.equal((await stat(file)).mode & 0o777, 0o600)

  const actor = await present(room, key)
  assert.deepEqual(
    [actor.type, actor.name, actor.groups, actor.credential.kind],
    ['user', 'bob', ['support'], 'api_key'],
  )
  assert.deepEqual(actor.credential.defects, ['no_exp'])
  assert.ok(!JSON.stringify(actor).includes(key.slice(13)))
  assert.equal(await present(room, key), actor)
})

test('a wrong secret, an unknown id and a wrong form are told apart, and prove nothing', async () => {
  let key = ''
  await using room = await openRoom(withKeys, async (folder) => {
    ;({ key } = await createApiKey(join(folder, 'keys.yaml'), { name: 'bob', type: 'user' }))
  })
  const flipped = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`
  const tries: [string, string][] = [
    [flipped, 'bad_signature'],
    [`csk_aaaaaaaa_${key.slice(13)}`, 'unknown_key'],
    [`${key}=`, 'malformed'],
    [key.slice(0, -1), 'malformed'],
    [key.toUpperCase(), 'malformed'],
    ['', 'malformed'],
  ]
  for (const [text, defect] of tries) {
    const actor = await present(room, text)
    assert.deepEqual(
      [actor.id, actor.type, actor.credential.defects],
      ['unknown', 'unknown', [defect]],
      text,
    )
    assert.match(actor.credential.fingerprint ?? '', /^[0-9a-f]{32}$/)
  }
})

test('a revoked key is refused after a reload, and stays in the file', async () => {
  let made = { id: '', key: '' }
  await using room = await openRoom(withKeys, async (folder) => {
    made = await createApiKey(join(folder, 'keys.yaml'), { name: 'bob', type: 'user' })
  })
  assert.equal((await present(room, made.key)).name, 'bob')
  const file = join(room.folder, 'keys.yaml')
  const revoked = await revokeApiKey(file, made.id)
  assert.deepEqual(await listApiKeys(file), [revoked])
  assert.deepEqual(await revokeApiKey(file, made.id), revoked, 'the first time counts')
  await room.identity.reload(givenLoaded(room.folder, withKeys))
  assert.deepEqual((await present(room, made.key)).credential.defects, ['revoked'])
  await assert.rejects(revokeApiKey(file, 'aaaaaaaa'), code('IDENTITY_KEY_UNKNOWN'))
})

test('an expired key is refused by the time of the request; one that lives long is noted', async () => {
  const clock = givenClock()
  const isoIn = (days: number) =>
    new Date(Number(clock.nowNs() / 1_000_000n) + days * 86_400_000).toISOString()
  const keys: string[] = []
  await using room = await openRoom(withKeys, async (folder) => {
    for (const days of [1, 400]) {
      const spec = { name: `d${days}`, type: 'service', expires: isoIn(days) } as const
      keys.push((await createApiKey(join(folder, 'keys.yaml'), spec)).key)
    }
  })
  const [short = '', long = ''] = keys
  assert.deepEqual((await present(room, short)).credential.defects, [])
  assert.deepEqual((await present(room, long)).credential.defects, ['long_lived'])
  room.clock.moveMs(86_400_000 + 1_000)
  assert.deepEqual((await present(room, short)).credential.defects, ['expired'])
})

test('a file that others can write, that is not what it should be, or that holds an id twice is refused', async () => {
  await using folder = await givenFolder()
  const file = join(folder.path, 'keys.yaml')
  await createApiKey(file, { name: 'a', type: 'user' })
  const good = await readFile(file, 'utf8')
  const entry = good.slice(good.indexOf('  - id'))
  for (const text of [
    `${good}${entry}`,
    good.replace('type: user', 'type: root'),
    `${good}more: 1\n`,
    'keys: [',
    good.replace('version: 1', 'version: &a 1\nb: *a'),
  ]) {
    await writeFile(file, text)
    await assert.rejects(listApiKeys(file), code('IDENTITY_KEYS_INVALID'), text)
  }
  await chmod(file, 0o666)
  await assert.rejects(listApiKeys(file), code('IDENTITY_KEYS_UNREADABLE'))
  assert.deepEqual(await listApiKeys(join(folder.path, 'none.yaml')), [])
})

test('one command changes the file at a time, and a bad specification changes nothing', async () => {
  await using folder = await givenFolder()
  const file = join(folder.path, 'keys.yaml')
  await assert.rejects(createApiKey(file, { name: '', type: 'user' }), code('IDENTITY_KEY_INVALID'))
  await assert.rejects(
    createApiKey(file, { name: 'a', type: 'user', expires: 'soon' }),
    code('IDENTITY_KEY_INVALID'),
  )
  assert.deepEqual(await listApiKeys(file), [])
  await (await open(`${file}.lock`, 'wx')).close()
  await assert.rejects(createApiKey(file, { name: 'a', type: 'user' }), code('IDENTITY_KEYS_BUSY'))
})

test('a reload that fails leaves the keys in force', async () => {
  let key = ''
  await using room = await openRoom(withKeys, async (folder) => {
    ;({ key } = await createApiKey(join(folder, 'keys.yaml'), { name: 'bob', type: 'user' }))
  })
  await writeFile(join(room.folder, 'keys.yaml'), 'keys: [')
  await assert.rejects(
    room.identity.reload(givenLoaded(room.folder, withKeys)),
    code('IDENTITY_KEYS_INVALID'),
  )
  assert.equal((await present(room, key)).name, 'bob')
})
