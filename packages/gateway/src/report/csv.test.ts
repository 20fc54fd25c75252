import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { csvLine } from '../report.ts'

test('a value that a spreadsheet would run becomes a text', () => {
  const formulas = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '=HYPERLINK("http://x","y")']
  for (const formula of formulas)
    assert.equal(csvLine([formula]), `"'${formula.replaceAll('"', '""')}"\r\n`)
  assert.equal(csvLine(['GET', 404, true, undefined, '']), '"GET",404,true,,""\r\n')
})

test('no value ends its cell', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), (values) => {
      const line = csvLine(values)
      const cells = [...line.slice(0, -2).matchAll(/(?:^|,)"((?:[^"]|"")*)"/g)]
      const read = cells.map(([, cell = '']) => cell.replaceAll('""', '"'))
      assert.deepEqual(
        read,
        values.map((value) => (/^[=+\-@\t\r]/.test(value) ? `'${value}` : value)),
      )
    }),
  )
})
