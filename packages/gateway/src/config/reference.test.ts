import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { jsonSchema, quantityText } from './json-schema.ts'
import { nearest } from './nearest.ts'
import { keysOf, renderReference } from './reference.ts'
import { configSchema } from './schema.ts'

test('the page in docs is what the schema says', async () => {
  const page = new URL('../../../../docs/spec/configuration.md', import.meta.url)
  // After a change of the schema: WRITE_REFERENCE=1 node -C @countersign/source --test packages/gateway/src/config/reference.test.ts
  if (process.env['WRITE_REFERENCE'] === '1') await writeFile(page, renderReference())
  assert.equal(await readFile(page, 'utf8'), renderReference())
})

test('every key has a sentence, and every optional quantity its default', () => {
  const keys = keysOf(jsonSchema(), '')
  assert.ok(keys.length > 60)
  for (const { key, node, isRequired } of keys) {
    assert.ok((node.description ?? '').length > 10, `${key} says nothing`)
    // Absent means for ever, which no duration says.
    if (key === 'retention.default') continue
    if (node.unit !== undefined && !isRequired)
      assert.equal(typeof node.default, 'string', `${key} has no default`)
  }
})

test('the defaults that are shown are the defaults that hold', () => {
  const config = configSchema.parse({
    origin: 'a',
    signer: { key: 'k', state: 's' },
    sequencer: { key: 'k' },
    fingerprintKey: 'f',
    listen: {},
  })
  for (const { key, node } of keysOf(jsonSchema(), '')) {
    const [block, name] = key.split('.')
    if ((block !== 'limits' && block !== 'ledger') || name === undefined) continue
    const value: unknown = Reflect.get(config[block], name)
    const shown = node.unit === undefined ? value : quantityText(Number(value), node.unit)
    assert.deepEqual(node.default, shown, key)
  }
})

test('quantities are written with the largest unit that leaves a whole number', () => {
  const texts = [0, 1, 1500, 60_000, 86_400_000, 7_776_000_000].map((ms) => quantityText(ms, 'ms'))
  assert.deepEqual(texts, ['0 ms', '1 ms', '1500 ms', '1 min', '1 day', '90 days'])
  assert.deepEqual(
    [1, 1536, 4 * 1024 ** 2].map((bytes) => quantityText(bytes, 'B')),
    ['1 B', '1536 B', '4 MiB'],
  )
})

test('the nearest name forgives a swap, a slip and a wrong case, and nothing wilder', () => {
  const known = ['upstream', 'upstreamCa', 'hosts', 'routes']
  assert.deepEqual(
    ['upstraem', 'Hosts', 'route', 'upstreamca', 'zzz', ''].map((typed) => nearest(typed, known)),
    ['upstream', 'hosts', 'routes', 'upstreamCa', undefined, undefined],
  )
})
