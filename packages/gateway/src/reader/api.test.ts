import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import type { ReadAccess, ReadFacts, ReadStatement } from '@countersign/record/reading'
import type { Transaction } from '@countersign/record/transaction'
import { systemClock } from '../platform.ts'
import { apiRoutes, createApi } from '../report.ts'
import type { Api } from '../report.ts'
import { openAnswers, openEmbeddedEngine, openIndex } from '../search.ts'
import { Live } from './live.ts'
import { portsOf } from './ports.ts'
import type { PortsOptions } from './ports.ts'
import { openSavedQuestions } from './saved-questions.ts'

const ORIGIN = 'audit.example.com/1'
const SECRET = 'topsecret'
const ROWS_MAX = 50
const START_NS = 1_795_600_000_000_000_000n

const actor = {
  id: '0f8fad5bd9cb469fa16570867728950e',
  name: 'vera',
  type: 'user',
  groups: [],
} as const

const access = (
  role: ReadAccess['role'],
  unmask: ReadAccess['unmask'],
  scope: ReadAccess['scope'] = { kind: 'all' },
): ReadAccess => ({ role, unmask, scope, rule: `reader.access[0]: ${role}` })

const viewer = access('viewer', 'never', { kind: 'services', services: ['orders'] })
const auditor = access('auditor', 'with_purpose')

/** Of three services, with a secret in every sealed text. */
const transactions: Transaction[] = Array.from({ length: 60 }, (_, n) => ({
  origin: ORIGIN,
  index: 2 * n + 1,
  intent: 2 * n,
  id: `01890a5d-ac96-774b-bcce-${n.toString(16).padStart(12, '0')}`,
  time: String(START_NS + BigInt(n) * 1_000_000_000n),
  ended: String(START_NS + BigInt(n) * 1_000_000_000n + 5_000_000n),
  class: 'http.server',
  action: 'orders.read',
  outcome: n % 4 === 0 ? 'denied' : 'success',
  service: ['orders', 'billing', 'stock'][n % 3] ?? '',
  method: 'GET',
  route: '/orders/{id}',
  status: n % 4 === 0 ? 403 : 200,
  duration: '5000000',
  labels: n % 5 === 0 ? ['pii'] : [],
  'actor.id': actor.id,
  actor: `${SECRET}-name`,
  path: `/orders/${SECRET}`,
  headers: `x-note: ${SECRET}`,
  client: '192.0.2.7',
  content: 'open',
}))

interface World {
  readonly api: Api
  readonly failures: unknown[]
}

interface Asked {
  readonly response: Response
  readonly text: string
  readonly said: readonly { facts: ReadFacts; statement: ReadStatement }[]
}

type Ask = (
  path: string,
  how?: RequestInit & { accesses?: readonly ReadAccess[] },
) => Promise<Asked>

async function openWorld(t: TestContext): Promise<World & { ask: Ask }> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-api-'))
  const index = await openIndex({
    engine: await openEmbeddedEngine(join(folder, 'index')),
    answers: (engine) => openAnswers(engine, { clock: systemClock }),
  })
  t.after(async () => {
    await index.close()
    await rm(folder, { recursive: true, force: true })
  })
  const ended = transactions.map((transaction) => ({ transaction }))
  await index.write({ origin: ORIGIN, next: 2 * transactions.length, ended, open: [] })
  const failures: unknown[] = []
  const nothing: Pick<PortsOptions, 'rooms' | 'inForce' | 'newId' | 'salt'> = {
    rooms: { append: () => Promise.reject(new Error('no stream is open here')) },
    inForce: () => {
      throw new Error('no stream is open here')
    },
    newId: () => '01890a5d-ac96-774b-bcce-b302099a8059',
    salt: () => new Uint8Array(16),
  }
  const ports = portsOf({
    ...nothing,
    index,
    following: [],
    origin: ORIGIN,
    live: new Live(),
    rowsMax: () => ROWS_MAX,
    questions: await openSavedQuestions(join(folder, 'questions.json')),
    clock: systemClock,
    ending: new AbortController().signal,
    failed: (error) => failures.push(error),
  })
  const api = createApi(ports)
  const ask: Ask = async (path, { accesses = [auditor], ...init } = {}) => {
    const said: { facts: ReadFacts; statement: ReadStatement }[] = []
    const response = await api.fetch(new Request(`http://api${path}`, init), {
      record: '01890a5d-ac96-774b-bcce-b302099a8058',
      actor,
      accesses,
      said: (facts, statement) => said.push({ facts, statement }),
    })
    return { response, text: await response.text(), said }
  }
  return { api, failures, ask }
}

const q = (text: string): string => `/v1/search?q=${encodeURIComponent(text)}`
const rowsOf = ({ text }: Asked): Transaction[] =>
  (JSON.parse(text) as { transactions: Transaction[] }).transactions

