import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fieldSpec } from '@countersign/record/transaction'
import { fieldNames } from '../columns.ts'
import { aliases } from './conditions.ts'
import { parseQuestion } from './decode.ts'
import * as limits from './limits.ts'

const page = await readFile(
  new URL('../../../../../docs/spec/questions.md', import.meta.url),
  'utf8',
)

test('the page lists every field as the catalogue has it, and no other', () => {
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| (\w+)(, sealed)? \| (.*?) \| `(.*?)` \|$/gm)]
  assert.deepEqual(
    rows.map(([, name]) => name),
    fieldNames,
  )
  for (const [at, name] of fieldNames.entries()) {
    const { type, sealed = false, about, example } = fieldSpec(name)
    const [, , saidType, saidSealed, saidAbout = '', saidExample] = rows[at] ?? []
    assert.equal(saidType, type, name)
    assert.equal(saidSealed !== undefined, sealed, name)
    assert.ok(saidAbout.startsWith(about), name)
    assert.equal(saidExample, example, name)
  }
})

test('every example of a field is a value that can be asked for', () => {
  for (const name of fieldNames) {
    const { filter } = parseQuestion(`${name}:"${fieldSpec(name).example}"`, 0n)
    assert.notEqual(filter.kind, 'every', name)
  }
})

test('the page names every alias and every limit, with its number', () => {
  for (const alias of Object.keys(aliases)) assert.ok(page.includes(`\`${alias}:\``), alias)
  const named: readonly (readonly [string, number])[] = [
    ['QUESTION_CHARACTERS_MAX', limits.QUESTION_CHARACTERS_MAX],
    ['TERMS_MAX', limits.TERMS_MAX],
    ['DEPTH_MAX', limits.DEPTH_MAX],
    ['LIST_VALUES_MAX', limits.LIST_VALUES_MAX],
    ['WORDS_MAX', limits.WORDS_MAX],
  ]
  for (const [name, value] of named)
    assert.match(page, new RegExp(`\`${name}\` \\| ${value.toLocaleString('en-US')} `), name)
})
