import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSmallApi, terminalOf } from '../testing/small-api.ts'
import type { Answered, Asked, SmallApi } from '../testing/small-api.ts'

const SECOND = 1_000_000_000n
const MORNING = 1_764_137_909n

type Fields = Readonly<Record<string, unknown>>

function rowOf(index: number, fields: Fields = {}): Fields {
  return {
    origin: 'audit.example.com/small',
    index,
    id: `01890a5d-ac96-774b-bcce-${String(index).padStart(12, '0')}`,
    time: String((MORNING - BigInt(index)) * SECOND),
    class: 'http.server',
    'actor.type': 'user',
    actor: 'alice',
    method: 'GET',
    route: '/orders/{id}',
    path: '/orders/17',
    service: 'orders',
    outcome: 'success',
    status: 200,
    duration: '12300000',
    ...fields,
  }
}

const page = (rows: readonly Fields[], more: Fields = {}): Answered => ({
  body: { transactions: rows, role: 'auditor', masked: false, ...more },
})

function apiOf(rows: readonly Fields[], more: Fields = {}): Promise<SmallApi> {
  return openSmallApi(({ path }) => (path === '/v1/search' ? page(rows, more) : undefined))
}

test('what is found is a table that fits a terminal of 80 columns, under a heading and its day', async () => {
  await using api = await apiOf([
    rowOf(7),
    rowOf(8, { outcome: 'denied', actor: 'a-service-with-a-very-long-name', status: 403 }),
  ])
  const { code, out } = await api.run(['search', 'service:orders'], terminalOf(80))
  assert.equal(code, 0)
  const lines = out.trimEnd().split('\n')
  assert.equal(lines.length, 4)
  assert.match(lines[0] ?? '', /^time +outcome +who +what +service +took leaf$/)
  assert.match(lines[1] ?? '', /^\d{4}-\d\d-\d\d$/)
  assert.match(
    lines[2] ?? '',
    /^\d\d:\d\d:\d\d success user alice +GET \/orders\/17 +orders +200 +12\.3 ms 7$/,
  )
  assert.match(lines[3] ?? '', /denied {2}user a-servic… GET/)
  for (const line of lines) assert.ok(Array.from(line).length <= 80, line)
})

test('in a pipe nothing is cut and nothing is added', async () => {
  await using api = await apiOf([rowOf(8, { path: `/orders/${'x'.repeat(100)}` })])
  const { out } = await api.run(['search'])
  assert.match(out, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d success .*\/orders\/x{100} .* 8\n$/)
})

test('a wider terminal gives its room to what was done', async () => {
  await using api = await apiOf([rowOf(8, { path: '/orders/17/a/longer/path' })])
  const { out } = await api.run(['search'], terminalOf(120))
  assert.ok(out.includes('GET /orders/17/a/longer/path '), out)
})

test('what is masked is there and stands back, and who sees no sealed content is told', async () => {
  const masked = rowOf(1, { actor: '[masked]', path: '[masked]' })
  await using api = await apiOf([masked], { masked: true, role: 'viewer' })
  const coloured = { ...terminalOf(80), hasColors: () => true }
  const { out, err } = await api.run(['search'], coloured)
  assert.ok(out.includes('user \u001b[2m[masked]\u001b[22m'), out)
  assert.ok(out.includes('GET /orders/{id}'), 'the template of its route is no secret')
  assert.equal(err, 'countersign: as viewer you see no sealed content\n')
})

test('nothing in a transaction reaches the terminal raw, in a table, in chosen fields, in JSON and in CSV', async () => {
  const hostile = 'a\u001b[2J\u009b1m\u202ereve\r\nnew'
  const control = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
  await using api = await openSmallApi(({ path, headers }) => {
    if (path !== '/v1/search') return undefined
    if (headers.accept === 'text/csv')
      return { type: 'text/csv', body: `"path"\r\n"${hostile}"\r\n` }
    return page([rowOf(1, { path: hostile, actor: hostile, service: hostile, outcome: hostile })])
  })
  for (const options of [[], ['--fields', 'path,actor,outcome'], ['--json'], ['--csv']]) {
    const { code, out } = await api.run(['search', ...options], terminalOf(200))
    assert.equal(code, 0)
    for (const line of out.split('\n')) assert.doesNotMatch(line, control, options.join(' '))
  }
  const { out } = await api.run(['search', '--json'])
  const parsed = JSON.parse(out) as Fields
  assert.equal(parsed['path'], hostile, 'JSON says the same in other letters')
  const piped = await api.run(['search', '--csv'])
  assert.equal(piped.out, `"path"\r\n"${hostile}"\r\n`, 'a pipe gets CSV byte for byte')
})

