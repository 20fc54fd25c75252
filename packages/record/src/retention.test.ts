import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Leaf } from './leaf.ts'
import {
  bucketDays,
  dayOf,
  dropAfter,
  dropOf,
  isDay,
  isDropped,
  retentionDays,
  Retentions,
  rulesText,
} from './retention.ts'
import type { RetentionRules } from './retention.ts'

const DAY_NS = 86_400_000_000_000n
const at = (text: string): bigint => BigInt(Date.parse(text)) * 1_000_000n
const dayNumber = (day: string): number => Date.parse(`${day}T00:00:00Z`) / 86_400_000

const rules: RetentionRules = {
  default: 400,
  labels: { pii: 90, payment: 3650 },
  services: { orders: 180, 'with.dots': 5 },
}

test('the shortest rule of label and service decides, the default only where there is none', () => {
  assert.equal(retentionDays(rules, {}), 400)
  assert.equal(retentionDays(rules, { labels: ['none'], service: 'none' }), 400)
  assert.equal(retentionDays(rules, { labels: ['payment'] }), 3650)
  assert.equal(retentionDays(rules, { labels: ['payment', 'pii'], service: 'orders' }), 90)
  assert.equal(retentionDays(rules, { labels: ['payment'], service: 'orders' }), 180)
  assert.equal(retentionDays({ labels: {}, services: {} }, { labels: ['pii'] }), undefined)
})

test('a label or service that is named like a part of the language has no rule', () => {
  for (const name of ['constructor', '__proto__', 'toString'])
    assert.equal(retentionDays(rules, { labels: [name], service: name }), 400)
})

test('nothing goes earlier than promised, and at most one bucket later', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }),
      fc.integer({ min: 1, max: 25_000 }),
      (occurredNs, days) => {
        const day = dropAfter(occurredNs, days)
        if (day === undefined) {
          assert.ok(dayNumber(dayOf(occurredNs)) + days + bucketDays(days) > 65_534)
          return
        }
        const last = dayNumber(day)
        const promised = dayNumber(dayOf(occurredNs)) + days
        assert.ok(last >= promised)
        assert.ok(last < promised + bucketDays(days))
        // It is gone on the day after, so whole days have passed.
        assert.ok(BigInt(last + 1) * DAY_NS >= occurredNs + BigInt(days) * DAY_NS)
      },
    ),
  )
})

test('what happened later never goes earlier, and a class has about thirty periods at a time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30_000 }),
      fc.integer({ min: 1, max: 4_000 }),
      (first, days) => {
        const lasts = Array.from({ length: days + 1 }, (_, n) =>
          dropAfter(BigInt(first + n) * DAY_NS, days),
        )
        assert.ok(lasts.every((last, n) => n === 0 || (lasts[n - 1] ?? '') <= (last ?? '')))
        const periods = new Set(lasts).size
        assert.ok(periods <= Math.max(62, days / bucketDays(days) + 2), `${periods} of ${days}`)
      },
    ),
    { numRuns: 40 },
  )
  const year = Array.from({ length: 400 }, (_, n) => dropAfter(BigInt(20_000 + n) * DAY_NS, 400))
  assert.ok(new Set(year).size <= 32)
})

test('days are in UTC, and what has no rule or outlives the calendar is kept for ever', () => {
  assert.equal(dropAfter(at('2026-11-26T23:59:59.999Z'), 1), '2026-11-27')
  assert.equal(dropAfter(at('2026-11-27T00:00:00Z'), 1), '2026-11-28')
  assert.equal(dropAfter(at('2026-11-26T00:00:00Z'), undefined), undefined)
  assert.equal(dropAfter(at('2026-11-26T00:00:00Z'), 9_000_000), undefined)
  assert.equal(dropAfter(at('2149-06-04T23:00:00Z'), 1), '2149-06-05')
  assert.equal(dropAfter(at('2149-06-05T00:00:00Z'), 1), undefined)
  assert.equal(dayOf(at('2026-02-28T12:00:00Z')), '2026-02-28')
})

test('a day that there is not is none', () => {
  assert.ok(isDay('2028-02-29'))
  for (const text of ['2026-02-29', '2026-13-01', '2026-1-1', '', '2026-11-26 ', '+10000-01-01'])
    assert.ok(!isDay(text), text)
})

test('rules have one spelling, whatever their order', () => {
  const turned = { ...rules, labels: { payment: 3650, pii: 90 } }
  assert.equal(rulesText(turned), rulesText(rules))
  assert.notEqual(rulesText({ ...rules, default: 401 }), rulesText(rules))
  assert.notEqual(
    rulesText({ labels: { orders: 180 }, services: {} }),
    rulesText({ labels: {}, services: { orders: 180 } }),
  )
})

function retention(
  today: string,
  { periods = [], kept = [], on = today }: { periods?: string[]; kept?: string[]; on?: string },
): Pick<Leaf, 'lifecycle' | 'time'> {
  return {
    time: { occurred: String(at(`${on}T03:00:00Z`)) },
    lifecycle: {
      kind: 'retention',
      by: 'timer',
      today,
      periods,
      kept,
      addenda: 0,
      rules: 'a'.repeat(64),
    },
  }
}

test('a record lets go what is before its day, except what a hold keeps', () => {
  const drop = dropOf(retention('2026-11-26', { kept: ['2026-11-24'] }))
  assert.ok(drop !== undefined)
  const days = ['2026-11-23', '2026-11-24', '2026-11-25', '2026-11-26', '2026-11-27']
  assert.deepEqual(
    days.map((day) => isDropped(drop, day)),
    [true, false, true, false, false],
  )
  assert.equal(dropOf({ lifecycle: { kind: 'shutdown', component: 'ledger' } }), undefined)
})

test('the first record that names a period covers it, and none excuses what was still to be kept', () => {
  const retentions = new Retentions()
  retentions.add(3, retention('2026-11-26', { periods: ['2026-11-24', '2026-11-26'] }))
  retentions.add(5, retention('2026-11-27', { periods: ['2026-11-24', '2026-11-25'] }))
  retentions.add(7, retention('2026-12-31', { periods: ['2026-11-27'], on: '2026-11-27' }))
  assert.deepEqual(
    ['2026-11-24', '2026-11-25', '2026-11-26', '2026-11-27'].map((day) => retentions.covering(day)),
    [3, 5, undefined, undefined],
  )
})
