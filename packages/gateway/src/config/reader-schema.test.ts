import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { describeConfig } from './describe.ts'
import { ConfigError } from './errors.ts'
import { loadConfig } from './load.ts'
import type { LoadedConfig } from './load.ts'

const folder = await mkdtemp(join(tmpdir(), 'countersign-reading-'))
after(() => rm(folder, { recursive: true }))
const there = ['signer.key', 'sequencer.key', 'fingerprint.key', 'tenant.key', 'ca.pem', 'a.vkey']
for (const name of there) await writeFile(join(folder, name), '')

const base = `origin: audit.example.com/test
signer: { key: signer.key, state: signer.state }
sequencer: { key: sequencer.key }
fingerprintKey: fingerprint.key
seal: { key: tenant.key }
listen: { api: 127.0.0.1:0 }
services:
  orders:
    owner: { team: orders-team }
    upstream: http://127.0.0.1:9001
    routes: [{ match: 'GET /orders', public: true, labels: [pii] }]
  billing: {}
`
let count = 0
async function load(text: string): Promise<LoadedConfig> {
  const path = join(folder, `c${count++}.yaml`)
  await writeFile(path, base + text)
  return loadConfig(path)
}

/** Problems as \`key: message\`. */
async function problems(text: string): Promise<string[]> {
  try {
    await load(text)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ key, message }) => `${key}: ${message}`)
  }
  return []
}

test('a file that says nothing about reading has an index of its own and no reader but the operator', async () => {
  const { config, warnings } = await load('')
  assert.deepEqual(config.reader, {
    logs: [],
    access: [],
    operator: 'auditor',
    limits: { rowsMax: 1000, queryTimeout: 10_000, queryMemory: 1024 ** 3 },
  })
  assert.deepEqual(config.retention, { labels: {}, services: {} })
  assert.deepEqual(config.listen.api, { address: '127.0.0.1:0' })
  assert.deepEqual(warnings, [])
})

test('a cluster, other logs, readers and retention are loaded, and shown as they could be written', async () => {
  await writeFile(join(folder, 'password'), 'secret')
  const loaded = await load(`reader:
  index: { url: 'https://ch.example.com:8443', user: audit, password: password, ca: ca.pem, cluster: eu }
  logs: [{ place: https://log.example.com/, vkey: a.vkey }, { place: ../other, vkey: a.vkey }]
  access:
    - { role: viewer, to: [group:support, user:alice], services: [orders, billing], until: 2027-01-31 }
    - { role: owner, to: authenticated }
    - { role: subject, to: authenticated }
  operator: none
  limits: { rowsMax: 100, queryTimeout: 1500 ms, queryMemory: 64 MiB }
retention: { default: 365 days, labels: { pii: 1 day }, services: { billing: 720 h } }
`)
  const { reader, retention } = loaded.config
  assert.deepEqual(loaded.warnings, [])
  assert.deepEqual(reader.index, {
    url: 'https://ch.example.com:8443',
    user: 'audit',
    password: 'password',
    database: 'countersign',
    ca: 'ca.pem',
    cluster: 'eu',
  })
  assert.deepEqual(reader.limits, { rowsMax: 100, queryTimeout: 1500, queryMemory: 64 * 1024 ** 2 })
  const dayMs = 86_400_000
  assert.deepEqual(retention, {
    default: 365 * dayMs,
    labels: { pii: dayMs },
    services: { billing: 30 * dayMs },
  })
  const shown = describeConfig(loaded)
  for (const line of [
    'queryTimeout: 1500 ms',
    'default: 365 days',
    'pii: 1 day',
    'billing: 30 days',
  ])
    assert.ok(shown.includes(`  ${line}\n`), `${line} in ${shown}`)
})

