import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openSmallApi, terminalOf } from '../testing/small-api.ts'
import type { SmallApi } from '../testing/small-api.ts'
import { branchesOf } from './trace.ts'

type Fields = Readonly<Record<string, unknown>>
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const ID = '01890a5d-ac96-774b-bcce-b302099a8059'

function groupsApi(groups: readonly Fields[]): Promise<SmallApi> {
  return openSmallApi(({ path }) =>
    path === '/v1/aggregate' ? { body: { groups, measures: [], role: 'auditor' } } : undefined,
  )
}

test('top prints measures as people read them, then what they are of', async () => {
  await using api = await groupsApi([
    { by: { service: 'orders', status: 200 }, measures: [12_345, 2_400_000_000, 0.5] },
    { by: { service: 'billing', status: null }, measures: [7, null, 0.01] },
  ])
  const args = [
    'top',
    'service,status',
    'since:24h',
    '--measure',
    'count,p95:duration',
    '-m',
    'rate',
  ]
  const { code, out } = await api.run(args, terminalOf(80))
  assert.equal(code, 0)
  assert.equal(
    out,
    [
      ' count  p95:duration      rate  service  status',
      '12,345         2.4 s   0.500/s  orders   200',
      '     7             -  0.0100/s  billing',
      '',
    ].join('\n'),
  )
  const { body } = api.asked[0] ?? assert.fail()
  assert.deepEqual(body, {
    q: 'since:24h',
    by: ['service', 'status'],
    measures: ['count', 'p95:duration', 'rate'],
    limit: 20,
  })
})

test('top over time needs no field: then what is typed is the question', async () => {
  await using api = await groupsApi([{ time: '1764137909000000000', by: {}, measures: [3] }])
  const { out } = await api.run(['top', '--every', '1h', 'outcome:denied'])
  assert.match(out, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}3\n$/)
  const { body } = api.asked[0] ?? assert.fail()
  assert.deepEqual(body, {
    q: 'outcome:denied',
    by: [],
    measures: ['count'],
    every: '1h',
    limit: 20,
  })
  const json = await api.run(['top', 'service', '--every', '1h', '--json'])
  assert.deepEqual(JSON.parse(json.out), {
    time: '1764137909000000000',
    by: { service: '' },
    count: 3,
  })
})

test('top says what it lacks', async () => {
  await using api = await groupsApi([])
  assert.match((await api.run(['top'])).err, /top needs a field/)
  assert.match((await api.run(['top', 'servce'])).err, /did you mean 'service'/)
  assert.match((await api.run(['top', 'service', '--limit', '1001'])).err, /from 1 to 1,000/)
})

const steps = [
  {
    depth: 0,
    basis: 'none',
    transaction: stepOf(10, { path: '/orders/17', duration: '120000000' }),
  },
  {
    depth: 1,
    basis: 'cause',
    transaction: stepOf(12, { class: 'http.client', destination: 'localhost', port: 80 }),
  },
  {
    depth: 2,
    basis: 'span',
    transaction: stepOf(13, { outcome: 'denied', allowed: false, decision: 'no_grant' }),
  },
  { depth: 1, basis: 'cause', transaction: stepOf(14, { actor: '[masked]' }) },
]

function stepOf(index: number, fields: Fields): Fields {
  return {
    origin: 'o',
    index,
    id: ID,
    time: String(1_764_137_909_000_000_000n + BigInt(index - 10) * 1_500_000n),
    trace: TRACE,
    class: 'http.server',
    'actor.type': 'service',
    actor: 'billing',
    service: 'orders',
    method: 'GET',
    route: '/orders/{id}',
    outcome: 'success',
    status: 200,
    ...fields,
  }
}

function traceApi(): Promise<SmallApi> {
  return openSmallApi(({ path }) => {
    if (path === `/v1/traces/${TRACE}`) return { body: { trace: TRACE, steps, more: false } }
    if (path === `/v1/records/${ID}`) return { body: { transaction: steps[0]?.transaction } }
    return undefined
  })
}

test('a trace is a tree, with times after its first step', async () => {
  await using api = await traceApi()
  const { code, out } = await api.run(['trace', TRACE])
  assert.equal(code, 0)
  const lines = out.trimEnd().split('\n')
  assert.equal(lines[0], `trace ${TRACE}`)
  assert.match(lines[1] ?? '', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}4 steps, 1 service, 120\.0 ms$/)
  assert.deepEqual(lines.slice(2), [
    '    +0 µs 120.0 ms  orders GET /orders/17 by service billing success 200 leaf 10',
    '  +3.0 ms           ├ orders > localhost:80 by service billing success 200 leaf 12',
    '  +4.5 ms           │ └ orders GET /orders/{id} by service billing denied 200 (no_grant) leaf 13',
    '  +6.0 ms           └ orders GET /orders/{id} by service [masked] success 200 leaf 14',
  ])
  const terminal = await api.run(['trace', TRACE], terminalOf(80))
  for (const line of terminal.out.split('\n')) assert.ok(Array.from(line).length <= 80, line)
})

test('a trace is found by any record of it', async () => {
  await using api = await traceApi()
  const { out } = await api.run(['trace', ID, '--json'])
  assert.equal(out.trimEnd().split('\n').length, 4)
  assert.match((await api.run(['trace', 'x'])).err, /'x' is no trace id \(32 hex digits\)/)
})

