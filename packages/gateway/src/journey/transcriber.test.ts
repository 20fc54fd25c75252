import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeAddendum, decodeEntry } from '@countersign/record/decode'
import { encodeAddendum, encodeDraft } from '@countersign/record/encode'
import type { Draft } from '@countersign/record/leaf'
import { openSalts } from '@countersign/record/salt'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import fc from 'fast-check'
import type { Observed } from '../capture.ts'
import { sha256 } from '../cryptography.ts'
import { openTranscriber } from './transcriber.ts'

const id = '019a0000-0000-7000-8000-000000000001'
const write = openTranscriber({
  environment: 'test',
  instance: 'gateway-1',
  ownerOf: (service) => (service === 'orders' ? 'orders-team' : undefined),
  nowNs: () => 2_000_000_000_000_000_000n,
  newId: () => id,
  salt: openSalts(),
})

const captured = (parts: Partial<Captured['request']> = {}): Captured => ({
  id,
  direction: 'inbound',
  kind: 'http',
  occurredNs: 1_900_000_000_000_000_000n,
  request: {
    method: 'GET',
    scheme: 'http',
    host: 'orders.example',
    port: 80,
    path: '/orders/1',
    headers: [],
    body: { framing: 'none' },
    ...parts,
  },
  trace: { id: '1'.repeat(32), span: '2'.repeat(16), parent: '3'.repeat(16), flags: '01' },
  requestId: 'r-1',
  peer: { address: '192.0.2.1', port: 40_000 },
  client: { address: '198.51.100.7', chain: ['198.51.100.7'] },
  presented: {},
})
const actor: Actor = {
  id: 'a'.repeat(32),
  type: 'user',
  name: 'alice',
  groups: ['support'],
  credential: { kind: 'api_key', defects: [] },
}
const decision: Decision = {
  allowed: true,
  rule: 'services.orders.routes[0]: GET /orders/{id}',
  reason: 'granted',
  explanation: 'granted',
  wouldDeny: false,
  policyHash: 'f'.repeat(64),
  mode: 'strict',
  acknowledge: 'D0',
  depth: 'meta',
  labels: ['pii'],
  roles: ['support'],
  action: 'orders.read',
  service: 'orders',
  route: '/orders/{id}',
  routeMatch: 'declared',
}
const observed: Observed = {
  outcome: 'success',
  status: 200,
  requestBytes: 0,
  responseBytes: 11,
  durationNs: 1_000_000,
  firstByteNs: 900_000,
  addenda: [],
}

function written(draft: Draft): ReturnType<typeof decodeEntry> & { addenda: Uint8Array[] } {
  const stamp = { session: '019a0000-0000-7000-8000-0000000000ff', seq: 0 }
  const { entry, addenda } = encodeDraft(draft, stamp, sha256)
  return { ...decodeEntry(entry), addenda }
}

test('intent and outcome share an id and tell one story', () => {
  const intent = written(write.intent(captured(), actor, decision)).leaf
  const outcome = written(write.outcome({ captured: captured(), actor, decision, observed })).leaf
  assert.deepEqual([intent.id, intent.phase, intent.outcome], [id, 'intent', undefined])
  assert.deepEqual([outcome.id, outcome.phase, outcome.outcome], [id, 'outcome', 'success'])
  assert.deepEqual(intent.service, { name: 'orders', owner: 'orders-team', instance: 'gateway-1' })
  assert.equal(intent.decision?.rule, decision.rule)
  assert.equal(outcome.decision, undefined)
  assert.equal(outcome.http?.response_bytes, 11)
})

test('one record of mode bounded says what two of mode strict say', () => {
  const { leaf } = written(write.single({ captured: captured(), actor, decision, observed }))
  assert.deepEqual([leaf.phase, leaf.outcome, leaf.http?.status], ['single', 'success', 200])
  assert.equal(leaf.actor?.id, actor.id)
  assert.equal(leaf.time.observed, '2000000000000000000')
})

test('a later stage that overrules the decision is what the outcome says', () => {
  const overruled = {
    ...decision,
    allowed: false,
    reason: 'metadata_address',
    rule: 'floor: metadata address',
  } as const
  const denied: Observed = { ...observed, outcome: 'denied', overruled }
  const { leaf } = written(
    write.outcome({ captured: captured(), actor, decision, observed: denied }),
  )
  assert.deepEqual([leaf.outcome, leaf.reason], ['denied', 'metadata_address'])
  assert.equal(leaf.decision?.allowed, false)
})

