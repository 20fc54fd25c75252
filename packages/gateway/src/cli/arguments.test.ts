import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest, readArguments } from './arguments.ts'
import { CommandError } from './errors.ts'

const shape = {
  command: 'tail',
  options: { config: { type: 'string', short: 'c' }, json: { type: 'boolean' } },
  positionalsMax: 1,
} as const

function refusal(
  args: readonly string[],
  wanted: Parameters<typeof readArguments>[1] = shape,
): CommandError {
  try {
    readArguments(args, wanted)
  } catch (error) {
    assert.ok(error instanceof CommandError)
    assert.equal(error.code, 'USAGE')
    return error
  }
  throw new assert.AssertionError({ message: 'it was accepted' })
}

test('a question that begins with a dash is told from an option', () => {
  const { hint } = refusal(['-method:POST service:orders'])
  assert.equal(hint, "a question that begins with a dash stands behind '--', or begins with NOT")
})

test('an unknown option names the one that was meant', () => {
  const { message, hint } = refusal(['--confg', 'x'])
  assert.equal(message, "could not run: '--confg' is not an option")
  assert.equal(hint, "did you mean '--config'?")
})

test('an unknown option that resembles none leads to the help', () => {
  assert.equal(refusal(['--wombat']).hint, "see 'countersign tail --help'")
})

test('an option without its value says so', () => {
  assert.equal(refusal(['--config']).message, 'could not run: --config needs a value')
  assert.equal(refusal(['-c']).message, 'could not run: --config needs a value')
})

test('an argument too many is named', () => {
  assert.equal(refusal(['a', 'b']).message, "could not run: 'b' is one argument too many")
})

test('a missing argument is named', () => {
  const { message } = refusal([], { ...shape, positionalsMin: 1, expects: 'an id' })
  assert.equal(message, 'could not run: tail needs an id')
})

test('the nearest word is at most two letters off', () => {
  assert.equal(nearest('tial', ['tail', 'init']), 'tail')
  assert.equal(nearest('verfy', ['verify', 'version']), 'verify')
  assert.equal(nearest('xyz', ['tail', 'up']), undefined)
})
