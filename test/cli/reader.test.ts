import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { checkLedger } from '../../packages/gateway/src/ledger.ts'
import { launchProcess } from './running-process.ts'
import { setUp } from './running-up.ts'
import type { RunningUp, Setup } from './running-up.ts'

const PEOPLE = {
  alice: ['support'],
  vera: ['viewers'],
  ada: ['audit'],
  ines: ['inquiry'],
  ivan: ['inquiry'],
} as const

type Person = keyof typeof PEOPLE

const READERS = `
reader:
  access:
    - { role: viewer, to: group:viewers, services: [orders] }
    - { role: auditor, to: group:audit }
    - { role: investigator, to: group:inquiry }
    - { role: subject, to: authenticated }
`

/** How long what was asked of the gateway may take to be found. */
const FOUND_MS_MAX = 20_000

interface Row {
  readonly id: string
  readonly [field: string]: unknown
}

interface Answer {
  readonly status: number
  readonly transactions: readonly Row[]
  readonly code?: string
  readonly at?: { readonly from: number; readonly to: number }
  readonly body: Record<string, unknown>
}

interface World {
  readonly setup: Setup
  readonly keys: Readonly<Record<Person, string>>
  readonly api: string
  readonly inbound: string
  readonly running: RunningUp
  readonly ask: (as: Person, path: string, more?: RequestInit) => Promise<Answer>
  readonly search: (as: Person, q: string, headers?: Record<string, string>) => Promise<Answer>
  /** Asks until as many are found. */
  readonly found: (q: string, count: number) => Promise<readonly Row[]>
}

/** A gateway in front of one service, five people, and three requests: two of Alice's, one of nobody's. */
async function openWorld(t: TestContext): Promise<World> {
  const setup = await setUp()
  t.after(() => setup[Symbol.asyncDispose]())
  const upstream = createServer((_, response) => response.end('here\n')).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.after(() => upstream.close().closeAllConnections())
  const { port } = upstream.address() as AddressInfo
  await setup.change((text) => text.replace('127.0.0.1:9001', `127.0.0.1:${port}`) + READERS)
  const keyOf = (name: Person): string => {
    const groups = PEOPLE[name].flatMap((group) => ['--group', group])
    return setup
      .countersign('keys', 'create', '--name', name, '--type', 'user', ...groups)
      .stdout.trim()
  }
  const keys = {
    alice: keyOf('alice'),
    vera: keyOf('vera'),
    ada: keyOf('ada'),
    ines: keyOf('ines'),
    ivan: keyOf('ivan'),
  }
  const running = await setup.up()
  t.after(() => running[Symbol.asyncDispose]())
  const { api = '', inbound = '' } = running.listening
  const ask: World['ask'] = async (as, path, more = {}) => {
    const headers = { 'x-api-key': keys[as], ...(more.headers as Record<string, string>) }
    const response = await fetch(`${api}${path}`, { ...more, headers })
    const body = (await response.json()) as Record<string, unknown>
    return {
      ...body,
      status: response.status,
      body,
      transactions: (body['transactions'] ?? []) as Row[],
    }
  }
  const search: World['search'] = (as, q, headers = {}) =>
    ask(as, `/v1/search?q=${encodeURIComponent(q)}`, { headers })
  const asAlice = { headers: { 'x-api-key': keys.alice } }
  assert.equal((await fetch(`${inbound}/orders/17?email=a@example.com`, asAlice)).status, 200)
  assert.equal((await fetch(`${inbound}/unknown`, asAlice)).status, 404)
  assert.equal((await fetch(`${inbound}/orders/17`)).status, 401)
  const world: World = {
    setup,
    keys,
    api,
    inbound,
    running,
    ask,
    search,
    async found(q, count) {
      const until = performance.now() + FOUND_MS_MAX
      for (;;) {
        const { transactions } = await search('ada', q)
        if (transactions.length === count) return transactions
        assert.ok(performance.now() < until, `${transactions.length} of ${count} for ${q}`)
        await pause(50)
      }
    },
  }
  await world.found('class:http.server', 3)
  return world
}