/** An API of `count` rows, a page at a time. */
function pagedApi(count: number): Promise<SmallApi> {
  return openSmallApi(({ path, body, headers }) => {
    if (path !== '/v1/search') return undefined
    const { limit, cursor } = body as { limit: number; cursor?: string }
    const from = Number(cursor ?? 0)
    const to = Math.min(count, from + limit)
    const rows = Array.from({ length: to - from }, (_, at) => from + at)
    const next = to < count ? String(to) : undefined
    if (headers.accept !== 'text/csv')
      return page(
        rows.map((index) => rowOf(index)),
        { cursor: next },
      )
    const lines = ['index', ...rows].map((index) => `${index}\r\n`)
    const more = next === undefined ? {} : { 'countersign-cursor': next }
    return { type: 'text/csv', headers: more, body: lines.join('') }
  })
}

const questionAt = (api: SmallApi, at: number): unknown => bodyAt(api, at)['q']

const bodyAt = (api: SmallApi, at: number): Fields =>
  (searches(api)[at] ?? assert.fail()).body as Fields

const searches = ({ asked }: SmallApi): Asked[] => asked.filter(({ path }) => path === '/v1/search')

test('more than an answer holds takes several, and no more than were asked for', async () => {
  await using api = await pagedApi(5000)
  const { out } = await api.run(['search', '--limit', '2500', '--json'])
  const indexes = out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { index: number }).index)
  assert.deepEqual(
    indexes,
    Array.from({ length: 2500 }, (_, at) => at),
  )
  assert.deepEqual(
    searches(api).map(({ body }) => (body as { limit: number }).limit),
    [1000, 1000, 500],
  )
})

test('CSV of several answers has one heading', async () => {
  await using api = await pagedApi(2100)
  const { out } = await api.run(['search', '--limit', '5000', '--csv'])
  const lines = out.trimEnd().split('\r\n')
  assert.equal(lines.length, 2101)
  assert.deepEqual(lines.slice(0, 2), ['index', '0'])
  assert.deepEqual(lines.filter((line) => line === 'index').length, 1)
})

test('that more is there is said to a person', async () => {
  await using api = await pagedApi(60)
  const { err } = await api.run(['search'], terminalOf(80))
  assert.match(err, /50 transactions shown, and more are there \(--limit N\)/)
  assert.equal((await api.run(['search'])).err, '', 'and a pipe is left alone')
})

test('nothing found is an answer like any other', async () => {
  await using api = await apiOf([])
  const { code, out, err } = await api.run(['search', 'nobody'], terminalOf(80))
  assert.deepEqual({ code, out, err }, { code: 0, out: '', err: 'countersign: nothing found\n' })
})

test('who asks, why and for which case travel with the question, whatever letters they are written in', async () => {
  await using api = await apiOf([])
  await api.run(['search', '--purpose', 'Prüfung № 4', '--ticket', 'SEC-12', '--role', 'auditor'])
  const { headers, method } = searches(api)[0] ?? assert.fail()
  assert.equal(method, 'POST', 'the question is in no list of requested URLs')
  assert.equal(headers['countersign-ticket'], 'SEC-12')
  assert.equal(headers['countersign-role'], 'auditor')
  assert.equal(headers['countersign-purpose'], `UTF-8''${encodeURIComponent('Prüfung № 4')}`)
})

test('a time beside the question is about all of it', async () => {
  await using api = await apiOf([])
  await api.run([
    'search',
    'a OR b',
    '--since',
    '24h',
    '--until',
    '2026-11-26T06:00:00Z',
    '--oldest',
  ])
  await api.run(['search', '--since', '24h'])
  assert.deepEqual(
    searches(api).map(({ body }) => (body as { q: string }).q),
    ['(a OR b) since:24h until:2026-11-26T06:00:00Z', 'since:24h'],
  )
})

