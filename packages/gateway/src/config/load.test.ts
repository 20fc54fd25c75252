import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import { compilePolicy } from '../policy.ts'
import { describeConfig } from './describe.ts'
import { ConfigError } from './errors.ts'
import { loadConfig } from './load.ts'
import { configSchema } from './schema.ts'
import { aliasesMax, fileBytesMax } from './source.ts'

const folder = await mkdtemp(join(tmpdir(), 'countersign-config-'))
after(() => rm(folder, { recursive: true }))
for (const name of ['signer.key', 'sequencer.key', 'fingerprint.key', 'tenant.key', 'ca.pem']) {
  await writeFile(join(folder, name), '')
}

const base = `origin: audit.example.com/test
signer: { key: signer.key, state: signer.state }
sequencer: { key: sequencer.key }
fingerprintKey: fingerprint.key
`
const sound = `${base}listen: { inbound: 127.0.0.1:0 }
seal: { key: tenant.key }
`
let count = 0
async function written(text: string | Uint8Array): Promise<string> {
  const path = join(folder, `c${count++}.yaml`)
  await writeFile(path, text)
  return path
}
const load = async (text: string) => loadConfig(await written(text))
/** Problems as \`line:column key: message\`. */
async function problems(text: string): Promise<string[]> {
  try {
    await load(text)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(
      ({ line, column, key, message }) => `${line}:${column} ${key}: ${message}`,
    )
  }
  return []
}

test('a sound file is loaded, with defaults, its hash and paths from its folder', async () => {
  const path = await written(sound)
  const loaded = await loadConfig(path)
  assert.equal(loaded.path, path)
  assert.equal(loaded.baseDir, folder)
  assert.equal(loaded.sha256, createHash('sha256').update(sound).digest('hex'))
  assert.equal(loaded.resolve('./signer.key'), join(folder, 'signer.key'))
  assert.equal(loaded.config.limits.headerTimeout, 15_000)
  assert.deepEqual(loaded.config.listen.inbound, { address: '127.0.0.1:0' })
  assert.deepEqual(loaded.warnings, [])
})

test('every problem is told at once, each with its place and the nearest name', async () => {
  const text = `${base}listen: { inbuond: 127.0.0.1:0, egress: { adress: 127.0.0.1:1 }, admin: 5 }
roles: { Support: [orders.read] }
identities:
  - issuer: https://login.example.com/
    audence: orders
  - keyz: ./keys.yaml
services:
  orders:
    upstrem: http://127.0.0.1:9001
    routes:
      - { match: orders, public: yes }
      - { match: GET /x, mode: strikt }
    egress: { allowPrivate: [ten] }
limits: { headerTimeout: 15, bodyBytesMax: 5 kB }
`
  assert.deepEqual(await problems(text), [
    "5:11 listen.inbuond: unknown key; did you mean 'inbound'?",
    '5:41 listen.egress.address: missing; expected text',
    "5:43 listen.egress.adress: unknown key; did you mean 'address'?",
    '5:73 listen.admin: expected text or a map, found 5',
    '6:10 roles.Support: expected lower-case letters, digits, ".", "_" or "-", at most 63',
    '8:5 identities[0].audience: expected text or a list, found nothing',
    "9:5 identities[0].audence: unknown key; did you mean 'audience'?",
    "10:5 identities[1].keyz: unknown key; did you mean 'keys'?",
    "13:5 services.orders.upstrem: unknown key; did you mean 'upstream'?",
    "15:18 services.orders.routes[0].match: expected 'METHOD /path/{name}', for example 'GET /orders/{id}'; found \"orders\"",
    '15:34 services.orders.routes[0].public: expected true or false, found "yes"',
    '16:32 services.orders.routes[1].mode: expected strict, bounded, best-effort; found "strikt"; did you mean \'strict\'?',
    '17:30 services.orders.egress.allowPrivate[0]: expected a range of addresses such as \'10.0.0.0/8\'; found "ten"',
    '18:26 limits.headerTimeout: expected text, found 15',
    '18:44 limits.bodyBytesMax: expected a number and a unit (GiB, MiB, KiB, B), for example \'1 GiB\'; found "5 kB"',
  ])
})