test('a step ends its branch exactly when no other of its depth follows below the same step', () => {
  const walk = fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }).map((wishes) => {
    const depths: number[] = []
    for (const wish of wishes)
      depths.push(depths.length === 0 ? 0 : Math.min(wish, (depths.at(-1) ?? 0) + 1))
    return depths
  })
  fc.assert(
    fc.property(walk, (depths) => {
      for (const [at, branch] of branchesOf(depths).entries()) {
        const depth = depths[at] ?? 0
        assert.equal(branch.length, 2 * depth)
        if (depth === 0) continue
        const later = depths.slice(at + 1)
        const shallower = later.findIndex((other) => other < depth)
        const siblings = shallower < 0 ? later : later.slice(0, shallower)
        assert.equal(
          branch.endsWith('├ '),
          siblings.includes(depth),
          `${depths.join(' ')} at ${at}`,
        )
      }
    }),
  )
})

test('questions are listed, shown, kept and deleted', async () => {
  const saved = {
    name: 'refused',
    text: 'outcome:denied\u001b',
    about: 'each morning',
    by: 'b',
    time: '0',
  }
  await using api = await openSmallApi(({ path }) => {
    if (path === '/v1/questions') return { body: { questions: [saved] } }
    return path === '/v1/questions/refused' ? { body: saved } : undefined
  })
  assert.equal(
    (await api.run(['questions', 'list'])).out,
    'refused  outcome:denied\\u{1b}  each morning\n',
  )
  assert.equal((await api.run(['questions', 'show', 'refused'])).out, 'outcome:denied\\u{1b}\n')
  await api.run(['questions', 'save', 'refused', 'x', '--about', 'y'])
  await api.run(['questions', 'delete', 'refused'])
  const [put, gone] = api.asked.slice(-2)
  assert.deepEqual([put?.method, put?.body], ['PUT', { text: 'x', about: 'y' }])
  assert.equal(gone?.method, 'DELETE')
  assert.match((await api.run(['questions'])).err, /it is 'questions list'/)
  assert.match((await api.run(['questions', 'save', 'x'])).err, /needs a name and a question/)
  assert.match((await api.run(['questions', 'list', '--about', 'x'])).err, /--about goes with save/)
})

test('an unmasking is asked for, listed, and approved by its id', async () => {
  const one = {
    id: ID,
    question: 'id:x',
    purpose: 'case 7',
    by: 'b',
    time: '0',
    state: 'waiting',
    until: '0',
  }
  await using api = await openSmallApi(({ path, method }) => {
    if (path === '/v1/unmaskings' && method === 'GET') return { body: { unmaskings: [one] } }
    if (path.startsWith('/v1/unmaskings')) return { status: 201, body: { ...one, approval: ID } }
    return undefined
  })
  const asked = await api.run(['unmask', 'request', 'path:/x', '--purpose', 'case 7'])
  assert.equal(asked.out, `${ID}\n`, 'stdout is data: the id')
  assert.deepEqual(api.asked[0]?.body, { question: 'path:/x', purpose: 'case 7' })
  assert.equal(api.asked[0]?.headers['countersign-role'], 'investigator')
  assert.match((await api.run(['unmask', 'list'])).out, /^waiting {2}0189.* case 7\n$/)
  const approved = await api.run(['unmask', 'approve', ID])
  assert.equal(api.asked.at(-1)?.path, `/v1/unmaskings/${ID}/approval`)
  assert.match(approved.err, new RegExp(`--approval ${ID}`))
  assert.match((await api.run(['unmask', 'request', 'x'])).err, /--purpose says who or why/)
  assert.match((await api.run(['unmask', 'request', 'x', '--record', ID])).err, /it is one of/)
  assert.match((await api.run(['unmask', 'approve', 'x'])).err, /'x' is not an id/)
})

async function* live(): AsyncGenerator<string, void, undefined> {
  const event = `event: transaction\ndata: ${JSON.stringify(stepOf(3, {}))}\n\n`
  yield ': there\n\n'
  yield event.slice(0, 30)
  yield `${event.slice(30)}event: gap\ndata: {"why":"too slow"}\n\nevent: transaction\r\ndata: {`
  yield `"index":4,"time":"0"}\r\n\r\n`
}

test('tail with a question prints what ends, as it comes', async () => {
  await using api = await openSmallApi(({ path }) =>
    path === '/v1/live' ? { type: 'text/event-stream', pieces: live() } : undefined,
  )
  const { code, out, err } = await api.run(['tail', 'outcome:denied', '--json'])
  assert.equal(code, 0)
  const indexes = out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { index: number }).index)
  assert.deepEqual(indexes, [3, 4])
  assert.match(err, /following what fits the question/)
  assert.match(err, /left out/)
  assert.equal(api.asked[0]?.query.get('q'), 'outcome:denied')
})

test('tail takes what is a place for a place, and anything behind --filter for a question', async () => {
  await using api = await openSmallApi(({ path }) =>
    path === '/v1/live' ? { type: 'text/event-stream', body: '' } : undefined,
  )
  for (const place of ['./nowhere', 'nowhere/', 'http://127.0.0.1:1/log'])
    assert.doesNotMatch((await api.run(['tail', place, '--once'])).err, /question/)
  await api.run(['tail', '--filter', './nowhere'])
  assert.equal(api.asked[0]?.query.get('q'), './nowhere')
  assert.match((await api.run(['tail', 'x', '--once'])).err, /--once goes with a log/)
  assert.match(
    (await api.run(['tail', '.', '--purpose', 'x'])).err,
    /--purpose goes with a question/,
  )
  assert.match((await api.run(['tail', '.', '--filter', 'x'])).err, /--filter asks the reader/)
})