test('a read of the log says whose it is and what was returned, and never what was asked', () => {
  const of = openTranscriber({
    instance: 'reader-1',
    ownerOf: () => undefined,
    kindOf: ({ action }) =>
      action === 'log.search' ? { class: 'read', crud: 'read' } : { class: 'read' },
    nowNs: () => 2_000_000_000_000_000_000n,
    newId: () => id,
    salt: openSalts(),
  })
  const { service: _, ...search } = { ...decision, action: 'log.search', route: '/v1/search' }
  const posted = captured({ method: 'POST', path: '/v1/search' })
  const read: Observed['read'] = {
    role: 'auditor',
    scope: 'all',
    unmasked: false,
    rows: 2,
    records: [{ origin: 'audit.example.com/eu-1', leaves: '3,5' }],
  }
  const asked = encodeAddendum(
    'read',
    { question: 'actor:alice', purpose: 'a dispute' },
    new Uint8Array(16),
  )
  const cause = { id, basis: 'declared' } as const
  const answered: Observed = { ...observed, read, cause, addenda: [asked] }

  const intent = written(of.intent(posted, actor, search)).leaf
  assert.deepEqual([intent.class, intent.crud, intent.read], ['read', 'read', undefined])
  assert.deepEqual(intent.destination, { registered: true, allowed: true })
  for (const draft of [
    of.outcome({ captured: posted, actor, decision: search, observed: answered }),
    of.single({ captured: posted, actor, decision: search, observed: answered }),
  ]) {
    const { leaf } = written(draft)
    assert.deepEqual([leaf.class, leaf.crud, leaf.read, leaf.cause], ['read', 'read', read, cause])
    assert.equal(leaf.addenda?.at(-1)?.name, 'read')
    assert.doesNotMatch(JSON.stringify(leaf), /alice|dispute/)
  }
  // A request that no route takes reads nothing, and is one of the reader's all the same.
  const lost = written(of.intent(posted, actor, { ...search, action: 'log.request' })).leaf
  assert.deepEqual([lost.class, lost.crud], ['read', undefined])
})

test('an intent that a crash left alone is closed as unknown', () => {
  const intent = written(write.intent(captured(), actor, decision)).leaf
  const { leaf } = written(write.unknown(intent))
  assert.deepEqual([leaf.id, leaf.outcome, leaf.reason], [id, 'unknown', 'crash'])
  assert.equal(leaf.time.occurred, intent.time.occurred)
})

test('what identifies or reveals is in the addendum, and never in the leaf', () => {
  const word = fc.stringMatching(/^[a-z]{12}$/).map((text) => `reveal${text}`)
  fc.assert(
    fc.property(fc.tuple(word, word, word, word, word, word), (words) => {
      const [path, query, agent, name, email, group] = words
      const request = captured({
        path: `/orders/${path}`,
        query: `q=${query}`,
        headers: [['user-agent', agent]],
      })
      const person = { ...actor, name, email: `${email}@example.com`, groups: [group] }
      for (const draft of [
        write.intent(request, person, decision),
        write.single({ captured: request, actor: person, decision, observed }),
      ]) {
        const { leaf, addenda } = written(draft)
        const [addendum] = addenda
        assert.ok(addendum !== undefined)
        const revealed = JSON.stringify(decodeAddendum(addendum))
        for (const secret of [...words, '198.51.100.7', '192.0.2.1']) {
          assert.ok(!JSON.stringify(leaf).includes(secret), secret)
          assert.ok(revealed.includes(secret), secret)
        }
      }
    }),
  )
})

test('the same request twice has different digests: an erased addendum cannot be guessed', () => {
  const first = written(write.intent(captured(), actor, decision))
  const second = written(write.intent(captured(), actor, decision))
  assert.notDeepEqual(first.digests, second.digests)
})

test('secrets in a query do not reach the log', () => {
  const request = captured({ query: 'access_token=abcdefgh12345678&page=2' })
  const { addenda } = written(write.intent(request, actor, decision))
  const text = new TextDecoder().decode(addenda[0])
  assert.ok(text.includes('access_token=[redacted]&page=2'), text)
})

test('every lifecycle fact can be written', () => {
  const clock = { source: 'system/tsc', offset_ns: -12 }
  const facts = [
    { kind: 'boot', component: 'gateway', version: '0.1.0', binary: 'a'.repeat(64), clock },
    { kind: 'heartbeat', counters: { requests: 3 }, clock, open_from: 7, open: 1 },
    { kind: 'gap', from: '1', to: '2', count: 3, why: 'LEDGER_FULL' },
    { kind: 'config', config: 'b'.repeat(64), policy: 'c'.repeat(64), accepted: false, error: 'X' },
    { kind: 'shutdown', component: 'gateway' },
    { kind: 'alarm', what: 'tile_damaged', raised: true, about: 'tile/0/000', detail: 'X' },
    { kind: 'erasure', subject: 'p', basis: 'art. 17', by: 'dpo', leaves: '3', part: 1, parts: 1 },
    { kind: 'hold', subject: 'p', matter: '2026/7', basis: 'court order', by: 'legal' },
  ] as const
  for (const fact of facts) {
    const { leaf } = written(write.lifecycle(fact))
    assert.deepEqual(leaf.lifecycle, fact)
    assert.equal(leaf.action, `lifecycle.${fact.kind}`)
  }
})

test('a request that could not be understood is on record with its defect', () => {
  const { leaf, addenda } = written(
    write.malformed({
      id,
      direction: 'inbound',
      occurredNs: 1n,
      peer: { address: '192.0.2.1', port: 1 },
      defect: 'duplicate_host',
      explanation: 'two Host headers',
      status: 400,
      requestLine: 'GET / HTTP/1.1',
    }),
  )
  assert.deepEqual(
    [leaf.outcome, leaf.reason, leaf.action],
    ['denied', 'duplicate_host', 'http.malformed'],
  )
  assert.ok(new TextDecoder().decode(addenda[0]).includes('GET / HTTP/1.1'))
})
