import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openResolution, systemResolver, type Resolver } from './resolve.ts'

const limits = { resolveTimeoutMs: 5_000, lookupsMax: 2, addressesMax: 3 }

function resolving(
  resolver: Resolver,
  changed: Partial<typeof limits> = {},
): ReturnType<typeof openResolution> {
  return openResolution(resolver, () => ({ ...limits, ...changed }))
}

test('an address is not looked up', async () => {
  const resolve = resolving(() => Promise.reject(new Error('asked')))
  assert.deepEqual(await resolve('192.0.2.1'), { addresses: ['192.0.2.1'] })
  assert.deepEqual(await resolve('2001:db8::1'), { addresses: ['2001:db8::1'] })
})

test('the machine resolves its own name to loopback', async () => {
  const resolution = await resolving(systemResolver)('localhost')
  assert('addresses' in resolution)
  assert(resolution.addresses.every((address) => ['127.0.0.1', '::1'].includes(address)))
})

test('answers keep their order and lose their doubles', async () => {
  const resolve = resolving(async () => ['192.0.2.2', '2001:db8::1', '192.0.2.2', '192.0.2.1'])
  assert.deepEqual(await resolve('api.example'), {
    addresses: ['192.0.2.2', '2001:db8::1', '192.0.2.1'],
  })
})

test('a name without answers, with an error or with anything but plain addresses is not resolved', async () => {
  const cause = new Error('ENOTFOUND')
  const throwing: Resolver = () => {
    throw cause
  }
  assert.deepEqual(await resolving(async () => [])('a.example'), { failure: 'name_not_resolved' })
  assert.deepEqual(await resolving(() => Promise.reject(cause))('a.example'), {
    failure: 'name_not_resolved',
    cause,
  })
  assert.deepEqual(await resolving(throwing)('a.example'), { failure: 'name_not_resolved', cause })
  for (const odd of ['fe80::1%eth0', '127.1', 'b.example', '']) {
    assert.deepEqual(await resolving(async () => ['192.0.2.1', odd])('a.example'), {
      failure: 'name_not_resolved',
    })
  }
})

test('more addresses than addressesMax are refused rather than cut', async () => {
  const four = async (): Promise<string[]> => ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']
  assert.deepEqual(await resolving(four)('a.example'), { failure: 'too_many_addresses' })
})

test('more look-ups than lookupsMax are refused until one ends, and one that timed out still counts', async () => {
  const pending = Promise.withResolvers<string[]>()
  const resolve = resolving(() => pending.promise, { resolveTimeoutMs: 1 })
  assert.deepEqual(await Promise.all([resolve('a.example'), resolve('b.example')]), [
    { failure: 'resolve_timeout' },
    { failure: 'resolve_timeout' },
  ])
  assert.deepEqual(await resolve('c.example'), { failure: 'resolver_busy' })
  pending.resolve(['192.0.2.1'])
  await pending.promise
  await new Promise(setImmediate)
  assert.deepEqual(await resolve('c.example'), { addresses: ['192.0.2.1'] })
})
