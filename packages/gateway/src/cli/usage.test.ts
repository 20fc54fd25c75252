import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandUsage, usage } from './usage.ts'

const all = Object.entries({ ...commandUsage, '': usage })

test('every help text fits 80 columns', () => {
  for (const [name, text] of all) {
    const wide = text.split('\n').filter((line) => line.length > 80)
    assert.deepEqual(wide, [], `in the help of '${name}'`)
  }
})

test('every help text begins with its usage and ends with an example', () => {
  for (const [name, text] of all) {
    assert.match(text, /^Usage: countersign /, name)
    const [, example = ''] = text.split('\nExample:\n')
    assert.match(
      example,
      /^ {2}(KEY=\$\()?countersign \S[^\n]*\n$/,
      `the help of '${name}' ends with one line of example`,
    )
    assert.ok(example.includes(`countersign ${name}`), `the example of '${name}' shows it`)
  }
})

test('the help of the whole names every command', () => {
  for (const name of Object.keys(commandUsage)) {
    const spoken = name === 'version' ? '--version' : name
    assert.ok(usage.includes(spoken), name)
  }
})

test('help says the exit codes', () => {
  assert.match(usage, /0 done; 1 the answer is no/)
})