test('the API, over a real index and without a socket', async (t) => {
  const { ask, failures } = await openWorld(t)
  const purpose = { headers: { 'countersign-purpose': 'a review' } }

  await t.test(
    'nobody sees a sealed text but who may, and everybody sees that it is there',
    async () => {
      const masked = await ask(q('status:200'))
      assert.ok(!masked.text.includes(SECRET))
      assert.equal(rowsOf(masked)[0]?.path, '[masked]')
      const shown = await ask(q('status:200'), purpose)
      assert.equal(rowsOf(shown)[0]?.path, `/orders/${SECRET}`)
      assert.equal(shown.said[0]?.facts.unmasked, true)
      assert.equal(shown.said[0].statement.purpose, 'a review')
    },
  )

  await t.test(
    'no question of a viewer leaves their services or tells what is sealed',
    async () => {
      const word = fc.constantFrom(
        'service:billing',
        'service:*',
        'OR',
        '-service:orders',
        '(',
        ')',
        'status:>=1',
        'NOT',
        '*',
        SECRET,
        `"${SECRET}"`,
        `path:"*${SECRET}*"`,
        'actor:*',
        'label:pii',
        'outcome:denied',
        'headers:*',
      )
      const path = fc.constantFrom('/v1/search', '/v1/aggregate', '/v1/complete')
      await fc.assert(
        fc.asyncProperty(fc.array(word, { maxLength: 6 }), path, async (words, where) => {
          const by = where === '/v1/aggregate' ? '&by=service&measure=count' : ''
          const asked = await ask(`${where}?q=${encodeURIComponent(words.join(' '))}${by}`, {
            accesses: [viewer],
          })
          // What they wrote themselves comes back in an error that points at it.
          if (asked.response.status === 200) {
            assert.ok(!asked.text.includes(SECRET), asked.text)
            assert.ok(!/"(billing|stock)"/.test(asked.text), asked.text)
          }
          assert.ok([200, 400, 403].includes(asked.response.status), asked.text)
          assert.equal(asked.said.length, 1)
        }),
        { numRuns: 60 },
      )
    },
  )

  await t.test('what was returned is said once, whatever the answer', async () => {
    const answers: readonly (readonly [string, RequestInit])[] = [
      [q('outcome:denied'), {}],
      [q('outcome:'), {}],
      [q('path:"/x"'), {}],
      [q('outcome:denied'), { method: 'HEAD' }],
      [q('outcome:denied'), { headers: { accept: 'text/csv' } }],
      [q('outcome:denied'), { headers: { accept: 'application/x-ndjson' } }],
      [q('outcome:denied'), { headers: { accept: 'image/png' } }],
      ['/v1/search', { method: 'PATCH' }],
      ['/v1/nosuch', {}],
      ['/v1/fields', {}],
      ['/v1/records/01890a5d-ac96-774b-bcce-000000000001', {}],
      ['/v1/records/nothing', {}],
      [
        '/v1/search',
        { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
      ],
      ['/v1/search?limit=1&limit=2', {}],
      ['/v1/search?limit=1001', {}],
      ['/v1/search', { headers: { 'countersign-purpos': 'mistyped' } }],
    ]
    for (const [path, init] of answers) {
      const { said, response } = await ask(path, init)
      assert.equal(said.length, 1, `${init.method ?? 'GET'} ${path}: ${response.status}`)
    }
    const [first] = (await ask(q('outcome:denied'))).said
    assert.equal(first?.facts.rows, 15)
    assert.equal(first.statement.question, 'outcome:denied')
    assert.deepEqual(failures, [])
  })

  await t.test('whoever holds no role is refused, and told so', async () => {
    const { response, text } = await ask(q(''), { accesses: [] })
    assert.equal(response.status, 403)
    assert.equal((JSON.parse(text) as { code: string }).code, 'REPORT_ROLE')
    const page = await ask('/', { accesses: [] })
    assert.match(page.text, /^<!doctype html>/)
    for (const { template } of apiRoutes) assert.ok(page.text.includes(template), template)
    assert.ok(!/<script|https?:\/\/(?!127)/.test(page.text))
    assert.match(page.response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.match((await ask('/openapi.json', { accesses: [] })).text, /"openapi":"3\.1/)
  })

  await t.test('pages go on by their cursor, and by no cursor of another question', async () => {
    const seen: number[] = []
    let cursor = ''
    do {
      const page = await ask(`${q('service:orders')}&limit=7${cursor && `&cursor=${cursor}`}`)
      seen.push(...rowsOf(page).map(({ index }) => index))
      cursor = (JSON.parse(page.text) as { cursor?: string }).cursor ?? ''
    } while (cursor !== '')
    assert.equal(new Set(seen).size, 20)
    const most = await ask(`${q('')}&limit=1000`)
    assert.equal(rowsOf(most).length, ROWS_MAX)
    assert.match(most.text, /"cursor":/)
    const other = await ask(`${q('service:billing')}&limit=7`)
    const { cursor: wrong = '' } = JSON.parse(other.text) as { cursor?: string }
    for (const bad of [wrong, 'nonsense', `${wrong}A`]) {
      const refused = await ask(`${q('service:orders')}&limit=7&cursor=${bad}`)
      assert.equal(refused.response.status, 400)
      assert.match(refused.text, /SEARCH_CURSOR/)
    }
  })

  await t.test('hostile input is a clear refusal', async () => {
    const json = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const cases: readonly (readonly [string, RequestInit, number])[] = [
      [q('a'.repeat(5000)), {}, 400],
      [q('((((((((((((((((((((((a))))))))))))))))))))))'), {}, 400],
      ['/v1/search', { ...json, body: JSON.stringify({ text: 'x'.repeat(70_000) }) }, 413],
      ['/v1/search', { ...json, body: '['.repeat(1000) }, 400],
      ['/v1/search', { ...json, body: '{"__proto__":1}' }, 400],
      [
        '/v1/search',
        { method: 'POST', body: 'q=1', headers: { 'content-type': 'text/plain' } },
        415,
      ],
      ['/v1/questions/..%2F..%2Fetc', {}, 400],
      ['/v1/logs/0/tile/..%2f..%2fcheckpoint', {}, 400],
      ['/v1/logs/99/checkpoint', {}, 404],
    ]
    for (const [path, init, status] of cases) {
      const { response, text } = await ask(path, init)
      assert.ok(
        response.status === status || (status === 400 && response.status === 404),
        `${path.slice(0, 60)}: ${response.status} ${text.slice(0, 200)}`,
      )
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
    }
    assert.deepEqual(failures, [])
  })
})