async function endAndCheck({ setup, running }: World): Promise<void> {
  running.process.kill('SIGTERM')
  assert.equal(await running.exit, 0, running.stderr())
  const vkey = await readFile(join(setup.folder, 'log.vkey'), 'utf8')
  await checkLedger(join(setup.folder, 'countersign-data'), { vkey })
}

test('each role sees what it may, masked and not missing, and each look is on record', async (t) => {
  const world = await openWorld(t)
  const { search, ask } = world
  const ours = 'service:orders class:http.server'

  const viewed = await search('vera', ours)
  assert.equal(viewed.transactions.length, 3)
  const [, , first] = viewed.transactions
  assert.ok(first !== undefined)
  assert.equal(first['actor'], '[masked]')
  assert.equal(first['path'], '[masked]')
  assert.equal(first['status'], 200)
  assert.deepEqual((await search('vera', 'class:(read lifecycle)')).transactions, [])
  const refused = await search('vera', 'path:"/orders/17"')
  assert.equal(refused.status, 403)
  assert.equal(refused.code, 'SEARCH_MASKED')
  assert.deepEqual(refused.at, { from: 0, to: 17 })

  assert.equal((await search('ada', ours)).transactions[2]?.['path'], '[masked]')
  const purpose = { 'countersign-purpose': 'quarterly review', 'countersign-ticket': 'AUD-7' }
  const audited = await search('ada', 'path:"/orders/17" outcome:success', purpose)
  assert.equal(audited.transactions[0]?.['path'], '/orders/17')
  assert.equal(audited.transactions[0]['actor'], 'alice')

  const own = await search('alice', '')
  assert.ok(own.transactions.length >= 2)
  assert.deepEqual([...new Set(own.transactions.map((row) => row['actor']))], ['alice'])

  const asked = await ask('ines', '/v1/unmaskings', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ record: first.id, purpose: 'case 7' }),
  })
  assert.equal(asked.status, 201)
  const { id, question } = asked.body as { id: string; question: string }
  const approval = { 'countersign-role': 'investigator', 'countersign-approval': id }
  assert.equal((await search('ines', question, approval)).status, 403)
  await world.found(`id:${id}`, 1)
  const post = { method: 'POST' }
  assert.equal((await ask('ines', `/v1/unmaskings/${id}/approval`, post)).status, 403)
  assert.equal((await ask('ivan', `/v1/unmaskings/${id}/approval`, post)).status, 201)
  await world.found('action:log.unmask.approve outcome:success', 1)
  const unmasked = await search('ines', question, approval)
  assert.equal(unmasked.status, 200, JSON.stringify(unmasked))
  assert.equal(unmasked.transactions[0]?.['actor'], 'alice')

  // Who may not read at all is refused, and on record.
  assert.equal((await fetch(`${world.api}/v1/search`)).status, 401)
  await endAndCheck(world)
  const told = world.setup.countersign('who-read', '--record', first.id, '--json').stdout
  const looks = told
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { who: string; role: string; unmasked: boolean })
  const asAuditor = looks.filter(({ who, unmasked: shown }) => who === 'user ada' && shown)
  assert.equal(asAuditor.length, 1, told)
  assert.match(told, /quarterly review/)
  assert.deepEqual(
    looks
      .filter(({ who }) => who === 'user ines')
      .map(({ role, unmasked: shown }) => [role, shown]),
    [['investigator', true]],
  )
  assert.ok(looks.some(({ who, role }) => who === 'user vera' && role === 'viewer'))
})

