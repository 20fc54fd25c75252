import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { someFilter, withoutSpans } from '../testing/questions.ts'
import { parseQuestion } from './decode.ts'
import { conditionsOf, depthOf } from './filter.ts'
import { DEPTH_MAX, QUESTION_CHARACTERS_MAX, TERMS_MAX } from './limits.ts'
import { printQuestion } from './print.ts'

const NOW = 1_764_137_909_123_456_789n

test('what is printed is read as the same question', () => {
  const ns = fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 10n ** 18n }), { nil: undefined })
  fc.assert(
    fc.property(someFilter, ns, ns, (filter, sinceNs, untilNs) => {
      fc.pre([...conditionsOf(filter)].length <= TERMS_MAX && depthOf(filter) <= DEPTH_MAX)
      fc.pre(sinceNs === undefined || untilNs === undefined || sinceNs < untilNs)
      const text = printQuestion({
        filter,
        ...(sinceNs === undefined ? {} : { sinceNs }),
        ...(untilNs === undefined ? {} : { untilNs }),
      })
      fc.pre(text.length <= QUESTION_CHARACTERS_MAX)
      const again = parseQuestion(text, NOW)
      assert.deepEqual(withoutSpans(again.filter), withoutSpans(filter), text)
      assert.deepEqual([again.sinceNs, again.untilNs], [sinceNs, untilNs])
      assert.equal(printQuestion(again), text)
    }),
    { numRuns: 2000 },
  )
})
