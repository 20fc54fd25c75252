import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Asking, PageRequest } from '@countersign/record/question'
import { SearchError } from '../errors.ts'
import { parseQuestion } from '../language/decode.ts'
import { CURSOR_CHARACTERS_MAX, CURSOR_LOGS_MAX, decodeCursor, encodeCursor } from './cursor.ts'
import type { LogSize, Position } from './cursor.ts'

const NOW = 1_764_137_909_000_000_000n
const asking: Asking = { scope: { kind: 'services', services: ['a', 'b'] }, unmasked: true }

function asked(text: string, other: Partial<PageRequest & { asking: Asking }> = {}) {
  return { question: parseQuestion(text, NOW), asking, ...other }
}

const logs: readonly LogSize[] = [
  { origin: 'a.example', size: 7 },
  { origin: 'b.example', size: 2 ** 50 },
]
const position: Position = {
  after: { timeNs: NOW, origin: 'b.example', firstLeaf: 12 },
  sizes: logs,
  sinceNs: NOW - 1n,
}

test('a cursor says where it was made', () => {
  const cursor = encodeCursor(position, asked('status:403'))
  const grown = [...logs.map(({ origin }) => ({ origin, size: 99 })), { origin: 'c', size: 1 }]
  assert.deepEqual(decodeCursor(cursor, asked('status:403'), grown), position)
  assert.match(cursor, /^[\w-]+$/)
})

test('a cursor of since:24h goes on a minute later with what that meant first', () => {
  const cursor = encodeCursor(position, asked('since:24h status:403'))
  const later = { question: parseQuestion('since:24h status:403', NOW + 60_000_000_000n), asking }
  assert.equal(decodeCursor(cursor, later, logs).sinceNs, position.sinceNs)
})

test('a cursor of another question, order, reader or log is refused', () => {
  const cursor = encodeCursor(position, asked('since:24h status:403'))
  const others = [
    asked('since:24h status:404'),
    asked('since:25h status:403'),
    asked('status:403'),
    asked('since:24h status:403 until:now'),
    asked('since:24h status:403', { order: 'oldest' }),
    asked('since:24h status:403', { asking: { ...asking, unmasked: false } }),
    asked('since:24h status:403', { asking: { ...asking, scope: { kind: 'all' } } }),
  ]
  for (const other of others)
    assert.throws(() => decodeCursor(cursor, other, logs), {
      code: 'SEARCH_CURSOR',
      message: /another question/,
    })
  assert.throws(() => decodeCursor(cursor, asked('since:24h status:403'), logs.slice(1)), {
    code: 'SEARCH_CURSOR',
    message: /of a log that this index does not hold/,
  })
})

test('what is no cursor is refused, and what was changed is a place or refused', () => {
  const question = asked('status:403')
  const cursor = encodeCursor(position, question)
  const read = (text: string): void => {
    try {
      const { after, sizes } = decodeCursor(text, question, logs)
      assert.ok(logs.some(({ origin }) => origin === after.origin))
      assert.ok(sizes.every(({ size }) => Number.isSafeInteger(size) && size >= 0))
    } catch (error) {
      assert.ok(error instanceof SearchError && error.code === 'SEARCH_CURSOR', String(error))
    }
  }
  for (const text of [
    '',
    'x',
    `${cursor}A`,
    cursor.slice(4),
    `${cursor}=`,
    '0 OR 1=1',
    'A'.repeat(CURSOR_CHARACTERS_MAX + 1),
  ])
    assert.throws(() => decodeCursor(text, question, logs), { code: 'SEARCH_CURSOR' })
  fc.assert(fc.property(fc.string({ unit: 'binary' }), read))
  fc.assert(
    fc.property(fc.nat({ max: 200 }), fc.nat({ max: 255 }), (at, value) => {
      const bytes = Buffer.from(cursor, 'base64url')
      bytes[at % bytes.length] = value
      read(bytes.toString('base64url'))
    }),
    { numRuns: 1000 },
  )
})

test('a cursor holds as many logs as it says, and no more', () => {
  const many = (count: number): LogSize[] =>
    Array.from({ length: count }, (_, at) => ({ origin: `log-${at}`, size: at }))
  const of = (count: number): Position => ({
    after: { timeNs: NOW, origin: 'log-0', firstLeaf: 0 },
    sizes: many(count),
  })
  const cursor = encodeCursor(of(CURSOR_LOGS_MAX), asked(''))
  assert.ok(cursor.length <= CURSOR_CHARACTERS_MAX)
  assert.equal(decodeCursor(cursor, asked(''), many(CURSOR_LOGS_MAX)).sizes.length, CURSOR_LOGS_MAX)
  assert.throws(() => encodeCursor(of(CURSOR_LOGS_MAX + 1), asked('')), { code: 'SEARCH_LIMIT' })
})
