import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Asking, Completion } from '@countersign/record/question'
import { COMPLETIONS_MAX, completeQuestion } from './complete.ts'
import { parseQuestion } from './decode.ts'

const asking: Asking = { scope: { kind: 'all' }, unmasked: true }
const masked: Asking = { ...asking, unmasked: false }
const values = ['orders', 'orders two', 'say "hi"', 'a*b', 'back\\slash', '(']

const at = (text: string, as: Asking = asking): Promise<readonly Completion[]> => {
  const cursor = text.indexOf('|')
  return completeQuestion(text.replace('|', ''), cursor, {
    asking: as,
    valuesOf: (_, beginning) => Promise.resolve(values.filter((one) => one.startsWith(beginning))),
  })
}
const inserts = async (text: string, as?: Asking): Promise<string[]> =>
  (await at(text, as)).map(({ insert }) => insert)

test('fields, operators and values are completed where they can stand', async () => {
  assert.deepEqual((await inserts('serv|')).slice(0, 1), ['service:'])
  assert.deepEqual((await inserts('outcome:denied -sta|')).slice(0, 1), ['status:'])
  assert.ok((await inserts('email|')).includes('actor.email:'))
  assert.deepEqual(await inserts('outcome:d|'), ['denied'])
  assert.deepEqual(await inserts('service:o|'), ['orders', '"orders two"'])
  assert.deepEqual(await inserts('service:(billing o|)'), ['orders', '"orders two"'])
  assert.deepEqual(await inserts('service:"say|'), ['"say \\"hi\\""'])
  assert.deepEqual(await inserts('status:|'), ['>=', '<=', '>', '<', '403'])
  assert.deepEqual(await inserts('allowed:|'), ['true', 'false'])
  assert.deepEqual(await inserts('since:2|'), ['24h'])
  assert.deepEqual(await inserts('"free te|'), [])
  assert.deepEqual(await inserts('nosuch:va|'), [])
})

test('what is replaced is the word under the cursor', async () => {
  const [first] = await at('outcome:denied serv|ice:orders')
  assert.deepEqual(first, {
    insert: 'service:',
    from: 15,
    to: 23,
    kind: 'field',
    about: 'The service asked for, or the one that calls out.',
  })
})

test('values of a sealed field are not told to whoever sees it masked', async () => {
  assert.deepEqual(await inserts('actor:o|', masked), [])
  assert.notDeepEqual(await inserts('actor:o|'), [])
})

test('any text and any place is completed without an error, and never with too much', async () => {
  const piece = fc.oneof(
    fc.constantFrom('service:', 'actor:', '(', ')', '"', '\\', '-', ' ', 'OR', '>=', 'since:', '*'),
    fc.string({ unit: 'binary', maxLength: 3 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.nat(40), async (pieces, cursor) => {
      const text = pieces.join('')
      const found = await completeQuestion(text, cursor, {
        asking,
        valuesOf: () => Promise.resolve(Array.from({ length: 200 }, (_, n) => `value ${n}`)),
      })
      assert.ok(found.length <= COMPLETIONS_MAX)
      for (const { from, to } of found) assert.ok(from <= to && to <= text.length)
    }),
  )
})

test('a completed value behind what can be read can be read', async () => {
  const before = fc.constantFrom('', 'outcome:denied ', '-(status:>=400) ', 'service:(a b) OR ')
  const field = fc.constantFrom(
    'service',
    'route',
    'actor',
    'label',
    'outcome',
    'allowed',
    'status',
  )
  await fc.assert(
    fc.asyncProperty(before, field, async (start, name) => {
      const text = `${start}${name}:`
      for (const { insert, kind, from, to } of await at(`${text}|`)) {
        if (kind === 'operator') continue
        parseQuestion(text.slice(0, from) + insert + text.slice(to), 0n)
      }
    }),
  )
})