test('what is wrong with a block about reading is told with the nearest name', async () => {
  assert.deepEqual(
    await problems(`reader:
  indx: {}
  index: { url: 'ftp://x', databse: a, cluster: 'a;b' }
  acces: []
  access: [{ role: admin, to: anyone }, { role: viewer, to: 'group:x', service: [orders] }]
  operator: owner
  limits: { rowsMax: 1001, queryTimeout: 10 }
retention: { default: 12 h, labels: { pii: 36 h }, service: {} }
`),
    [
      "reader.indx: unknown key; did you mean 'index'?",
      'reader.index.url: Invalid URL; found "ftp://x"',
      "reader.index.databse: unknown key; did you mean 'database'?",
      'reader.index.cluster: expected letters, digits, "_", "." or "-", at most 63; found "a;b"',
      "reader.acces: unknown key; did you mean 'access'?",
      'reader.access[0].role: expected viewer, owner, auditor, investigator, subject; found "admin"',
      `reader.access[0].to: expected 'user:NAME', 'group:NAME', 'service:NAME', 'agent:NAME' or 'authenticated': whoever reads has proved a name; found "anyone"`,
      "reader.access[1].service: unknown key; did you mean 'services'?",
      'reader.operator: expected auditor, investigator, viewer, none; found "owner"',
      'reader.limits.rowsMax: expected at most 1000: one record lists them; found 1001',
      'reader.limits.queryTimeout: expected text, found 10',
      `retention.default: expected whole days, at least one, for example '90 days'; found "12 h"`,
      `retention.labels.pii: expected whole days, at least one, for example '90 days'; found "36 h"`,
      "retention.service: unknown key; did you mean 'services'?",
    ],
  )
})

test('blocks that are sound key by key and contradict themselves are refused', async () => {
  assert.deepEqual(
    await problems(`reader:
  index: { url: 'https://audit:secret@ch.example.com' }
  logs: [{ place: a, vkey: a.vkey }, { place: a, vkey: a.vkey }, { place: s3://a, vkey: a.vkey }]
  access:
    - { role: viewer, to: group:a }
    - { role: auditor, to: group:a, services: [orders] }
    - { role: viewer, to: group:a, services: [order] }
retention: { services: { biling: 90 days } }
`),
    [
      "reader.index.url: a URL holds no secrets here: name 'user' and the file of its 'password'",
      "reader.logs[1].place: this log is followed twice; found 'a'",
      "reader.logs[2].place: expected a folder, or a URL of http or https; found 's3://a'",
      "reader.access[0]: a viewer needs 'services': the names of those it may see",
      'reader.access[1].services: services are for viewers only: what an auditor sees is fixed',
      "reader.access[2].services[0]: no service is called 'order'; did you mean 'orders'?",
      "retention.services.biling: no service is called 'biling'; did you mean 'billing'?",
    ],
  )
})

test('a limit that ClickHouse would take for none is refused', async () => {
  assert.deepEqual(
    await problems('reader: { limits: { queryTimeout: 0 s, queryMemory: 0 B } }\n'),
    [
      'reader.limits.queryTimeout: expected 100 ms or more; found "0 s"',
      'reader.limits.queryMemory: expected 16 MiB or more; found "0 B"',
    ],
  )
  const smallest = 'reader: { limits: { rowsMax: 1, queryTimeout: 100 ms, queryMemory: 16 MiB } }\n'
  assert.deepEqual((await load(smallest)).warnings, [])
})

test('files that reading needs are looked for', async () => {
  assert.deepEqual(
    await problems(`reader:
  index: { url: 'https://ch.example.com', password: nowhere }
  logs: [{ place: ../other, vkey: missing.vkey }]
`),
    [
      `reader.index.password: there is no file ${join(folder, 'nowhere')}`,
      `reader.logs[0].vkey: there is no file ${join(folder, 'missing.vkey')}`,
    ],
  )
})

test('what is allowed and probably not meant is said', async () => {
  const { warnings } = await load(`reader:
  index: { url: 'http://ch.example.com:8123' }
retention: { labels: { piii: 90 days } }
`)
  assert.deepEqual(
    warnings.map(({ key, message }) => `${key}: ${message}`),
    [
      'reader.index.url: records and the password travel in clear: use https',
      "retention.labels.piii: no route and no egress has the label 'piii'; did you mean 'pii'?",
    ],
  )
  for (const url of ['http://127.0.0.1:8123', 'http://[::1]:8123', 'https://ch.example.com'])
    assert.deepEqual((await load(`reader: { index: { url: '${url}' } }\n`)).warnings, [])
})
