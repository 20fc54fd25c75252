/** The page is committed as it was built: whoever reads the sources has read the page. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { buildPage, PAGE_FILE, withDigest } from '../../packages/verifier/build/build-page.ts'

const root = resolve(import.meta.dirname, '../..')
const hint = 'run: node -C @countersign/source packages/verifier/build/build-page.ts'
const committed = readFileSync(PAGE_FILE, 'utf8')

test('the committed page is what its sources give, byte for byte', async () => {
  assert.ok((await buildPage()) === committed, hint)
})

test('the specification holds the SHA-256 of the page', () => {
  const spec = readFileSync(join(root, 'docs/spec/bundle.md'), 'utf8')
  const digest = createHash('sha256').update(committed).digest('hex')
  assert.ok(spec.includes(`    ${digest}\n`), hint)
  assert.ok(withDigest(spec, '').includes(createHash('sha256').digest('hex')))
})

test('the page may load nothing: its policy names its own script and style, and nothing else', () => {
  const [, policy = ''] = /Content-Security-Policy"\s+content="([^"]+)"/.exec(committed) ?? []
  const script = committed.slice(committed.indexOf('<script>') + 8, committed.indexOf('</script>'))
  const style = committed.slice(committed.indexOf('<style>') + 7, committed.indexOf('</style>'))
  const hash = (text: string): string => createHash('sha256').update(text).digest('base64')
  assert.deepEqual(policy.split('; '), [
    "default-src 'none'",
    `script-src 'sha256-${hash(script)}'`,
    `style-src 'sha256-${hash(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ])
  assert.doesNotMatch(committed, /\b(?:src|href)=/)
  assert.doesNotMatch(
    script,
    /\b(?:innerHTML|outerHTML|insertAdjacentHTML|eval|XMLHttpRequest)\b|\bfetch\(/,
  )
})
