import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Transaction } from '@countersign/record/transaction'
import { trailOf } from '../trace.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

function step(id: string, facts: Partial<Transaction> = {}): Transaction {
  return { origin: 'log.example', index: 0, id, time: '1', trace: TRACE, ...facts }
}

function shown(transactions: readonly Transaction[]): string[] {
  return trailOf(TRACE, transactions).steps.map(
    ({ transaction, depth, basis }) => `${'>'.repeat(depth)}${transaction.id} ${basis}`,
  )
}

test('a call stands under the request that caused it, whatever order they come in', () => {
  const request = step('request', { span: 'a', time: '5' })
  const call = step('call', { span: 'b', parent: 'a', time: '9' })
  const query = step('query', { cause: 'request', time: '10' })
  const expected = ['request none', '>call span', '>query cause']
  assert.deepEqual(shown([query, call, request]), expected)
  assert.deepEqual(shown([request, query, call]), expected)
})

test('a cause on record is stronger than a span', () => {
  const one = step('one', { span: 'a', time: '1' })
  const two = step('two', { span: 'b', time: '2' })
  const three = step('three', { parent: 'a', cause: 'two', time: '3' })
  assert.deepEqual(shown([one, two, three]), ['one none', 'two none', '>three cause'])
})

test('causes that point in circles are shown all the same, each once', () => {
  const one = step('one', { cause: 'two', time: '1' })
  const two = step('two', { cause: 'one', time: '2' })
  const self = step('self', { cause: 'self', time: '3' })
  assert.deepEqual(shown([self, two, one]), ['self none', 'one none', '>two cause'])
})

test('a trace of a hundred thousand steps, each under the last, does not end the process', () => {
  const chain = Array.from({ length: 100_000 }, (_, at) =>
    step(String(at), { time: String(at), ...(at === 0 ? {} : { cause: String(at - 1) }) }),
  )
  assert.equal(trailOf(TRACE, chain).steps.at(-1)?.depth, 99_999)
})

test('a trail holds each transaction once, below what it says it is below', () => {
  const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const transactions = fc.uniqueArray(
    fc.record({ id: ids, cause: ids, span: ids, parent: ids, time: fc.nat(9).map(String) }),
    { selector: ({ id }) => id, maxLength: 5 },
  )
  fc.assert(
    fc.property(transactions, (all) => {
      const trail = trailOf(
        TRACE,
        all.map(({ id, ...facts }) => step(id, facts)),
      )
      const names = trail.steps.map(({ transaction }) => transaction.id)
      assert.deepEqual(names.toSorted(), all.map(({ id }) => id).toSorted())
      for (const [at, { depth }] of trail.steps.entries())
        assert.ok(depth === 0 || depth <= (trail.steps[at - 1]?.depth ?? 0) + 1)
    }),
  )
})