test('an error in the question points at it', async () => {
  await using api = await openSmallApi(() => ({
    status: 400,
    type: 'application/problem+json',
    body: {
      code: 'SEARCH_SYNTAX',
      detail:
        "could not understand the question: there is no field 'statos'; did you mean 'status'?",
      at: { from: 15, to: 21 },
    },
  }))
  const { code, out, err } = await api.run(['search', 'service:orders statos:>=400'])
  assert.equal(code, 2)
  assert.equal(out, '')
  assert.deepEqual(err.split('\n').slice(0, 3), [
    "countersign: error: could not understand the question: there is no field 'statos'; did you mean 'status'?",
    '  service:orders statos:>=400',
    '                 ^^^^^^',
  ])
})

test('a field that is masked is an answer, which is no, and says what is needed', async () => {
  await using api = await openSmallApi(() => ({
    status: 403,
    body: {
      code: 'SEARCH_MASKED',
      detail: "could not ask by 'actor': it is masked for you",
      hint: 'state why, with the header countersign-purpose',
      at: { from: 0, to: 5 },
    },
  }))
  const { code, err } = await api.run(['search', 'actor:alice'])
  assert.equal(code, 1)
  assert.equal(
    err,
    `countersign: error: could not ask by 'actor': it is masked for you
  actor:alice
  ^^^^^
countersign: hint: state why, with --purpose
`,
  )
})

test('that the index is behind is said, and what no longer goes on is a warning', async () => {
  await using api = await openSmallApi(({ path }) => {
    if (path === '/v1/search') return page([])
    const logs = [
      { n: 0, origin: 'a', next: 10, size: 1214, lagMs: 3100 },
      { n: 1, origin: 'b', next: 7, size: 7, lagMs: 0 },
      { n: 2, origin: 'c', next: 7, size: 9, lagMs: 2, problem: 'tile 3 is not what was signed' },
      { n: 3, origin: 'd', next: 7, size: 9, lagMs: 12 },
    ]
    return path === '/v1/status' ? { body: { logs } } : undefined
  })
  const { code, err } = await api.run(['search'])
  assert.equal(code, 0)
  assert.equal(
    err,
    `countersign: the index is 1,204 records (3 s) behind a
countersign: warning: the index no longer follows c: tile 3 is not what was signed
`,
  )
})

test('chosen fields are columns, as wide as what is in them', async () => {
  await using api = await apiOf([rowOf(1), rowOf(2, { service: 'billing' })])
  const { out } = await api.run(['search', '--fields', 'index,service,duration'])
  assert.equal(out, '1  orders   12.3 ms\n2  billing  12.3 ms\n')
  assert.deepEqual(bodyAt(api, 0)['fields'], ['index', 'service', 'duration'])
})

test('a question is kept under a name, and asked by it', async () => {
  const saved = { name: 'refused', text: 'outcome:denied', by: 'b'.repeat(32), time: '0' }
  await using api = await openSmallApi(({ path }) => {
    if (path === '/v1/questions') return { body: { questions: [saved] } }
    if (path === '/v1/questions/refused') return { body: saved }
    return path === '/v1/search' ? page([]) : undefined
  })
  await api.run(['search', 'outcome:denied', '--save', 'refused', '--since', '1h'])
  const put = api.asked.find(({ method }) => method === 'PUT')
  assert.deepEqual(put?.body, { text: 'outcome:denied' })
  await api.run(['search', '--saved', 'refused', '--since', '2h'])
  assert.equal(questionAt(api, 1), 'outcome:denied since:2h')
  const { code, err } = await api.run(['search', '--saved', 'other'])
  assert.equal(code, 2)
  assert.match(err, /could not find a saved question 'other'/)
})

test('wrong usage is found before anybody is asked', async () => {
  await using api = await apiOf([])
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['--fields', 'statos'], /'statos' is not a field\n.*did you mean 'status'\?/],
    [['--limit', '0'], /--limit: it is from 1 to 1,000,000/],
    [['--limit', '1000001'], /--limit: it is from 1 to 1,000,000/],
    [['--json', '--csv'], /--json or --csv, not both/],
    [['x', '--saved', 'y'], /a question or --saved NAME, not both/],
    [['--key-file', 'x'], /--key-file goes with --api/],
  ]
  for (const [args, message] of wrong) {
    const { code, err } = await api.run(['search', ...args])
    assert.equal(code, 2)
    assert.match(err, message)
  }
  assert.equal(api.asked.length, 0)
})
