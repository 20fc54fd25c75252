import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

test('no source file reaches outside the package, or names what only Node has', () => {
  const names = globSync('*.ts', { cwd: import.meta.dirname }).filter(
    (name) => !name.endsWith('.test.ts'),
  )
  assert.ok(names.length > 10)
  for (const name of names) {
    const source = readFileSync(join(import.meta.dirname, name), 'utf8')
    for (const [, from] of source.matchAll(/\bfrom '([^']+)'/g))
      assert.match(from ?? '', /^\.\/[a-z0-9-]+\.ts$/, name)
    assert.doesNotMatch(source, /\b(?:Buffer|process|require|import\()/, name)
  }
})
