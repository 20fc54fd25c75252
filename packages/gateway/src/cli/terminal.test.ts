import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { broken } from '../follow.ts'
import { CommandError } from './errors.ts'
import { column, duration, escapeText, fit, paintFor, sayError } from './terminal.ts'
import { captureIo } from './testing/captured-io.ts'

test('an error is one line, with at most one hint, and exits 2', () => {
  const io = captureIo()
  const code = sayError(io, new CommandError('CANNOT_RUN', 'could not read x', { hint: 'try y' }))
  assert.equal(code, 2)
  assert.equal(io.err(), 'countersign: error: could not read x\ncountersign: hint: try y\n')
  assert.equal(io.out(), '', 'stdout is data')
})

test('a log that is not what was signed exits 1', () => {
  assert.equal(sayError(captureIo(), broken('record 3 is missing')), 1)
})

test('the hint of another room is passed on', () => {
  const io = captureIo()
  sayError(io, Object.assign(new Error('could not open'), { hint: 'stop the other process' }))
  assert.equal(
    io.err(),
    'countersign: error: could not open\ncountersign: hint: stop the other process\n',
  )
})

test('no control character from outside reaches a terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(escapeText(text), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    }),
  )
  assert.equal(escapeText('a\u001b[2Jb\nc\u202ed'), 'a\\u{1b}[2Jb\\u{a}c\\u{202e}d')
})

test('a line is cut to the terminal, colours not counted, and left whole in a pipe', () => {
  const paint = paintFor({ write: () => 0, isTTY: true, hasColors: () => true })
  const line = `${paint.green('allowed')} and more`
  assert.equal(fit(line, { write: () => 0, isTTY: true, columns: 16 }), line)
  assert.equal(
    fit(line, { write: () => 0, isTTY: true, columns: 9 }),
    '\u001b[32mallowed\u001b[39m …',
  )
  assert.equal(fit(line, { write: () => 0 }), line)
})

test('colours are only for terminals', () => {
  assert.equal(paintFor({ write: () => 0 }).red('x'), 'x')
  assert.equal(paintFor({ write: () => 0, isTTY: true, hasColors: () => false }).red('x'), 'x')
})

test('a column has one width', () => {
  assert.equal(column('abc', 5), 'abc  ')
  assert.equal(column('abcdef', 5), 'abcd…')
})

test('durations read well', () => {
  assert.deepEqual([812_000, 3_140_000, 2_400_000_000].map(duration), ['812 µs', '3.1 ms', '2.4 s'])
})