test('the message has one line for each problem, with the path as it was given', async () => {
  const path = await written(`${sound}lmits: {}\n`)
  await assert.rejects(loadConfig(path), (error) => {
    assert.ok(error instanceof ConfigError && error.code === 'CONFIG_INVALID')
    assert.equal(
      error.message,
      `could not use the configuration: 1 problem\n${path}:7:1: lmits: unknown key; did you mean 'limits'?`,
    )
    return true
  })
})

test('names that refer to nothing, rules that contradict each other and files that are not there are refused', async () => {
  const text = `${base}listen: { inbound: 127.0.0.1:80, egress: 127.0.0.1:80, admin: 127.0.0.1:70000 }
roles: { support: [orders.*] }
grants:
  - { role: suport, to: group:x }
identities:
  - { issuer: 'http://login.example.com', audience: a }
  - { clientCertificates: nowhere.pem }
services:
  a:
    routes:
      - { match: 'GET /x/{id}', permission: orders.read, public: true }
      - { match: 'GET /y/{id', permission: orders.read }
      - { match: 'GET /z' }
      - { match: 'GET /w', permission: orders.* }
    egress: { sourceAddresses: [10.0.0.1], allow: ['127.1', 'a.test:0'] }
  b:
    upstream: http://127.0.0.1:9001
    routes: [{ match: 'POST,GET /x/{name}', public: true }]
    egress: { sourceAddresses: [10.0.0.1] }
`
  assert.deepEqual(await problems(text), [
    '5:42 listen.egress: 127.0.0.1:80 is already taken by listen.inbound',
    '5:63 listen.admin: port 70000 is larger than 65535',
    "8:13 grants[0].role: role 'suport' is not declared under roles; did you mean 'support'?",
    "10:15 identities[0].issuer: expected an https URL; http needs 'allowInsecureHttp: true' and a loopback address; found 'http://login.example.com'",
    `11:27 identities[1].clientCertificates: there is no file ${join(folder, 'nowhere.pem')}`,
    '14:5 services.a: a service with routes needs an upstream',
    '15:66 services.a.routes[0].public: a public route has no permission: remove one of the two',
    "16:18 services.a.routes[1].match: '{id': a parameter is a whole segment, such as {id}; found 'GET /y/{id'",
    "17:9 services.a.routes[2]: expected a 'permission', 'public: true' or 'deny: true'",
    "18:40 services.a.routes[3].permission: a route needs one permission, without a wildcard; found 'orders.*'",
    "19:52 services.a.egress.allow[0]: neither a name nor an IPv4 address in four decimal parts; found '127.1'",
    "19:61 services.a.egress.allow[1]: expected a port from 1 to 65535; found 'a.test:0'",
    "22:23 services.b.routes[0].match: takes the same requests as services.a.routes[0]; found 'POST,GET /x/{name}'",
    '23:33 services.b.egress.sourceAddresses[0]: 10.0.0.1 is already the address of services.a',
  ])
})

test('what is allowed and probably not meant is a warning', async () => {
  const { warnings } = await load(`${sound}identities: [{ keys: keys.yaml }]
roles: { support: [orders.read] }
grants: [{ role: support, to: service:oders }]
services:
  orders:
    upstream: http://127.0.0.1:9001
    routes: [{ match: GET /orders, permission: order.read }]
`)
  assert.deepEqual(
    warnings.map(({ key, message }) => `${key}: ${message}`),
    [
      `identities[0].keys: there is no file ${join(folder, 'keys.yaml')}; no key is known until \`countersign keys create\` makes one`,
      "grants[0].to: no service is called 'oders'; did you mean 'orders'?",
      "services.orders.routes[0].permission: no role carries 'order.read', so nobody may call this route; did you mean 'orders.read'?",
    ],
  )
})

