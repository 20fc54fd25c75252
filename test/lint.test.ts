/**
 * Canaries: a rule whose plugin is not listed is ignored without a word, so each rule has a file that breaks it, and the
 * linter must say so.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '..')
const canaries = join(root, 'test/canary')
const config = JSON.parse(readFileSync(join(root, '.oxlintrc.json'), 'utf8')) as {
  rules: Record<string, unknown>
}
// A canary for these would be hundreds of lines that say nothing.
const withoutCanary = new Set(['max-lines', 'max-lines-per-function'])

const expected = readdirSync(canaries).flatMap((file) => {
  const text = readFileSync(join(canaries, file), 'utf8')
  return [...text.matchAll(/Expected: ([\w-]+)\(([\w-]+)\)/g)].map(([, plugin, rule]) => ({
    file,
    rule: rule ?? '',
    told: `${plugin}(${rule})`,
  }))
})

function lintCanaries(): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lint-'))
  try {
    // The tree's own rules, but for the line that spares the canaries.
    const path = join(folder, 'oxlintrc.json')
    writeFileSync(path, JSON.stringify({ ...config, ignorePatterns: [] }))
    const words = ['--type-aware', '-c', path, '-f', 'unix', 'test/canary']
    return spawnSync('oxlint', words, { cwd: root, encoding: 'utf8' }).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the linter reports every canary', () => {
  assert.ok(expected.length >= 10)
  const lines = lintCanaries().split('\n')
  for (const { file, told } of expected) {
    assert.ok(
      lines.some((line) => line.startsWith(`test/canary/${file}:`) && line.includes(told)),
      `${told} is silent about ${file}`,
    )
  }
})

test('every rule that is turned on by name has a canary', () => {
  const named = Object.entries(config.rules)
    .filter(([, level]) => level !== 'off')
    .map(([name]) => name.split('/').at(-1) ?? '')
  const covered = new Set(expected.map(({ rule }) => rule))
  assert.deepEqual(
    named.filter((rule) => !covered.has(rule) && !withoutCanary.has(rule)),
    [],
  )
})
