import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SearchError } from '../errors.ts'
import { parseQuestion } from './decode.ts'
import {
  DEPTH_MAX,
  LIST_VALUES_MAX,
  QUESTION_CHARACTERS_MAX,
  TERMS_MAX,
  WORDS_MAX,
} from './limits.ts'
import { formatProblem } from './problem.ts'

/** A question, what is wrong with it, and the characters that are to blame. */
const wrong: readonly (readonly [text: string, message: RegExp, blamed: string])[] = [
  ['servise:orders', /no field 'servise'; did you mean 'service'\?/, 'servise'],
  ['outcome:denid', /never 'denid'; did you mean 'denied'\?/, 'denid'],
  ['status:high', /./, 'high'],
  ['status:4e2', /./, '4e2'],
  ['allowed:maybe', /true or false/, 'maybe'],
  ['service:>orders', /has no order/, 'service:>orders'],
  ['duration:>250', /lacks its unit/, '250'],
  ['time:2026-02-30', /no such date/, '2026-02-30'],
  ['since:never', /no time is behind since:/, 'never'],
  ['since:1h since:2h', /is there twice/, 'since:2h'],
  ['-since:1h', /about the whole question/, 'since:1h'],
  ['(since:1h)', /about the whole question/, 'since:1h'],
  ['until:2h since:1h', /not after since:/, 'until:2h'],
  ['service:', /a value is missing/, ''],
  ['service:(a b', /not closed/, '('],
  ['service:>(a)', /list goes with no operator/, 'service:>('],
  ['(a', /not closed/, '('],
  ['a)', /closes nothing/, ')'],
  ['()', /nothing in these brackets/, '()'],
  ['a OR', /something on both sides/, 'OR'],
  ['AND a', /something on both sides/, 'AND'],
  ['NOT', /nothing stands behind/, 'NOT'],
  ['"open', /quote is not closed/, '"'],
  ['a"b"', /quote begins in the middle/, '"'],
  ['path:"a\\b"', /backslash/, '\\'],
  ['or*ers', /free text has no wildcards/, 'or*ers'],
  ['!!!', /no letter and no digit/, '!!!'],
]

test('what cannot be understood is pointed at', () => {
  for (const [text, message, blamed] of wrong) {
    assert.throws(
      () => parseQuestion(text, 10n ** 18n),
      (error) => {
        assert.ok(error instanceof SearchError, text)
        assert.equal(error.code, 'SEARCH_SYNTAX', text)
        assert.match(error.message, message, text)
        assert.ok(error.at !== undefined, text)
        if (blamed !== '') assert.equal(text.slice(error.at.from, error.at.to), blamed, text)
        assert.match(formatProblem(text, error) ?? '', /\n *\^+$/, text)
        return true
      },
    )
  }
})

test('every limit of a question is reached, and one more is refused', () => {
  const limits: readonly (readonly [fits: string, more: string])[] = [
    ['a'.repeat(QUESTION_CHARACTERS_MAX), 'a'.repeat(QUESTION_CHARACTERS_MAX + 1)],
    [terms(TERMS_MAX), terms(TERMS_MAX + 1)],
    [nested(DEPTH_MAX), nested(DEPTH_MAX + 1)],
    [list(LIST_VALUES_MAX), list(LIST_VALUES_MAX + 1)],
    [words(WORDS_MAX), words(WORDS_MAX + 1)],
  ]
  for (const [fits, more] of limits) {
    parseQuestion(fits, 0n)
    assert.throws(() => parseQuestion(more, 0n), { code: 'SEARCH_SYNTAX' }, more.slice(0, 40))
  }
})

const terms = (count: number): string =>
  Array.from({ length: count }, (_, n) => `port:${n}`).join(' ')
const nested = (depth: number): string => `${'('.repeat(depth)}a${')'.repeat(depth)}`
const list = (count: number): string =>
  `port:(${Array.from({ length: count }, (_, n) => n).join(' ')})`
const words = (count: number): string => `"${Array.from({ length: count }, () => 'a').join(' ')}"`