test('a configuration that seals nothing is warned of, and one whose tenant key is not there is refused', async () => {
  const { warnings } = await load(sound.replace(/^seal.*\n/m, ''))
  assert.deepEqual(
    warnings.map(({ key }) => key),
    ['seal'],
  )
  assert.deepEqual(await problems(sound.replace('tenant.key', 'no.key')), [
    `6:14 seal.key: there is no file ${join(folder, 'no.key')}`,
  ])
})

test('files are not asked for when the question is about policy alone', async () => {
  const path = await written(sound.replace('fingerprint.key', 'elsewhere.key'))
  await assert.rejects(loadConfig(path), ConfigError)
  assert.equal(
    (await loadConfig(path, { files: 'unchecked' })).config.fingerprintKey,
    'elsewhere.key',
  )
})

test('duplicate keys and broken YAML are refused with their place', async () => {
  assert.deepEqual(await problems(`${sound}origin: again\n`), ['7:1 : Map keys must be unique'])
  const path = await written('a: [1\nb: 2\n')
  await assert.rejects(
    loadConfig(path),
    (error) => error instanceof ConfigError && error.code === 'CONFIG_SYNTAX',
  )
})

test('an alias bomb, too many aliases and deep nesting are refused', async () => {
  const bomb = [
    'a0: &a0 [x,x,x,x,x,x,x,x,x]',
    ...Array.from({ length: 7 }, (_, at) => `a${at + 1}: &a${at + 1} [${`*a${at},`.repeat(9)}]`),
  ]
  assert.deepEqual(await problems(bomb.join('\n')), ['1:1 : its aliases expand too far'])
  const many = `a: &a 1\nb: [${'*a,'.repeat(aliasesMax + 1)}]\n`
  assert.deepEqual(await problems(many), [
    `1:1 : ${aliasesMax + 1} aliases are too many; the limit is ${aliasesMax}`,
  ])
  const [deep] = await problems('['.repeat(20_000))
  assert.match(deep ?? '', /: it is nested too deeply$/)
})

test('a file that is missing, too large or not UTF-8 is unreadable', async () => {
  const paths = [
    join(folder, 'nowhere.yaml'),
    await written('#'.repeat(fileBytesMax + 1)),
    await written(new Uint8Array([0xff, 0xfe])),
  ]
  for (const path of paths) {
    await assert.rejects(
      loadConfig(path),
      (error) => error instanceof ConfigError && error.code === 'CONFIG_UNREADABLE',
    )
  }
})

test('what is in force is printed with units, and loads to the same configuration', async () => {
  const loaded =
    await load(`${sound}identities: [{ clientCertificates: ca.pem }, { issuer: 'https://a.test', audience: b }]
services: { a: { egress: { allow: ['*.example.com'] } } }
limits: { bodyIdleTimeout: 1500 ms }
`)
  const text = describeConfig(loaded)
  assert.match(text, /headerTimeout: 15 s\n/)
  assert.match(text, /bodyIdleTimeout: 1500 ms\n/)
  assert.match(text, /maxLifetime: 1 day\n/)
  assert.match(text, new RegExp(`^# ${loaded.path}\n# SHA-256 ${loaded.sha256}\n`))
  assert.deepEqual(configSchema.parse(parse(text)), loaded.config)
})

test('a configuration that loads compiles to a policy', async () => {
  const { config } = await load(`${sound}roles: { r: ['*'] }
grants: [{ role: r, to: [authenticated, user:a], until: 2027-01-31 }]
services:
  a:
    upstream: http://127.0.0.1:9001
    hosts: [a.test, '[::1]', '*.b.test']
    routes:
      - { match: 'GET /x/{id}', permission: orders.read }
      - { match: '* /x/{id}', deny: true }
      - { match: 'GET /x/{rest...}', public: true }
    egress: { allow: ['[2600::1]:8443', 10.0.0.1, '*'], sourceAddresses: [10.0.0.1, '::1'], allowPrivate: [10.0.0.0/8] }
`)
  assert.match(compilePolicy(config).hash, /^[0-9a-f]{64}$/)
})
