/** Generated transactions and filters, from few enough values that they meet; strings are such as break quoting, patterns and words. */
import fc from 'fast-check'
import type { Filter, FilterValue } from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import { fieldNames } from '../columns.ts'
import { NOWHERE, merged } from '../language/conditions.ts'
import { allOf, anyOf, every, notOf, wordsOf } from '../language/filter.ts'

const HOSTILE = [
  '',
  'orders',
  'ORDERS read-all',
  "o'brien",
  'say "hi"',
  'back\\slash',
  '\\',
  '\\N',
  '100%',
  '%',
  '_',
  'a_b',
  '*',
  'a*b',
  'nul\u0000here',
  'two\nlines',
  '\t',
  'Straße ÜBER',
  'ΟΔΟΣ ΣΑΣ.',
  'İstanbul',
  '日本語',
  '😀 smile',
  "'; DROP TABLE transactions; --",
  '{p0:String}',
  'OR',
  '-x',
  '>=400',
  '400..499',
  '0f8fad5bd9cb469fa16570867728950e',
] as const

/** Well-formed text. */
export const someText = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
)

const someNumber = fc.constantFrom(0, 200, 403, 404, 500, 65_536, Number.MAX_SAFE_INTEGER)
const EPOCH = 1_764_137_909_123_456_789n
const someNs = fc.oneof(
  fc.bigInt({ min: 0n, max: 20n }).map((step) => EPOCH + step),
  fc.constantFrom(0n, 250_000_000n, 2n ** 63n - 1n),
)
const someDuration = fc.constantFrom(0n, 1n, 1000n, 250_000_000n, 90_000_000_000n, 2n ** 63n - 1n)

function valueOf(field: FieldName): fc.Arbitrary<FilterValue> {
  const { type, values } = fieldSpec(field)
  switch (type) {
    case 'text':
    case 'list':
      return values === undefined ? someText : fc.constantFrom(...values)
    case 'number':
      return someNumber
    case 'bool':
      return fc.boolean()
    case 'time':
      return someNs
    case 'duration':
      return someDuration
    default:
      return type satisfies never
  }
}

function memberOf(field: FieldName): fc.Arbitrary<unknown> {
  const { type } = fieldSpec(field)
  if (type === 'list')
    return fc.array(
      someText.filter((text) => text !== ''),
      { maxLength: 3 },
    )
  if (type === 'time' || type === 'duration') return valueOf(field).map(String)
  return valueOf(field)
}

/** Transactions with some of their fields; each at a place of its own in one of two logs. */
export const someTransactions: fc.Arbitrary<readonly Transaction[]> = fc
  .array(
    fc.record(Object.fromEntries(fieldNames.map((field) => [field, memberOf(field)])), {
      requiredKeys: [],
    }),
    { minLength: 30, maxLength: 120, size: 'max' },
  )
  .map((rows) =>
    rows.map((row, at): Transaction => {
      const { origin: _origin, intent: _intent, ...members } = row
      const time = String(EPOCH + BigInt(at % 10))
      return {
        ...(members as Partial<Transaction>),
        time,
        id: `id-${at}`,
        origin: at % 3 === 0 ? 'b.example' : 'a.example',
        index: at,
      }
    }),
  )

const askedFields = fieldNames.filter((field) => !['id', 'origin'].includes(field))
const ofType = (...types: readonly string[]): readonly FieldName[] =>
  askedFields.filter((field) => types.includes(fieldSpec(field).type))

const compare: fc.Arbitrary<Filter> = fc.oneof(
  fc.constantFrom(...askedFields).chain((field) =>
    valueOf(field)
      .filter((value) => value !== '')
      .map((value): Filter => ({ kind: 'compare', field, operator: '=', value, at: NOWHERE })),
  ),
  fc
    .constantFrom(...ofType('number', 'time', 'duration'))
    .chain((field) =>
      fc
        .tuple(fc.constantFrom('<', '<=', '>', '>='), valueOf(field))
        .map(([operator, value]): Filter => ({
          kind: 'compare',
          field,
          operator,
          value,
          at: NOWHERE,
        })),
    ),
)

const among: fc.Arbitrary<Filter> = fc
  .constantFrom(...askedFields.filter((field) => fieldSpec(field).type !== 'time'))
  .chain((field) =>
    fc
      .array(
        valueOf(field).filter((value) => value !== ''),
        { minLength: 2, maxLength: 5 },
      )
      .map((values) =>
        anyOf(
          merged(
            values.map((value): Filter => ({
              kind: 'compare',
              field,
              operator: '=',
              value,
              at: NOWHERE,
            })),
          ),
        ),
      ),
  )

const like: fc.Arbitrary<Filter> = fc
  .tuple(
    fc.constantFrom(...ofType('text', 'list')),
    fc.array(
      fc.oneof(
        fc.constant('*'),
        someText.map((text) => text.replaceAll(/[\\*]/g, '\\$&')),
      ),
      {
        maxLength: 4,
      },
    ),
    fc.boolean(),
  )
  .map(([field, pieces, atEnd]) => ({
    field,
    pattern: atEnd ? `${pieces.join('')}*` : `*${pieces.join('')}`,
  }))
  .filter(({ pattern }) => !/^\*+$/.test(pattern))
  .map(({ field, pattern }): Filter => ({ kind: 'like', field, pattern, at: NOWHERE }))

const has: fc.Arbitrary<Filter> = fc
  .constantFrom(...askedFields)
  .map((field): Filter => ({ kind: 'has', field, at: NOWHERE }))

const words: fc.Arbitrary<Filter> = fc
  .oneof(
    someText,
    fc.constantFrom('read', 'ÜBER', 'straße über', 'οδος', 'ΣΑΣ', 'drop table', 'x', 'i̇stanbul'),
  )
  .filter((text) => wordsOf(text).length > 0)
  .map((text): Filter => ({ kind: 'words', text, at: NOWHERE }))

/** Filters in their normal form. */
export const someFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      { weight: 6, arbitrary: compare },
      { weight: 3, arbitrary: among },
      { weight: 4, arbitrary: like },
      { weight: 2, arbitrary: has },
      { weight: 4, arbitrary: words },
      { weight: 1, arbitrary: fc.constant(every) },
    ),
    fc.array(tie('filter'), { minLength: 1, maxLength: 4 }).map(allOf),
    fc.array(tie('filter'), { minLength: 1, maxLength: 4 }).map(anyOf),
    tie('filter').map(notOf),
  ),
})).filter

/** The same filter, wherever it was written. */
export function withoutSpans(filter: Filter): unknown {
  return JSON.parse(
    JSON.stringify(filter, (key, value: unknown) =>
      key === 'at' ? undefined : typeof value === 'bigint' ? `${value}n` : value,
    ),
  )
}