test('records are told live, proved to strangers, found no more once erased, and the index is made anew', async (t) => {
  const world = await openWorld(t)
  const { setup, keys, api, inbound } = world
  const stop = new AbortController()
  const stream = await fetch(`${api}/v1/live?q=${encodeURIComponent('path:"/orders/18"')}`, {
    headers: { 'x-api-key': keys.ada, 'countersign-purpose': 'watching 18' },
    signal: stop.signal,
  })
  assert.equal(stream.headers.get('content-type'), 'text/event-stream')
  await fetch(`${inbound}/orders/18`, { headers: { 'x-api-key': keys.alice } })
  assert.match(await upTo(stream, 'event: transaction'), /event: open/)
  stop.abort()
  await world.found('action:log.live read.rows:1 cause:*', 1)

  const [record] = await world.found('outcome:success class:http.server status:200', 2)
  assert.ok(record !== undefined)
  const proof = await fetch(`${api}/v1/records/${record.id}/proof`, {
    headers: { 'x-api-key': keys.ada },
  })
  assert.equal(proof.status, 200)

  const second = launchProcess(setup.folder, 'reader')
  assert.equal(await second.exit, 2)
  assert.match(second.stderr(), /could not open the index: process \d+ has it open/)

  const before = await world.search('ada', 'class:http.server')
  const made = setup.countersign('reindex', '--json')
  assert.equal(made.status, 0, made.stderr)
  await world.running.when(
    (said) => said.kind === 'ready' && said['name'] === 'reader' && said['restarts'] === 1,
  )
  const { api: anew } = JSON.parse(
    await readFile(join(setup.folder, 'countersign-data/run/reader.json'), 'utf8'),
  ) as { api: string }
  const after = await fetch(`${anew}/v1/search?q=class:http.server`, {
    headers: { 'x-api-key': keys.ada },
  })
  assert.deepEqual(
    ((await after.json()) as { transactions: Row[] }).transactions,
    before.transactions,
  )

  const subject = String(record['actor.id'])
  const erased = setup.countersign(
    'erase',
    '--subject',
    subject,
    '--basis',
    'GDPR 17',
    '--by',
    'dpo',
  )
  assert.equal(erased.status, 0, erased.stderr)
  const until = performance.now() + 60_000
  for (;;) {
    const asked = await fetch(`${anew}/v1/search?q=${encodeURIComponent('"orders/18"')}`, {
      headers: { 'x-api-key': keys.ada, 'countersign-purpose': 'is it gone' },
    })
    const { transactions } = (await asked.json()) as { transactions: Row[] }
    if (transactions.every((row) => row['class'] === 'read')) break
    assert.ok(performance.now() < until, 'within a minute nobody finds it')
    await pause(100)
  }
  const gone = await fetch(`${anew}/v1/records/${record.id}`, {
    headers: { 'x-api-key': keys.ada },
  })
  assert.match(await gone.text(), /"content":"erased"/)
  await endAndCheck(world)
})

test('a log that does not verify is read no further, with an alarm on record, until it is mended', async () => {
  await using other = await setUp('audit.example.com/2')
  const source = await other.up()
  source.process.kill('SIGTERM')
  await source.exit
  const log = join(other.folder, 'countersign-data/log')
  const checkpoint = join(log, 'checkpoint')
  const whole = await readFile(checkpoint)
  const altered = Buffer.from(whole)
  altered.write('0', whole.indexOf('\n') + 1)
  await writeFile(checkpoint, altered)
  await using setup = await setUp()
  await setup.change(
    (text) =>
      `${text}${READERS}  logs: [{ place: ${log}, vkey: ${join(other.folder, 'log.vkey')} }]\n`,
  )
  await using running = await setup.up()
  assert.equal(running.process.exitCode, null)
  const raised = await alarmOf(setup, true)
  assert.match(raised, /log_unverified/)
  await writeFile(checkpoint, whole)
  assert.match(await alarmOf(setup, false), /reading goes on/)
})

/** The alarm of a log, once it is in the index. */
async function alarmOf(setup: Setup, raised: boolean): Promise<string> {
  const until = performance.now() + 60_000
  for (;;) {
    const { stdout, stderr } = setup.countersign('search', 'lifecycle:alarm', '--json')
    const found = stdout.split('\n').find((line) => line.includes(`\\"raised\\":${raised}`))
    if (found !== undefined) return found
    assert.ok(performance.now() < until, stdout + stderr)
  }
}

async function upTo(stream: Response, text: string): Promise<string> {
  let told = ''
  assert.ok(stream.body !== null)
  for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
    told += piece
    if (told.includes(text)) return told
  }
  return assert.fail(`the stream ended before '${text}': ${told}`)
}
